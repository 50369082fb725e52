"""The ticketing service."""

from datetime import datetime

from pydantic import Field

from console.clients.base import Answer, Person, Upstream


class Reply(Answer):
    id: str
    author: str
    name: str | None = None
    text: str
    internal: bool = False
    at: datetime


class Ticket(Answer):
    id: str
    number: int
    customer: str
    subject: str
    status: str
    priority: str
    assignee: Person | None = None
    created_at: datetime
    first_response_due: datetime | None = None
    first_response_at: datetime | None = None
    resolution_due: datetime | None = None
    resolved_at: datetime | None = None
    escalated: bool = False
    replies: list[Reply] = Field(default_factory=list)


class TicketPage(Answer):
    items: list[Ticket]
    next: str | None = None


class TicketingClient(Upstream):
    label = "Ticketing"

    async def tickets(
        self,
        status: str | None = None,
        query: str | None = None,
        assignee: str | None = None,
        customer: str | None = None,
        cursor: str | None = None,
    ) -> TicketPage:
        return await self._get(
            "/v1/tickets",
            TicketPage,
            status=status,
            q=query or None,
            assignee=assignee,
            customer=customer,
            cursor=cursor,
        )

    async def ticket(self, ticket_id: str) -> Ticket:
        return await self._get(f"/v1/tickets/{ticket_id}", Ticket)

    async def open(self, customer: str, subject: str, text: str, priority: str) -> Ticket:
        body = {"customer": customer, "subject": subject, "text": text, "priority": priority, "channel": "console"}
        return await self._send("POST", "/v1/tickets", Ticket, body)

    async def reply(self, ticket_id: str, text: str, internal: bool) -> Ticket:
        body = {"text": text, "author": "agent", "internal": internal}
        return await self._send("POST", f"/v1/tickets/{ticket_id}/replies", Ticket, body)

    async def change(
        self, ticket_id: str, *, status: str | None, priority: str | None, assignee: Person | None
    ) -> Ticket:
        """Changes what is given, leaves what is None."""
        body = {"status": status, "priority": priority, "assignee": assignee.model_dump() if assignee else None}
        given = {name: value for name, value in body.items() if value is not None}
        return await self._send("PATCH", f"/v1/tickets/{ticket_id}", Ticket, given)
