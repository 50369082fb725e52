"""Customers enter journeys, go through their steps and leave them."""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncSession

from campaign import domain, events, metrics
from campaign.composer import Composer, Letter, new_token
from campaign.domain import Outcome, Status
from campaign.journeys import Plan
from campaign.models import ContactRow, EnrolmentRow, LinkRow, MessageRow
from campaign.repository import contacts, enrolments, messages
from campaign.service.settlement import settle
from campaign.templates import TemplateError
from common.clock import Clock
from common.envelope import Envelope
from common.ids import new_id
from common.outbox import emit


class Enrolments:
    """Runs journeys. Every method that takes an enrolment expects its customer to be held."""

    def __init__(self, clock: Clock, plans: Mapping[str, Plan], composer: Composer, facts_topic: str) -> None:
        self._clock, self._plans, self._composer, self._topic = clock, plans, composer, facts_topic

    async def enrol(self, session: AsyncSession, trigger: events.TriggerRaised, envelope: Envelope) -> None:
        """Into every journey that this trigger starts, unless the customer is in it or was lately."""
        if envelope.backfill or trigger.direction != "bad":
            return
        for plan in self._plans.values():
            if plan.journey.active and trigger.kind in plan.journey.trigger_kinds:
                await self._enrol(session, plan.journey, trigger, envelope)

    async def _enrol(
        self, session: AsyncSession, journey: domain.Journey, trigger: events.TriggerRaised, envelope: Envelope
    ) -> None:
        contact, now = await contacts.lock(session, trigger.customer), self._clock.now()
        since = now - journey.restart_after
        if not await enrolments.may_enter(session, contact.customer, journey.slug, trigger.trigger, since):
            return
        row = EnrolmentRow(
            id=new_id(),
            customer=contact.customer,
            said_of=trigger.customer,
            journey=journey.slug,
            trigger_id=trigger.trigger,
            cause_id=envelope.id,
            correlation_id=envelope.correlation_id or envelope.id,
            received_at=envelope.received,
            entered_at=now,
        )
        move = domain.enrol(journey, now)
        enrolments.store(row, move.enrolment)
        await enrolments.add(session, row)
        await emit(session, self._topic, [events.of_journey(row, journey.name, events.ENTERED, now)])
        metrics.ENROLMENTS.labels(journey.slug, "entered").inc()
        await self._act(session, row, move, None)

    async def fire_due(self, session: AsyncSession) -> int:
        """Moves those whose wait is over. Returns how many customers were looked at."""
        held = await enrolments.hold_due(session, self._clock.now())
        for customer in held:
            for row in await enrolments.live(session, customer):
                await self.apply(session, row, domain.TimerFired())
        return len(held)

    async def clear(self, session: AsyncSession, cleared: events.TriggerCleared, envelope: Envelope) -> None:
        """What started the journey is over."""
        contact = await contacts.lock(session, cleared.customer)
        for row in await enrolments.live(session, contact.customer):
            if row.trigger_id == cleared.trigger:
                await self.apply(session, row, domain.TriggerCleared(), envelope)

    async def conclude(
        self, session: AsyncSession, customer: str, outcome: Outcome, cause: Envelope | None = None
    ) -> None:
        """Ends every journey of a customer who is held."""
        for row in await enrolments.live(session, customer):
            await self.apply(session, row, domain.Concluded(outcome), cause)

    async def collapse(self, session: AsyncSession, one: str, other: str, cause: Envelope) -> None:
        """Of two enrolments of what turned out to be one person the older stays. Both are held."""
        both = [*await enrolments.live(session, one), *await enrolments.live(session, other)]
        kept: set[str] = set()
        for row in sorted(both, key=lambda row: (row.entered_at, row.id)):
            if row.journey in kept:
                await self.apply(session, row, domain.Concluded(Outcome.MERGED), cause)
            kept.add(row.journey)

    async def apply(
        self, session: AsyncSession, row: EnrolmentRow, event: domain.Event, cause: Envelope | None = None
    ) -> None:
        """One event, and what follows from it."""
        if row.outcome:
            return
        move = domain.advance(self._journey(row.journey), enrolments.to_domain(row), event, self._clock.now())
        enrolments.store(row, move.enrolment)
        await self._act(session, row, move, cause)

    async def _act(self, session: AsyncSession, row: EnrolmentRow, move: domain.Move, cause: Envelope | None) -> None:
        if move.write:
            await self._write(session, row, move.write)
        if move.enrolment.outcome:
            await self._end(session, row, move.enrolment.outcome, cause)

    async def _write(self, session: AsyncSession, row: EnrolmentRow, step: str) -> None:
        contact = await session.get_one(ContactRow, row.customer)
        try:
            letter = self._composer.compose(self._plans[row.journey].creatives[step], contact)
        except TemplateError as error:
            await self._cannot_write(session, row, step, str(error))
            return
        message = self._message(row, step, letter)
        links = [LinkRow(token=token, message_id=message.id, url=url) for token, url in letter.links.items()]
        await messages.add(session, message, links)

    async def _cannot_write(self, session: AsyncSession, row: EnrolmentRow, step: str, reason: str) -> None:
        message = self._message(row, step, None)
        await messages.add(session, message, ())
        await settle(session, self._topic, message, row, Status.FAILED, self._clock.now(), reason)
        await self.apply(session, row, domain.MessageSettled(step, Status.FAILED))

    def _message(self, row: EnrolmentRow, step: str, letter: Letter | None) -> MessageRow:
        now = self._clock.now()
        return MessageRow(
            id=new_id(),
            enrolment_id=row.id,
            customer=row.customer,
            journey=row.journey,
            step=step,
            status=Status.QUEUED,
            token=letter.token if letter else new_token(),
            subject=letter.subject if letter else None,
            text=letter.text if letter else "",
            html=letter.html if letter else "",
            created_at=now,
            next_attempt_at=now,
        )

    async def _end(self, session: AsyncSession, row: EnrolmentRow, outcome: Outcome, cause: Envelope | None) -> None:
        """Says so, and takes back what was not sent yet."""
        now = self._clock.now()
        for message in await messages.queued_of(session, row.id):
            reason = f"the journey ended: {outcome.replace('_', ' ')}"
            await settle(session, self._topic, message, row, Status.SUPPRESSED, now, reason)
        name = self._journey(row.journey).name
        await emit(session, self._topic, [events.of_journey(row, name, events.ENDED, now, cause, outcome=outcome)])
        metrics.ENROLMENTS.labels(row.journey, outcome).inc()

    def _journey(self, slug: str) -> domain.Journey:
        plan = self._plans.get(slug)
        return plan.journey if plan else domain.retired(slug)
