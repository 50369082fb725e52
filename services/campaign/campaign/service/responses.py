"""What customers do with messages: open, click, unsubscribe, order."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from campaign import domain, events
from campaign.domain import CONVERSION_WINDOW, Outcome, Signal
from campaign.models import MessageRow
from campaign.repository import contacts, enrolments, messages
from campaign.service.enrolments import Enrolments
from common.clock import Clock
from common.envelope import Envelope
from common.outbox import emit


class Responses:
    """Counts each kind of response once per message (clicks once per link) and tells the journey."""

    def __init__(self, clock: Clock, enrolments_: Enrolments, facts_topic: str) -> None:
        self._clock, self._enrolments, self._topic = clock, enrolments_, facts_topic

    async def opened(self, session: AsyncSession, token: str) -> None:
        """An unknown token has no effect."""
        message = await messages.by_token(session, token)
        if message and message.opened_at is None:
            await self._opened(session, await self._held(session, message), self._clock.now())

    async def clicked(self, session: AsyncSession, token: str) -> str | None:
        """Where the link leads; None for a token that is not of a link."""
        link = await messages.link(session, token)
        if link is None or link.clicked_at:
            return link.url if link else None
        message, now = await self._held(session, await messages.get(session, link.message_id)), self._clock.now()
        await session.refresh(link)
        if link.clicked_at is None:
            link.clicked_at = now
            message.clicked_at = message.clicked_at or now
            await self._opened(session, message, now)  # who clicks has opened, images or not
            await self._respond(session, message, Signal.CLICK, now, events.CLICKED, url=link.url)
        return link.url

    async def exists(self, session: AsyncSession, token: str) -> bool:
        return await messages.by_token(session, token) is not None

    async def unsubscribe(self, session: AsyncSession, token: str) -> bool:
        """No more e-mail to this person; False for an unknown token."""
        found = await messages.by_token(session, token)
        if found is None:
            return False
        contact, now = await contacts.lock(session, found.customer), self._clock.now()
        addresses = sorted({address for address in (found.to, contact.email) if address})
        new = [await contacts.suppress(session, address, "unsubscribed by link", now) for address in addresses]
        if any(new) or contact.consent is not False:
            contact.consent = False
            await emit(session, self._topic, [events.unsubscribed(contact.customer, now)])
        await self._enrolments.conclude(session, contact.customer, Outcome.UNSUBSCRIBED)
        return True

    async def ordered(self, session: AsyncSession, envelopes: Sequence[Envelope]) -> None:
        """Orders make customers; a live one also ends their journeys and counts for the last message."""
        latest: dict[str, datetime] = {}
        for envelope in envelopes:
            latest[envelope.key] = max(latest.get(envelope.key, envelope.time), envelope.time)
        now_is = await contacts.note_orders(session, latest)
        customers, since = set(now_is.values()), self._clock.now() - CONVERSION_WINDOW
        concerned = await enrolments.customers_of_live(session, customers)
        concerned |= await messages.customers_mailed(session, customers, since)
        for envelope in envelopes:
            customer = now_is[envelope.key]
            if customer in concerned and envelope.backfill is None:
                await self._ordered(session, customer, envelope)

    async def _ordered(self, session: AsyncSession, customer: str, envelope: Envelope) -> None:
        order = events.OrderPlaced.model_validate(envelope.data)
        since = envelope.time - CONVERSION_WINDOW
        message = await messages.latest_sent(session, [customer], since, envelope.time)
        if message and message.converted_at is None:
            now = self._clock.now()
            message.converted_at = now
            row = await enrolments.get(session, message.enrolment_id)
            told = order.model_dump()
            await emit(session, self._topic, [events.of_message(message, row, events.CONVERTED, now, envelope, **told)])
        await self._enrolments.conclude(session, customer, Outcome.WON_BACK, envelope)

    async def _held(self, session: AsyncSession, message: MessageRow) -> MessageRow:
        await contacts.lock(session, message.customer)
        return await messages.get(session, message.id)

    async def _opened(self, session: AsyncSession, message: MessageRow, now: datetime) -> None:
        if message.opened_at is None:
            message.opened_at = now
            await self._respond(session, message, Signal.OPEN, now, events.OPENED)

    async def _respond(
        self, session: AsyncSession, message: MessageRow, signal: Signal, now: datetime, type_: str, **more: Any
    ) -> None:
        row = await enrolments.get(session, message.enrolment_id)
        await emit(session, self._topic, [events.of_message(message, row, type_, now, **more)])
        await self._enrolments.apply(session, row, domain.Responded(message.step, signal))
