"""The wire forms of the HTTP API."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, StringConstraints

from campaign.domain import Outcome, Status

CustomerKey = Annotated[str, StringConstraints(pattern=r"^c_[a-z2-7]{26}$")]
Token = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class Step(BaseModel):
    id: str
    kind: str
    title: str
    entered: int
    sent: int
    opened: int
    clicked: int
    converted: int
    suppressed: int
    failed: int
    unknown: int


class Journey(BaseModel):
    slug: str
    name: str
    trigger_kinds: list[str]
    active: bool
    steps: list[Step]
    enrolled: int
    ended: dict[Outcome, int]


class Journeys(BaseModel):
    items: list[Journey]


class Enrolment(BaseModel):
    id: str
    customer: str
    name: str | None
    journey: str
    trigger_id: str
    step: str
    entered_at: datetime
    due_at: datetime | None
    ended_at: datetime | None
    outcome: Outcome | None


class EnrolmentPage(BaseModel):
    items: list[Enrolment]
    next: str | None


class Message(BaseModel):
    id: str
    contact: str
    journey: str
    step: str
    to: str | None
    subject: str | None
    status: Status
    reason: str | None
    created_at: datetime
    sent_at: datetime | None
    opened_at: datetime | None
    clicked_at: datetime | None
    converted_at: datetime | None


class MessagePage(BaseModel):
    items: list[Message]
    next: str | None


class Preview(BaseModel):
    subject: str
    text: str
    html: str
