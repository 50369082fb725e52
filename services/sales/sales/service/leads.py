"""Everything that can happen to a lead."""

from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from common.clock import Clock
from common.envelope import Envelope
from common.ids import new_id
from common.outbox import emit
from common.problems import not_found
from common.tokens import Principal
from sales import domain, events
from sales.domain import LeadStatus
from sales.events import LeadCaptured
from sales.models import LeadRow, TouchRow
from sales.repository import customers, leads
from sales.service.routing import owner_for
from sales.service.rules import allowed


class Leads:
    """A person has one open lead; whoever leaves their details again touches it."""

    def __init__(self, clock: Clock, facts_topic: str, respond_within: timedelta) -> None:
        self._clock = clock
        self._topic = facts_topic
        self._respond_within = respond_within

    async def capture(self, session: AsyncSession, captured: LeadCaptured, cause: Envelope) -> None:
        """A new lead with an owner and a deadline to respond, or a touch of the open one."""
        await leads.hold_intake(session)
        known, own = captured.identifiers, captured.identifiers.strongest_key()
        customer = (await customers.known_as(session, own, cause.key)).key
        row = await leads.hold_open(session, customer, known.email, known.phone)
        if row is None:
            await self._create(session, customer, captured, cause)
        else:
            _complete(row, captured)
            await leads.add(session, _touch(row.id, captured, cause))

    async def _create(self, session: AsyncSession, customer: str, captured: LeadCaptured, cause: Envelope) -> None:
        # History is kept, but nobody is asked to answer it by yesterday.
        respond_by = cause.time + self._respond_within if cause.backfill is None else None
        row = LeadRow(
            id=new_id(),
            customer=customer,
            said_of=captured.identifiers.strongest_key() or cause.key,
            source=captured.source,
            status=LeadStatus.NEW,
            owner=await owner_for(session, customer),
            created_at=cause.time,
            respond_by=respond_by,
        )
        _complete(row, captured)
        await leads.add(session, row, _touch(row.id, captured, cause))
        fact = events.about_lead(row, events.LEAD_CREATED, cause.time, cause)
        await emit(session, self._topic, [fact])

    async def change(
        self, session: AsyncSession, lead_id: str, status: LeadStatus, reason: str | None, by: Principal
    ) -> LeadRow:
        row = await self._held(session, lead_id)
        before, now = leads.to_domain(row), self._clock.now()
        after = allowed(domain.move_lead, before, status, reason, now)
        if after == before:
            return row
        leads.store(row, after)
        more: dict[str, Any] = {"reason": after.reason} if after.reason else {}
        person = {"id": by.id, "name": by.name}
        fact = events.about_lead(row, events.LEAD_STATUS_CHANGED, now, previous=before.status, by=person, **more)
        await emit(session, self._topic, [fact])
        return row

    async def assign(self, session: AsyncSession, lead_id: str) -> None:
        """Gives an owner to what was captured while there was none."""
        row = await self._held(session, lead_id)
        owner = None if row.owner else await owner_for(session, row.customer)
        if owner is not None:
            row.owner = owner
            fact = events.about_lead(row, events.LEAD_ASSIGNED, self._clock.now())
            await emit(session, self._topic, [fact])

    async def merge(self, session: AsyncSession, losing: str, surviving: str) -> None:
        """Two customers turned out to be one."""
        await leads.move(session, losing, surviving)

    async def _held(self, session: AsyncSession, lead_id: str) -> LeadRow:
        row = await leads.hold(session, lead_id)
        if row is None:
            raise not_found("lead")
        return row


def _complete(row: LeadRow, captured: LeadCaptured) -> None:
    """Fills in what was not known yet; what is known stays."""
    told = {
        "name": captured.name,
        "email": captured.identifiers.email,
        "phone": captured.identifiers.phone,
        "company": captured.company,
        "message": captured.message,
    }
    for field, value in told.items():
        if getattr(row, field) is None and value is not None:
            setattr(row, field, value)


def _touch(lead_id: str, captured: LeadCaptured, cause: Envelope) -> TouchRow:
    return TouchRow(
        id=cause.id,
        lead_id=lead_id,
        at=cause.time,
        source=captured.source,
        form=captured.form,
        message=captured.message,
        page_url=captured.page_url,
    )
