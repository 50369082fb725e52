"""Tickets: the list, one ticket with its replies, and opening one for a customer."""

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Query, Response

from console.clients.base import Person
from console.pages.visit import Changing, Id, Visiting, part, see

routes = APIRouter(prefix="/tickets")

STATUSES = ("new", "open", "pending", "solved", "closed")
PRIORITIES = ("low", "normal", "high", "urgent")
Status = Literal["new", "open", "pending", "solved", "closed"]
Priority = Literal["low", "normal", "high", "urgent"]
Prose = Annotated[str, Form(min_length=1, max_length=20_000)]
SAID = {"replied": "Reply sent", "noted": "Note kept", "saved": "Saved", "opened": "Ticket opened"}


@routes.get("")
async def show(
    visit: Visiting,
    q: Annotated[str, Query(max_length=200)] = "",
    status: Status | Literal[""] = "",
    assignee: Literal["me", ""] = "",
    cursor: str | None = None,
) -> Response:
    query, mine = q.strip(), visit.visitor.id if assignee else None
    found = await part(visit.clients.ticketing.tickets(status or None, query, mine, None, cursor))
    tickets = found.value.items if found.value else []
    names = await visit.names(*(ticket.customer for ticket in tickets))
    template = "tickets/results.html" if visit.wants_fragment else "tickets/page.html"
    return visit.render(
        template, found=found, names=names, query=query, status=status, assignee=assignee, statuses=STATUSES
    )


@routes.get("/new")
async def blank(visit: Visiting, customer: Annotated[str, Query(pattern=r"^[A-Za-z0-9_-]{1,80}$")]) -> Response:
    names = await visit.names(customer)
    return visit.render("tickets/new.html", customer=customer, names=names, priorities=PRIORITIES)


@routes.post("")
async def open_ticket(
    visit: Changing,
    customer: Annotated[str, Form(pattern=r"^[A-Za-z0-9_-]{1,80}$")],
    subject: Annotated[str, Form(min_length=1, max_length=200)],
    text: Prose,
    priority: Annotated[Priority, Form()] = "normal",
) -> Response:
    ticket = await visit.clients.ticketing.open(customer, subject, text, priority)
    return see(f"/tickets/{ticket.id}", done="opened")


@routes.get("/{ticket_id}")
async def ticket(visit: Visiting, ticket_id: Id, done: str | None = None) -> Response:
    found = await visit.clients.ticketing.ticket(ticket_id)
    person, profile = await asyncio.gather(
        part(visit.clients.contact.contact(found.customer)), part(visit.clients.analytics.profile(found.customer))
    )
    return visit.render(
        "tickets/ticket.html",
        ticket=found,
        person=person,
        profile=profile,
        statuses=STATUSES,
        priorities=PRIORITIES,
        done=SAID.get(done or ""),
    )


@routes.post("/{ticket_id}/replies")
async def reply(visit: Changing, ticket_id: Id, text: Prose, internal: Annotated[bool, Form()] = False) -> Response:
    await visit.clients.ticketing.reply(ticket_id, text, internal)
    return see(f"/tickets/{ticket_id}", done="noted" if internal else "replied")


@routes.post("/{ticket_id}/change")
async def change(
    visit: Changing,
    ticket_id: Id,
    status: Annotated[Status | None, Form()] = None,
    priority: Annotated[Priority | None, Form()] = None,
    take: Annotated[bool, Form()] = False,
) -> Response:
    """Sends only what differs: a status set to itself would be a fact that nobody meant."""
    before = await visit.clients.ticketing.ticket(ticket_id)
    me = Person(id=visit.visitor.id, name=visit.visitor.name) if take else None
    status = status if status != before.status else None
    priority = priority if priority != before.priority else None
    if status or priority or me:
        await visit.clients.ticketing.change(ticket_id, status=status, priority=priority, assignee=me)
    return see(f"/tickets/{ticket_id}", done="saved")
