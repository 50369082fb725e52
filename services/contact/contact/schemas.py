"""The wire forms of the HTTP API."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Consent(BaseModel):
    """By channel; null where nobody said anything."""

    model_config = ConfigDict(extra="allow")

    email: bool | None = None


class ContactSummary(BaseModel):
    """`label` is what to call somebody on a page, also where no name is known."""

    id: str
    name: str | None
    email: str | None
    phone: str | None
    company: str | None
    label: str
    known: bool
    consent: Consent
    created_at: datetime
    last_seen_at: datetime | None


class ContactPage(BaseModel):
    items: list[ContactSummary]
    next: str | None


class SharedIdentifier(BaseModel):
    """An identifier that two people use: it did not make them one."""

    kind: str
    value: str
    contact: str
    label: str


class Contact(ContactSummary):
    identifiers: dict[str, list[str]]
    traits: dict[str, Any]
    first_source: str | None
    conflicts: list[SharedIdentifier]


class Named(BaseModel):
    name: str | None
    email: str | None
    label: str


class NamesFound(BaseModel):
    items: dict[str, Named]


class TimelineEntry(BaseModel):
    id: str
    type: str
    kind: str
    time: datetime
    title: str
    detail: str | None
    data: dict[str, Any]
    backfill: bool


class TimelinePage(BaseModel):
    items: list[TimelineEntry]
    next: str | None


class ConsentChange(BaseModel):
    model_config = ConfigDict(extra="forbid")

    channel: Literal["email", "sms", "phone", "post"]
    given: bool


class Separate(BaseModel):
    """Which merge to undo, by the key that was merged away."""

    model_config = ConfigDict(extra="forbid")

    losing: str = Field(pattern=r"^c_[a-z2-7]{26}$")
    reason: str | None = Field(default=None, max_length=500)


class Separated(BaseModel):
    """Two people who were one record, as they are now."""

    surviving: Contact
    losing: Contact


class Merge(BaseModel):
    """A merge that made this contact: why and when, and what hangs on it."""

    model_config = ConfigDict(from_attributes=True)

    losing: str
    reason: str
    at: datetime
    identifiers: dict[str, list[str]]
    lines: int


class Merges(BaseModel):
    items: list[Merge]
