"""HTTP routes: requests in, use cases, answers out."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query
from sqlalchemy.ext.asyncio import AsyncSession

from common.application import Transaction
from common.auth import Caller, require
from common.problems import not_found
from ticketing import repository
from ticketing.domain import Status
from ticketing.models import ReplyRow, TicketRow
from ticketing.schemas import NewReply, NewTicket, Person, Reply, Ticket, TicketChange, TicketPage
from ticketing.service import Desk

_SEES = Depends(require("support", "manager", "sales", "service"))
_WORKS = Depends(require("support", "manager", "service"))

Text = Annotated[str | None, Query(max_length=200)]
IdempotencyKey = Annotated[
    str | None,
    Header(min_length=1, max_length=200, description="repeat a request with the same key and it is done once"),
]


def router(desk: Desk) -> APIRouter:
    """The routes of tickets, for one desk."""
    routes = APIRouter(prefix="/v1/tickets", tags=["tickets"])

    @routes.post("", status_code=201, dependencies=[_WORKS])
    async def open_ticket(
        new: NewTicket, caller: Caller, session: Transaction, idempotency_key: IdempotencyKey = None
    ) -> Ticket:
        return await _shown(session, await desk.open(session, new, caller, idempotency_key))

    @routes.get("", dependencies=[_SEES])
    async def list_tickets(
        session: Transaction,
        status: Status | None = None,
        assignee: Text = None,
        customer: Text = None,
        q: Text = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        cursor: str | None = None,
    ) -> TicketPage:
        wanted = repository.Filter(status, assignee, customer, q)
        found = await repository.search(session, wanted, limit, cursor)
        return TicketPage(items=[_ticket(row) for row in found.items], next=found.next)

    @routes.get("/{ticket_id}", dependencies=[_SEES])
    async def show_ticket(ticket_id: str, session: Transaction) -> Ticket:
        return await _shown(session, ticket_id)

    @routes.post("/{ticket_id}/replies", status_code=201, dependencies=[_WORKS])
    async def reply(
        ticket_id: str, new: NewReply, caller: Caller, session: Transaction, idempotency_key: IdempotencyKey = None
    ) -> Ticket:
        await desk.reply(session, ticket_id, new, caller, idempotency_key)
        return await _shown(session, ticket_id)

    @routes.patch("/{ticket_id}", dependencies=[_WORKS])
    async def change(ticket_id: str, change: TicketChange, session: Transaction) -> Ticket:
        await desk.change(session, ticket_id, change)
        return await _shown(session, ticket_id)

    return routes


async def _shown(session: AsyncSession, ticket_id: str) -> Ticket:
    await session.flush()
    row = await repository.find(session, ticket_id)
    if row is None:
        raise not_found("ticket")
    return _ticket(row, row.replies)


def _ticket(row: TicketRow, replies: list[ReplyRow] | None = None) -> Ticket:
    fields = {name: getattr(row, name) for name in Ticket.model_fields if name not in ("assignee", "replies")}
    assignee = Person(id=row.assignee_id, name=row.assignee_name or row.assignee_id) if row.assignee_id else None
    said = [Reply.model_validate(reply, from_attributes=True) for reply in replies or []]
    return Ticket(**fields, assignee=assignee, replies=said)
