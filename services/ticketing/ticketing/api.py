"""HTTP routes: requests in, use cases, answers out."""

from typing import Annotated

from common.application import Transaction
from common.auth import Caller, require
from common.problems import not_found
from fastapi import APIRouter, Depends, Query

from ticketing import repository
from ticketing.domain import Status
from ticketing.models import ReplyRow, TicketRow
from ticketing.schemas import NewReply, NewTicket, Person, Reply, Ticket, TicketChange, TicketPage
from ticketing.service import Desk

_SEES = Depends(require("support", "manager", "sales", "service"))
_WORKS = Depends(require("support", "manager", "service"))


def router(desk: Desk) -> APIRouter:
    routes = APIRouter(prefix="/v1/tickets", tags=["tickets"])

    @routes.post("", status_code=201, dependencies=[_WORKS])
    async def open_ticket(new: NewTicket, session: Transaction) -> Ticket:
        return _ticket(await desk.open(session, new))

    @routes.get("", dependencies=[_SEES])
    async def list_tickets(
        session: Transaction,
        status: Status | None = None,
        assignee: str | None = None,
        customer: str | None = None,
        q: Annotated[str | None, Query(max_length=200)] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        cursor: str | None = None,
    ) -> TicketPage:
        found = await repository.search(
            session, status=status, assignee=assignee, customer=customer, text=q, limit=limit, cursor=cursor
        )
        return TicketPage(items=[_ticket(row) for row in found.items], next=found.next)

    @routes.get("/{ticket_id}", dependencies=[_SEES])
    async def show_ticket(ticket_id: str, session: Transaction) -> Ticket:
        row = await repository.find(session, ticket_id)
        if row is None:
            raise not_found("ticket")
        return _ticket(row, row.replies)

    @routes.post("/{ticket_id}/replies", status_code=201, dependencies=[_WORKS])
    async def reply(ticket_id: str, new: NewReply, caller: Caller, session: Transaction) -> Ticket:
        return _ticket(await desk.reply(session, ticket_id, new, caller))

    @routes.patch("/{ticket_id}", dependencies=[_WORKS])
    async def change(ticket_id: str, change: TicketChange, session: Transaction) -> Ticket:
        return _ticket(await desk.change(session, ticket_id, change))

    return routes


def _ticket(row: TicketRow, replies: list[ReplyRow] | None = None) -> Ticket:
    fields = {name: getattr(row, name) for name in Ticket.model_fields if name not in ("assignee", "replies")}
    assignee = Person(id=row.assignee_id, name=row.assignee_name or row.assignee_id) if row.assignee_id else None
    said = [Reply.model_validate(reply, from_attributes=True) for reply in replies or []]
    return Ticket(**fields, assignee=assignee, replies=said)
