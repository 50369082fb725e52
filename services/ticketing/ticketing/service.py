"""Use cases: load, decide, write rows, emit. The edge that calls them commits."""

from collections.abc import Callable
from datetime import datetime
from typing import ParamSpec

from common.auth import Principal
from common.clock import Clock
from common.envelope import Envelope
from common.ids import new_id
from common.keys import entity_key
from common.outbox import emit
from common.problems import Problem, not_found
from sqlalchemy.ext.asyncio import AsyncSession

from ticketing import domain, events, repository
from ticketing.models import ReplyRow, TicketRow
from ticketing.schemas import NewReply, NewTicket, TicketChange

P = ParamSpec("P")


class Desk:
    """Everything that can happen to a ticket."""

    def __init__(self, clock: Clock, facts_topic: str) -> None:
        self._clock = clock
        self._topic = facts_topic

    async def open(self, session: AsyncSession, new: NewTicket) -> TicketRow:
        now = self._clock.now()
        customer = new.customer or entity_key("c", "email", str(new.email).lower())
        row = TicketRow(id=new_id(), customer=customer, subject=new.subject, channel=new.channel)
        repository.store(row, domain.open_ticket(new.priority, now))
        await repository.add(session, row)
        first = ReplyRow(
            id=new_id(), ticket_id=row.id, author="customer", name="", text=new.text, internal=False, at=now
        )
        await repository.add(session, first)
        identifiers = {"email": str(new.email).lower()} if new.email else {}
        await self._emit(session, events.about(row, events.OPENED, now, text=new.text, identifiers=identifiers))
        return row

    async def reply(self, session: AsyncSession, ticket_id: str, new: NewReply, caller: Principal) -> TicketRow:
        row, now = await self._held(session, ticket_id), self._clock.now()
        before = domain.Status(row.status)
        if not new.internal:
            repository.store(row, _allowed(domain.reply, repository.to_domain(row), new.author, now))
        reply = ReplyRow(
            id=new_id(),
            ticket_id=row.id,
            author=new.author,
            name=caller.name if new.author == "agent" else "",
            text=new.text,
            internal=new.internal,
            at=now,
        )
        await repository.add(session, reply)
        if not new.internal:
            await self._emit(session, events.about(row, events.REPLIED, now, author=new.author, text=new.text))
        await self._say_status(session, row, before, now)
        return row

    async def change(self, session: AsyncSession, ticket_id: str, change: TicketChange) -> TicketRow:
        row, now = await self._held(session, ticket_id), self._clock.now()
        before = domain.Status(row.status)
        if change.status:
            repository.store(row, _allowed(domain.move, repository.to_domain(row), change.status, now))
        if change.priority and change.priority != row.priority:
            repository.store(row, domain.reprioritise(repository.to_domain(row), change.priority))
        if change.assignee:
            row.assignee_id, row.assignee_name = change.assignee.id, change.assignee.name
            await self._emit(session, events.about(row, events.ASSIGNED, now))
        await self._say_status(session, row, before, now)
        return row

    async def escalate_overdue(self, session: AsyncSession) -> int:
        """Says each deadline that passed, once. Returns how many tickets were looked at."""
        now = self._clock.now()
        rows = await repository.overdue(session, now)
        for row in rows:
            ticket = repository.to_domain(row)
            missed = domain.overdue(ticket, now)
            repository.store(row, domain.escalate(ticket, [deadline for deadline, _ in missed]))
            for deadline, due in missed:
                await self._emit(session, events.about(row, events.ESCALATED, now, deadline=deadline, due_at=due))
        return len(rows)

    async def merge(self, session: AsyncSession, losing: str, surviving: str) -> None:
        """Two customers turned out to be one."""
        await repository.move_customer(session, losing, surviving)

    async def _held(self, session: AsyncSession, ticket_id: str) -> TicketRow:
        row = await repository.lock(session, ticket_id)
        if row is None:
            raise not_found("ticket")
        return row

    async def _say_status(self, session: AsyncSession, row: TicketRow, before: domain.Status, now: datetime) -> None:
        if row.status != before:
            await self._emit(session, events.about(row, events.STATUS_CHANGED, now, previous=before))

    async def _emit(self, session: AsyncSession, fact: Envelope) -> None:
        await emit(session, self._topic, [fact])


def _allowed(rule: Callable[P, domain.Ticket], *args: P.args, **kwargs: P.kwargs) -> domain.Ticket:
    try:
        return rule(*args, **kwargs)
    except domain.NotAllowed as error:
        raise Problem(409, f"Not possible: {error}.") from error
