"""What contact emits, and its own view of what it takes: only the fields that it reads."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from common.clock import rfc3339
from common.envelope import Envelope, new_fact
from common.telemetry import current_traceparent
from contact.domain.people import Merge, Outcome
from contact.domain.person import Person
from contact.domain.separation import Branch

SOURCE = "/heed/contact"
CREATED = "heed.contact.created.v1"
UPDATED = "heed.contact.updated.v1"
MERGED = "heed.contact.merged.v1"
SEPARATED = "heed.contact.separated.v1"
CONSENT_CHANGED = "heed.consent.changed.v1"

LEAD = "heed.lead.captured.v1"
TOUCHPOINT = "heed.touchpoint.captured.v1"
ORDER = "heed.order.placed.v1"
RETURN = "heed.order.returned.v1"

# Facts that are no part of a customer's story.
UNTOLD = frozenset(
    {
        "heed.clock.ticked.v1",
        "heed.import.ended.v1",
        "heed.model.adopted.v1",
        "heed.profile.merged.v1",
        "heed.profile.returned.v1",
    }
)


class View(BaseModel):
    """Additions of a producer do not disturb."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)


class Consent(View):
    given: bool
    channel: str = "email"


class LeadCaptured(View):
    name: str | None = None
    company: str | None = None
    message: str | None = None
    consent: Consent | None = None
    utm: dict[str, Any] | None = None
    page_url: str | None = None
    referrer: str | None = None
    form: str | None = None
    source: str | None = None


class TouchpointCaptured(View):
    kind: str
    name: str | None = None
    properties: dict[str, Any] = {}
    traits: dict[str, Any] = {}
    previous_id: str | None = None
    page_url: str | None = None
    referrer: str | None = None
    utm: dict[str, Any] | None = None
    source: str | None = None


class Item(View):
    sku: str
    name: str | None = None
    quantity: float
    unit_price: str


class OrderPlaced(View):
    name: str | None = None
    order_id: str
    currency: str
    total: str
    items: list[Item] = []
    channel: str | None = None
    source: str | None = None


class OrderReturned(View):
    name: str | None = None
    return_id: str
    order_id: str | None = None
    currency: str
    total: str
    items: list[Item] = []
    channel: str | None = None
    source: str | None = None


class ConsentChanged(View):
    channel: str
    given: bool
    reason: str | None = None


class ContactChanged(View):
    name: str | None = None
    email: str | None = None
    changed: list[str] = []


class ContactMerged(View):
    surviving: str
    losing: str
    reason: str | None = None


class ContactSeparated(View):
    surviving: str
    losing: str
    reason: str | None = None


class Named(View):
    id: str
    name: str | None = None


class LeadChanged(View):
    lead_id: str
    status: str | None = None
    owner: Named | None = None
    reason: str | None = None


class AlertChanged(View):
    alert_id: str
    trigger_id: str | None = None
    kind: str | None = None
    sentence: str
    owner: Named | None = None
    outcome: str | None = None
    note: str | None = None


class TicketChanged(View):
    ticket_id: str
    number: int
    subject: str
    priority: str | None = None
    status: str | None = None
    assignee: Named | None = None
    author: str | None = None
    text: str | None = None
    previous: str | None = None
    deadline: str | None = None
    due_at: str | None = None


class JourneyChanged(View):
    journey: str
    enrolment_id: str | None = None
    name: str | None = None
    outcome: str | None = None


class MessageChanged(View):
    message_id: str
    journey: str | None = None
    step: str | None = None
    subject: str | None = None
    url: str | None = None
    reason: str | None = None
    order_id: str | None = None
    total: str | None = None
    currency: str | None = None


class TriggerChanged(View):
    trigger: str
    kind: str
    sentence: str
    direction: str | None = None
    severity: str | None = None
    score: float | None = None


def described(person: Person) -> dict[str, Any]:
    """The person as others get to know them; a copy, since the record goes on changing."""
    return {
        "contact": person.id,
        "name": person.name,
        "email": person.email,
        "phone": person.phone,
        "company": person.company,
        "identifiers": {kind: list(values) for kind, values in person.identifiers.items() if values},
        "consent": {"email": None, **person.consent},
        "traits": dict(person.traits),
    }


def news(cause: Envelope, outcome: Outcome) -> list[Envelope]:
    """What others have to hear because of a fact, in the order to be said."""
    person = outcome.person
    said: list[Envelope] = []
    if outcome.created:
        said.append(cause.caused(CREATED, SOURCE, described(person), key=person.id, time=cause.time))
    elif outcome.changed:
        data = {**described(person), "changed": sorted(outcome.changed)}
        said.append(cause.caused(UPDATED, SOURCE, data, key=person.id, time=cause.time))
    return [*said, *(_merged(cause, merge) for merge in outcome.merges)]


def _merged(cause: Envelope, merge: Merge) -> Envelope:
    data = {"surviving": merge.surviving, "losing": merge.losing, "reason": merge.reason}
    return cause.caused(MERGED, SOURCE, data, key=merge.losing, time=cause.time)


def about_identity(envelope: Envelope) -> bool:
    """Whether a fact of ours tells which identifiers are whose: for those who want nothing else."""
    return envelope.type in (CREATED, MERGED, SEPARATED) or "identifiers" in envelope.data.get("changed", ())


def consent_changed(person: Person, channel: str, given: bool, reason: str, at: datetime) -> list[Envelope]:
    """A person at a desk changed a consent: the statement, and the contact as it is now."""
    said = {"channel": channel, "given": given, "reason": reason}
    first = new_fact(CONSENT_CHANGED, SOURCE, person.id, said, time=at, traceparent=current_traceparent())
    data = {**described(person), "changed": ["consent"]}
    return [first, first.caused(UPDATED, SOURCE, data, key=person.id, time=at)]


@dataclass(frozen=True, slots=True)
class Separation:
    """A merge that was undone: the one record as it was, and both people as they are now."""

    number: int
    before: Person
    kept: Person
    lost: Person
    identifiers: Mapping[str, list[str]]
    branch: Branch
    ordered: Mapping[str, datetime]
    reason: str


def separated(separation: Separation, at: datetime) -> list[Envelope]:
    """Under the key of the losing one, of everybody between them, and of the surviving one, in this order; then who
    is merged into the losing one now, and both as they are.
    """
    kept, lost, branch = separation.kept, separation.lost, separation.branch
    ordered = {"surviving": separation.ordered.get(kept.id), "losing": separation.ordered.get(lost.id)}
    data = {
        "separation": separation.number,
        "surviving": kept.id,
        "losing": lost.id,
        "identifiers": separation.identifiers,
        "keys": sorted(branch.keys),
        "reason": separation.reason,
        "last_order_at": {name: rfc3339(moment) if moment else None for name, moment in ordered.items()},
    }
    first = new_fact(SEPARATED, SOURCE, lost.id, data, time=at, traceparent=current_traceparent())
    said = [first, *(first.caused(SEPARATED, SOURCE, data, key=key, time=at) for key in branch.chain[1:])]
    for key in branch.retold:
        merged = {"surviving": lost.id, "losing": key, "reason": "came with a person who was separated"}
        said.append(first.caused(MERGED, SOURCE, merged, key=key, time=at))
    for person, before in ((lost, None), (kept, described(separation.before))):
        now = described(person)
        changed = {"identifiers", *(name for name, value in now.items() if before is None or before[name] != value)}
        updated = {**now, "changed": sorted(changed - {"contact"})}
        said.append(first.caused(UPDATED, SOURCE, updated, key=person.id, time=at))
    return said
