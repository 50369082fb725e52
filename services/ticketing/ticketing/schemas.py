"""The wire forms of the HTTP API."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, EmailStr, StringConstraints, model_validator

from ticketing.domain import Priority, Status

Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Prose = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20_000)]
CustomerKey = Annotated[str, StringConstraints(pattern=r"^c_[a-z2-7]{26}$")]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewTicket(Strict):
    customer: CustomerKey | None = None
    email: EmailStr | None = None
    subject: Line
    text: Prose
    priority: Priority = Priority.NORMAL
    channel: Line = "api"

    @model_validator(mode="after")
    def someone(self) -> "NewTicket":
        if not self.customer and not self.email:
            raise ValueError("say who it is about: customer or email")
        return self


class NewReply(Strict):
    text: Prose
    author: Literal["agent", "customer"] = "agent"
    internal: bool = False

    @model_validator(mode="after")
    def customers_keep_no_notes(self) -> "NewReply":
        if self.internal and self.author == "customer":
            raise ValueError("an internal note is an agent's")
        return self


class Person(Strict):
    id: Line
    name: Line


class TicketChange(Strict):
    status: Status | None = None
    priority: Priority | None = None
    assignee: Person | None = None


class Reply(BaseModel):
    id: str
    author: str
    name: str
    text: str
    internal: bool
    at: datetime


class Ticket(BaseModel):
    id: str
    number: int
    customer: str
    subject: str
    status: Status
    priority: Priority
    channel: str
    assignee: Person | None
    created_at: datetime
    first_response_due: datetime | None
    first_response_at: datetime | None
    resolution_due: datetime | None
    resolved_at: datetime | None
    escalated: bool
    replies: list[Reply] = []


class TicketPage(BaseModel):
    items: list[Ticket]
    next: str | None
