"""Producers keep their schemas; every consumer's own view can read every producer's example."""

import importlib
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import pytest
from pydantic import BaseModel

from analytics import events as analytics_events
from analytics.fold import Fold
from analytics.operators.churn_risk import MODEL
from analytics.orders import DAY
from analytics.teaching import Lesson, told
from common.envelope import Envelope
from tests.analytics.churn_shop import adopted
from tests.analytics.stories import START, fold_all, order, regular, ticket, ticks

ROOT = Path(__file__).parents[2]
CONTRACTS = {path.stem: json.loads(path.read_text()) for path in sorted((ROOT / "contracts").glob("*.json"))}
SERVICES = ("lead_capture", "contact", "campaign", "sales", "ticketing", "analytics")

# Which view of a consumer reads which types.
VIEWS: dict[str, dict[str, tuple[str, ...]]] = {
    "lead_capture": {
        "ContactKnown": ("heed.contact.created.v1", "heed.contact.updated.v1"),
        "ContactMerged": ("heed.contact.merged.v1",),
        "ContactSeparated": ("heed.contact.separated.v1",),
    },
    "contact": {
        "LeadCaptured": ("heed.lead.captured.v1",),
        "TouchpointCaptured": ("heed.touchpoint.captured.v1",),
        "OrderPlaced": ("heed.order.placed.v1",),
        "OrderReturned": ("heed.order.returned.v1",),
        "ConsentChanged": ("heed.consent.changed.v1",),
        "ContactChanged": ("heed.contact.created.v1", "heed.contact.updated.v1"),
        "ContactMerged": ("heed.contact.merged.v1",),
        "ContactSeparated": ("heed.contact.separated.v1",),
        "LeadChanged": ("heed.lead.created.v1", "heed.lead.assigned.v1", "heed.lead.status_changed.v1"),
        "AlertChanged": ("heed.alert.raised.v1", "heed.alert.resolved.v1", "heed.alert.escalated.v1"),
        "JourneyChanged": ("heed.journey.entered.v1", "heed.journey.ended.v1"),
        "MessageChanged": (
            "heed.message.sent.v1",
            "heed.message.clicked.v1",
            "heed.message.converted.v1",
            "heed.message.suppressed.v1",
        ),
        "TriggerChanged": ("heed.trigger.raised.v1", "heed.trigger.updated.v1", "heed.trigger.cleared.v1"),
        "TicketChanged": ("heed.ticket.opened.v1", "heed.ticket.replied.v1", "heed.ticket.status_changed.v1"),
    },
    "campaign": {
        "TriggerRaised": ("heed.trigger.raised.v1",),
        "TriggerCleared": ("heed.trigger.cleared.v1",),
        "ContactKnown": ("heed.contact.created.v1", "heed.contact.updated.v1"),
        "ContactMerged": ("heed.contact.merged.v1",),
        "ContactSeparated": ("heed.contact.separated.v1",),
        "ConsentChanged": ("heed.consent.changed.v1",),
        "OrderPlaced": ("heed.order.placed.v1",),
    },
    "sales": {
        "LeadCaptured": ("heed.lead.captured.v1",),
        "ContactChanged": ("heed.contact.created.v1", "heed.contact.updated.v1"),
        "ContactMerged": ("heed.contact.merged.v1",),
        "ContactSeparated": ("heed.contact.separated.v1",),
        "TriggerTold": ("heed.trigger.raised.v1", "heed.trigger.updated.v1"),
        "TriggerCleared": ("heed.trigger.cleared.v1",),
    },
    "ticketing": {
        "ContactMerged": ("heed.contact.merged.v1",),
        "ContactSeparated": ("heed.contact.separated.v1",),
    },
}
READS = [(service, view, type_) for service, views in VIEWS.items() for view, types in views.items() for type_ in types]


def module(service: str) -> ModuleType:
    return importlib.import_module(f"{service}.events")


@pytest.mark.parametrize("type_", CONTRACTS)
def test_each_example_keeps_its_schema(type_: str) -> None:
    contract = CONTRACTS[type_]
    jsonschema.Draft202012Validator.check_schema(contract["schema"])
    jsonschema.validate(contract["example"], contract["schema"])


@pytest.mark.parametrize(("service", "view", "type_"), READS)
def test_each_consumer_reads_each_producers_example(service: str, view: str, type_: str) -> None:
    model: type[BaseModel] = getattr(module(service), view)
    assert model.model_validate(CONTRACTS[type_]["example"])


@pytest.mark.parametrize(("service", "view", "type_"), READS)
def test_additions_do_not_disturb_a_consumer(service: str, view: str, type_: str) -> None:
    model: type[BaseModel] = getattr(module(service), view)
    assert model.model_validate({**CONTRACTS[type_]["example"], "added_later": {"x": 1}})


@pytest.mark.parametrize("service", SERVICES)
def test_no_view_is_left_out(service: str) -> None:
    """A view that reads a fact and is not held against a producer would rot."""
    known = set(VIEWS.get(service, {}))
    top = {
        name
        for name, value in vars(module(service)).items()
        if isinstance(value, type) and issubclass(value, BaseModel) and value.__module__ == f"{service}.events"
    }
    nested = {part for name in top for part in _used_by(getattr(module(service), name))}
    bases = {base.__name__ for name in top for base in getattr(module(service), name).__mro__[1:]}
    assert top - known - nested - bases == set()


def _used_by(model: type[BaseModel]) -> Iterator[str]:
    for field in model.model_fields.values():
        yield from re.findall(r"\w+", str(field.annotation).replace(".", " "))


def test_every_type_that_is_spoken_of_has_a_contract() -> None:
    spoken = {
        match
        for service in SERVICES
        for path in (ROOT / "services" / service).rglob("*.py")
        for match in re.findall(r"\bheed\.[a-z_]+\.[a-z_]+\.v1\b", path.read_text())
    }
    assert spoken - CONTRACTS.keys() == set()


def analytics_says() -> list[Envelope]:
    """Each kind of trigger, raised, updated and cleared, and examples."""
    fold = Fold(0)
    fold.world.models = {MODEL: adopted()}
    said = fold_all(fold, regular("c_a", 12, 9))
    last = START + 99 * DAY
    said += fold_all(fold, [order("c_a", last + DAY, 900.0), *(ticket("c_a", last + i * 3600) for i in range(3))])
    for event in ticks(last, last + 80 * DAY):
        fold.apply(event)
    changes = fold.take_changes()
    return [
        *said,
        *changes.triggers,
        *told(Lesson(0, number, example) for number, example in enumerate(changes.examples, start=1)),
        *fold_all(fold, [order("c_a", last + 81 * DAY)]),
    ]


def test_what_analytics_says_keeps_its_contracts() -> None:
    said = analytics_says()
    assert {"heed.trigger.raised.v1", "heed.trigger.cleared.v1", "heed.examples.completed.v1"} <= {e.type for e in said}
    assert {e.data["kind"] for e in said if "kind" in e.data} == {
        "spend_deviation",
        "purchase_silence",
        "churn_risk",
        "support_load",
    }
    for envelope in said:
        jsonschema.validate(json.loads(envelope.value()), CONTRACTS[envelope.type]["schema"])


class _Record:
    """A record as the bus would give it."""

    topic, partition, offset = "facts", 0, 0

    def __init__(self, type_: str, data: dict[str, Any]) -> None:
        now = datetime(2026, 3, 1, tzinfo=UTC)
        envelope = Envelope(type_, "/heed/test", "c_a", data, now, now)
        self.key, self.value, self.headers = b"c_a", envelope.value(), tuple(envelope.headers())


@pytest.mark.parametrize("type_", sorted(name.decode() for name in analytics_events._TYPES))
def test_analytics_decodes_what_producers_promise(type_: str) -> None:
    assert analytics_events.decode(_Record(type_, CONTRACTS[type_]["example"])) is not None
