"""What sales emits, and its own view of what it takes."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from common.clock import rfc3339
from common.envelope import Envelope, new_fact
from common.keys import entity_key
from common.telemetry import current_traceparent
from sales.domain import Severity
from sales.models import AlertRow, LeadRow, OwnerRow

SOURCE = "/heed/sales"

LEAD_CREATED = "heed.lead.created.v1"
LEAD_ASSIGNED = "heed.lead.assigned.v1"
LEAD_STATUS_CHANGED = "heed.lead.status_changed.v1"
ALERT_RAISED = "heed.alert.raised.v1"
ALERT_ASSIGNED = "heed.alert.assigned.v1"
ALERT_ACKNOWLEDGED = "heed.alert.acknowledged.v1"
ALERT_SNOOZED = "heed.alert.snoozed.v1"
ALERT_RESOLVED = "heed.alert.resolved.v1"
ALERT_REOPENED = "heed.alert.reopened.v1"
ALERT_ESCALATED = "heed.alert.escalated.v1"

LEAD_CAPTURED = "heed.lead.captured.v1"
CONTACT_CREATED = "heed.contact.created.v1"
CONTACT_UPDATED = "heed.contact.updated.v1"
CONTACT_MERGED = "heed.contact.merged.v1"
CONTACT_SEPARATED = "heed.contact.separated.v1"
TRIGGER_RAISED = "heed.trigger.raised.v1"
TRIGGER_UPDATED = "heed.trigger.updated.v1"
TRIGGER_CLEARED = "heed.trigger.cleared.v1"

Name = Annotated[str, StringConstraints(min_length=1, max_length=255)]


class Tolerant(BaseModel):
    model_config = ConfigDict(extra="ignore")


class LeadIdentifiers(Tolerant):
    """The strongest first."""

    user_id: str | None = None
    loyalty_number: str | None = None
    email: str | None = None
    phone: str | None = None
    anonymous_id: str | None = None

    def strongest_key(self) -> str | None:
        """The customer key of whoever they name."""
        named = ((kind, getattr(self, kind)) for kind in LeadIdentifiers.model_fields)
        return next((entity_key("c", kind, value) for kind, value in named if value), None)


class LeadCaptured(Tolerant):
    identifiers: LeadIdentifiers
    source: str
    name: str | None = None
    company: str | None = None
    message: str | None = None
    form: str | None = None
    page_url: str | None = None


class ContactChanged(Tolerant):
    contact: Name
    name: str | None = None


class ContactMerged(Tolerant):
    surviving: Name
    losing: Name


class ContactSeparated(Tolerant):
    """`keys` are all those of the losing person."""

    surviving: Name
    losing: Name
    keys: list[Name]


class Measure(Tolerant):
    value: float | None = None
    unit: str | None = None
    text: str = ""


class Reason(Tolerant):
    code: str
    text: str
    weight: float | None = None


class PastOrder(Tolerant):
    at: AwareDatetime
    total: str
    currency: str


class Step(Tolerant):
    code: str
    text: str


class Evidence(Tolerant):
    """What a trigger rests on; kept with the alert as it came."""

    expected: Measure | None = None
    observed: Measure | None = None
    score: Annotated[float, Field(ge=0, le=1)] | None = None
    reasons: list[Reason] = []
    event_ids: list[str] = []
    model_version: str | None = None
    recent_orders: list[PastOrder] = []
    suggested_step: Step | None = None


class TriggerTold(Evidence):
    """A trigger raised or updated."""

    trigger: Name
    kind: Name
    direction: Literal["bad", "good"]
    severity: Severity
    sentence: Annotated[str, StringConstraints(min_length=1)]
    time: AwareDatetime

    def evidence(self) -> dict[str, Any]:
        return self.model_dump(mode="json", include=set(Evidence.model_fields))


class TriggerCleared(Tolerant):
    trigger: Name


def about_alert(row: AlertRow, type_: str, at: datetime, cause: Envelope | None = None, **more: Any) -> Envelope:
    """A fact about an alert, keyed by its customer."""
    data = {
        "alert_id": row.id,
        "trigger_id": row.trigger_id,
        "kind": row.kind,
        "severity": row.severity,
        "sentence": row.sentence,
        "owner": _person(row.owner),
        **more,
    }
    return _fact(type_, row.customer, data, at, cause)


def about_lead(row: LeadRow, type_: str, at: datetime, cause: Envelope | None = None, **more: Any) -> Envelope:
    """A fact about a lead, keyed by its customer."""
    data = {"lead_id": row.id, "owner": _person(row.owner), "status": row.status, **more}
    if row.name:
        data["name"] = row.name
    return _fact(type_, row.customer, data, at, cause)


def moment(at: datetime | None) -> str | None:
    """A moment as facts carry it."""
    return rfc3339(at) if at else None


def _person(owner: OwnerRow | None) -> dict[str, str] | None:
    return {"id": owner.id, "name": owner.name} if owner else None


def _fact(type_: str, customer: str, data: dict[str, Any], at: datetime, cause: Envelope | None) -> Envelope:
    if cause is not None:
        return cause.caused(type_, SOURCE, data, key=customer, time=at)
    return new_fact(type_, SOURCE, customer, data, time=at, traceparent=current_traceparent())
