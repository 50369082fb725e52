"""Messages on their way out: what may be sent now, and what became of it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy.ext.asyncio import AsyncSession

from campaign import domain
from campaign.domain import Status
from campaign.models import ContactRow, MessageRow
from campaign.repository import contacts, enrolments, messages
from campaign.service.enrolments import Enrolments
from campaign.service.settlement import settle
from common.clock import Clock


class Fate(StrEnum):
    """What is known of an attempt to hand a message over."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    PUT_OFF = "put_off"
    AMBIGUOUS = "ambiguous"


@dataclass(frozen=True)
class Attempt:
    fate: Fate
    detail: str = ""


@dataclass(frozen=True)
class Claim:
    """A message that is `sending` for one owner: it must be handed over at most once, now."""

    id: str
    customer: str
    to: str
    name: str | None
    subject: str
    text: str
    html: str
    token: str
    at: datetime


class Letterbox:
    """The queue of messages. `retry` is the pause after a first temporary refusal."""

    def __init__(self, clock: Clock, enrolments_: Enrolments, facts_topic: str, retry: timedelta) -> None:
        self._clock, self._enrolments, self._topic, self._retry = clock, enrolments_, facts_topic, retry

    async def is_due(self, session: AsyncSession) -> bool:
        return await messages.is_due(session, self._clock.now())

    async def claim(self, session: AsyncSession, owner: str) -> Claim | None:
        """The next message, `sending` once the session commits. Those that may not be sent now are suppressed."""
        now = self._clock.now()
        while customer := await messages.hold_next(session, now):
            contact = await contacts.lock(session, customer)
            message = await messages.next_due(session, contact.customer, now)
            if message is None:
                return None
            why_not = await self._objection(session, contact)
            if why_not is None:
                return _claimed(message, contact, owner, now)
            message.to = contact.email
            await self._finish(session, message, Status.SUPPRESSED, why_not)
        return None

    async def _objection(self, session: AsyncSession, contact: ContactRow) -> str | None:
        return domain.objection(
            email=contact.email,
            consent=contact.consent,
            has_ordered=contact.last_order_at is not None,
            suppressed=bool(contact.email) and await contacts.is_suppressed(session, contact.email or ""),
        )

    async def settle(self, session: AsyncSession, claim: Claim, owner: str, attempt: Attempt) -> bool:
        """Writes down what became of a claim; False where somebody has given it up meanwhile."""
        await contacts.lock(session, claim.customer)
        message = await messages.get(session, claim.id)
        if message.status != Status.SENDING or message.owner != owner:
            return False
        if attempt.fate is Fate.ACCEPTED:
            await self._finish(session, message, Status.SENT)
        elif attempt.fate is Fate.REFUSED:
            await self._finish(session, message, Status.FAILED, f"refused: {attempt.detail}")
        elif attempt.fate is Fate.AMBIGUOUS:
            await self._finish(session, message, Status.UNKNOWN, attempt.detail)
        else:
            await self._put_back(session, message, attempt.detail)
        return True

    async def give_up_abandoned(self, session: AsyncSession, in_flight: Collection[str]) -> int:
        """What nobody is sending any more: its fate is unknown, so it is never sent again. Returns how many.

        Only for whoever holds the sender's lock; `in_flight` are the ids that are in its own hands.
        """
        found = await messages.abandoned(session, in_flight)
        for id_, customer in found:
            await contacts.lock(session, customer)
            message = await messages.get(session, id_)
            if message.status == Status.SENDING:
                await self._finish(session, message, Status.UNKNOWN, "the sender stopped while it was sending")
        return len(found)

    async def _put_back(self, session: AsyncSession, message: MessageRow, detail: str) -> None:
        message.attempts += 1
        now = self._clock.now()
        again = domain.next_attempt(message.attempts, self._retry, now)
        enrolment = await enrolments.get(session, message.enrolment_id)
        if enrolment.outcome:
            await self._finish(session, message, Status.SUPPRESSED, "the journey ended meanwhile")
        elif again is None:
            await self._finish(session, message, Status.FAILED, f"gave up: {detail}")
        else:
            message.status, message.owner, message.reason = Status.QUEUED, None, detail
            message.next_attempt_at = again

    async def _finish(
        self, session: AsyncSession, message: MessageRow, status: Status, reason: str | None = None
    ) -> None:
        row = await enrolments.get(session, message.enrolment_id)
        await settle(session, self._topic, message, row, status, self._clock.now(), reason)
        await session.flush()
        await self._enrolments.apply(session, row, domain.MessageSettled(message.step, status))


def _claimed(message: MessageRow, contact: ContactRow, owner: str, now: datetime) -> Claim:
    message.status, message.owner, message.to = Status.SENDING, owner, contact.email
    return Claim(
        id=message.id,
        customer=contact.customer,
        to=contact.email or "",
        name=contact.name,
        subject=message.subject or "",
        text=message.text,
        html=message.html,
        token=message.token,
        at=now,
    )
