"""What campaign emits, and its own view of what it consumes."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, StringConstraints

from campaign.domain import Status
from campaign.models import EnrolmentRow, MessageRow
from common.envelope import Envelope, new_fact
from common.telemetry import current_traceparent

SOURCE = "/heed/campaign"
ENTERED = "heed.journey.entered.v1"
ENDED = "heed.journey.ended.v1"
OPENED = "heed.message.opened.v1"
CLICKED = "heed.message.clicked.v1"
CONVERTED = "heed.message.converted.v1"
CONSENT_CHANGED = "heed.consent.changed.v1"
SETTLED = {
    Status.SENT: "heed.message.sent.v1",
    Status.SUPPRESSED: "heed.message.suppressed.v1",
    Status.FAILED: "heed.message.failed.v1",
    Status.UNKNOWN: "heed.message.unknown.v1",
}

TRIGGER_RAISED = "heed.trigger.raised.v1"
TRIGGER_CLEARED = "heed.trigger.cleared.v1"
CONTACT_CREATED = "heed.contact.created.v1"
CONTACT_UPDATED = "heed.contact.updated.v1"
CONTACT_MERGED = "heed.contact.merged.v1"
CONTACT_SEPARATED = "heed.contact.separated.v1"
ORDER_PLACED = "heed.order.placed.v1"


def _storable(value: Any) -> Any:
    """PostgreSQL keeps every text but one with a NUL in it."""
    if b"\\u0000" in orjson.dumps(value):
        raise ValueError("holds a NUL character")
    return value


def _line(value: str) -> str | None:
    """One line, without control characters, that fits a greeting; None where nothing is left."""
    return "".join(c for c in " ".join(value.split()) if c.isprintable())[:100].strip() or None


Key = Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(_storable)]
Name = Annotated[str, AfterValidator(_line)]


class View(BaseModel):
    model_config = ConfigDict(extra="ignore")


class TriggerRaised(View):
    trigger: Key
    kind: str
    customer: Key
    direction: str = "bad"


class TriggerCleared(View):
    trigger: Key
    customer: Key


class Consent(View):
    email: bool | None = None


class ContactKnown(View):
    """Created or updated: the whole person as it is now."""

    contact: Key
    name: Name | None = None
    email: Key | None = None
    consent: Consent = Consent()
    traits: Annotated[dict[str, Any], AfterValidator(_storable)] = {}


class ContactMerged(View):
    surviving: Key
    losing: Key


class LastOrders(View):
    surviving: AwareDatetime | None = None
    losing: AwareDatetime | None = None


class ContactSeparated(View):
    """`keys` are all those of the losing person; what each of them ordered decides who may be written to."""

    surviving: Key
    losing: Key
    keys: list[Key]
    last_order_at: LastOrders


class ConsentChanged(View):
    channel: str
    given: bool


class OrderPlaced(View):
    order_id: Key
    currency: str
    total: str


def of_journey(
    row: EnrolmentRow, name: str, type_: str, at: datetime, cause: Envelope | None = None, **more: Any
) -> Envelope:
    """A fact about an enrolment, keyed by its customer. Without a cause it goes on with the trigger's chain."""
    data = {
        "journey": row.journey,
        "enrolment_id": row.id,
        "trigger_id": row.trigger_id,
        "name": name,
        **more,
    }
    return _caused(row, type_, data, at, cause)


def of_message(
    message: MessageRow, row: EnrolmentRow, type_: str, at: datetime, cause: Envelope | None = None, **more: Any
) -> Envelope:
    """A fact about a message, keyed by its customer. Without a cause it goes on with the trigger's chain."""
    data = {
        "message_id": message.id,
        "journey": message.journey,
        "step": message.step,
        "enrolment_id": message.enrolment_id,
        **({"subject": message.subject} if message.subject else {}),
        **more,
    }
    return _caused(row, type_, data, at, cause)


def _caused(row: EnrolmentRow, type_: str, data: Mapping[str, Any], at: datetime, cause: Envelope | None) -> Envelope:
    if cause:
        return cause.caused(type_, SOURCE, data, key=row.customer, time=at)
    return Envelope(
        type=type_,
        source=SOURCE,
        key=row.customer,
        subject=row.customer,
        data=data,
        time=at,
        received=row.received_at,
        correlation_id=row.correlation_id,
        causation_id=row.cause_id,
        traceparent=current_traceparent(),
    )


def unsubscribed(customer: str, at: datetime) -> Envelope:
    """Somebody used the link of a message."""
    data = {"channel": "email", "given": False, "reason": "unsubscribed by link"}
    return new_fact(CONSENT_CHANGED, SOURCE, customer, data, time=at, traceparent=current_traceparent())
