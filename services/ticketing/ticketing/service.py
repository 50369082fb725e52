"""Use cases: load, decide, write rows, emit. The edge that calls them commits."""

import hashlib
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import ParamSpec

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from common.clock import Clock
from common.envelope import Envelope
from common.ids import new_id
from common.keys import entity_key
from common.outbox import emit
from common.problems import Problem, not_found
from common.tokens import Principal
from ticketing import domain, events, repository
from ticketing.models import AnsweredRequestRow, ReplyRow, TicketRow
from ticketing.schemas import NewReply, NewTicket, TicketChange

P = ParamSpec("P")

KEEP_REQUESTS = timedelta(days=7)


class Desk:
    """Everything that can happen to a ticket."""

    def __init__(self, clock: Clock, facts_topic: str) -> None:
        self._clock = clock
        self._topic = facts_topic

    async def open(self, session: AsyncSession, new: NewTicket, caller: Principal, key: str | None = None) -> str:
        """Returns the ticket's id. With the same idempotency key a second call opens nothing.

        Raises Problem 422 when the key was used for something else.
        """
        ticket_id, now = new_id(), self._clock.now()
        if key and (earlier := await self._answered(session, caller, key, "open", new, ticket_id)):
            return earlier
        said_of = new.customer or entity_key("c", "email", _normalised(new.email))
        row = TicketRow(
            id=ticket_id,
            customer=await self._customer(session, said_of),
            said_of=said_of,
            subject=new.subject,
            channel=new.channel,
        )
        repository.store(row, domain.open_ticket(new.priority, now))
        await repository.add(session, row, _reply(row.id, "customer", "", new.text, now))
        identifiers = {"email": _normalised(new.email)} if new.email else {}
        await self._emit(session, events.about(row, events.OPENED, now, text=new.text, identifiers=identifiers))
        return ticket_id

    async def reply(
        self, session: AsyncSession, ticket_id: str, new: NewReply, caller: Principal, key: str | None = None
    ) -> None:
        """Raises Problem 404, 409 for a closed ticket, 422 for a key that was used for something else."""
        row, now = await self._held(session, ticket_id), self._clock.now()
        if key and await self._answered(session, caller, key, f"reply to {ticket_id}", new, ticket_id):
            return
        name = caller.name if new.author == "agent" else ""
        if new.internal:
            await repository.add(session, _reply(row.id, new.author, name, new.text, now, internal=True))
            return
        before = domain.Status(row.status)
        repository.store(row, _allowed(domain.reply, repository.to_domain(row), new.author, now))
        await repository.add(session, _reply(row.id, new.author, name, new.text, now))
        await self._emit(session, events.about(row, events.REPLIED, now, author=new.author, text=new.text))
        await self._say_status(session, row, before, now)

    async def change(self, session: AsyncSession, ticket_id: str, change: TicketChange) -> None:
        """What the change does not name stays; an assignee of null takes the ticket from whoever has it."""
        row, now = await self._held(session, ticket_id), self._clock.now()
        before = domain.Status(row.status)
        if change.status:
            repository.store(row, _allowed(domain.move, repository.to_domain(row), change.status, now))
        if change.priority and change.priority != row.priority:
            repository.store(row, domain.reprioritise(repository.to_domain(row), change.priority))
        if "assignee" in change.model_fields_set and _assign(row, change):
            await self._emit(session, events.about(row, events.ASSIGNED, now))
        await self._say_status(session, row, before, now)

    async def escalate_overdue(self, session: AsyncSession) -> int:
        """Says each deadline that passed, once. Returns how many tickets missed one."""
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
        """Two customers turned out to be one. Merges of one chain may arrive in any order."""
        await repository.hold_customers(session, losing, surviving)
        to = await repository.surviving(session, surviving)
        if to != losing:
            await repository.move_customer(session, losing, to)

    async def separate(self, session: AsyncSession, losing: str, from_: str, keys: Collection[str]) -> None:
        """Two who were one are two again: each has the tickets that they wrote."""
        surviving = await repository.surviving(session, from_)
        await repository.hold_customers(session, losing, surviving)
        await repository.give_back(session, surviving, keys, losing)

    async def forget_requests(self, session: AsyncSession) -> None:
        await repository.forget_requests(session, self._clock.now() - KEEP_REQUESTS)

    async def _customer(self, session: AsyncSession, named: str) -> str:
        await repository.hold_customers(session, named)
        return await repository.surviving(session, named)

    async def _answered(
        self, session: AsyncSession, caller: Principal, key: str, what: str, body: BaseModel, ticket_id: str
    ) -> str | None:
        digest = hashlib.sha256(f"{what} {body.model_dump_json()}".encode()).digest()
        row = AnsweredRequestRow(
            caller=caller.id, key=key, digest=digest, ticket_id=ticket_id, created_at=self._clock.now()
        )
        earlier = await repository.claim(session, row)
        if earlier is not None and earlier.digest != digest:
            raise Problem(422, "This Idempotency-Key was used for another request; take a fresh one.")
        return earlier.ticket_id if earlier else None

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


def _assign(row: TicketRow, change: TicketChange) -> bool:
    """Whether that made a difference."""
    wanted = (change.assignee.id, change.assignee.name) if change.assignee else (None, None)
    if wanted == (row.assignee_id, row.assignee_name):
        return False
    row.assignee_id, row.assignee_name = wanted
    return True


def _reply(ticket_id: str, author: str, name: str, text: str, at: datetime, *, internal: bool = False) -> ReplyRow:
    return ReplyRow(id=new_id(), ticket_id=ticket_id, author=author, name=name, text=text, internal=internal, at=at)


def _normalised(email: str | None) -> str:
    return str(email).strip().lower()
