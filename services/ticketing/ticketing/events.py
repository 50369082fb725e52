"""What ticketing emits, and its own view of what it takes."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from common.envelope import Envelope, new_fact
from common.telemetry import current_traceparent
from ticketing.models import TicketRow

SOURCE = "/heed/ticketing"
OPENED = "heed.ticket.opened.v1"
REPLIED = "heed.ticket.replied.v1"
ASSIGNED = "heed.ticket.assigned.v1"
STATUS_CHANGED = "heed.ticket.status_changed.v1"
ESCALATED = "heed.ticket.escalated.v1"

CONTACT_MERGED = "heed.contact.merged.v1"
CONTACT_SEPARATED = "heed.contact.separated.v1"


class ContactMerged(BaseModel):
    model_config = ConfigDict(extra="ignore")

    surviving: str
    losing: str


class ContactSeparated(BaseModel):
    """`keys` are all those of the losing person."""

    model_config = ConfigDict(extra="ignore")

    surviving: str
    losing: str
    keys: list[str]


def about(ticket: TicketRow, type_: str, at: datetime, **more: Any) -> Envelope:
    """A fact about a ticket, keyed by its customer."""
    data: Mapping[str, Any] = {
        "ticket_id": ticket.id,
        "number": ticket.number,
        "subject": ticket.subject,
        "priority": ticket.priority,
        "status": ticket.status,
        "assignee": {"id": ticket.assignee_id, "name": ticket.assignee_name} if ticket.assignee_id else None,
        **more,
    }
    return new_fact(type_, SOURCE, ticket.customer, data, time=at, traceparent=current_traceparent())
