"""Events of the Segment spec as touchpoints and orders."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lead_capture.domain import fact_id, namespace_of
from lead_capture.domain.order import from_segment
from lead_capture.domain.segment import identifiers_of, kind_of, moment_of, order_type, touchpoint
from tests.lead_capture.intakes import NOW, intake


def test_a_touchpoint_takes_who_what_and_when() -> None:
    event = {
        "userId": "u1",
        "anonymousId": "a1",
        "messageId": "m1",
        "type": "page",
        "name": "Pricing",
        "timestamp": "2026-03-01T10:00:00Z",
        "sentAt": "2026-03-01T11:00:00Z",
        "properties": {"path": "/pricing"},
        "context": {
            "traits": {"email": "Ada@Example.com", "phone": "nonsense"},
            "page": {"url": "https://shop.example/pricing", "referrer": "https://search.example/"},
            "campaign": {"name": "spring", "source": "ads"},
            "userAgent": "Mozilla",
        },
    }
    captured = touchpoint(event, "page", intake(), "")
    assert captured.time == NOW - timedelta(hours=1)
    assert captured.id == fact_id(namespace_of("shop"), "message", "m1")
    assert captured.data == {
        "identifiers": {"user_id": "u1", "anonymous_id": "a1", "email": "ada@example.com"},
        "kind": "page",
        "name": "Pricing",
        "properties": {"path": "/pricing"},
        "traits": {},
        "page_url": "https://shop.example/pricing",
        "referrer": "https://search.example/",
        "user_agent": "Mozilla",
        "utm": {"campaign": "spring", "source": "ads"},
        "source": "shop",
    }


def test_history_is_taken_at_its_word() -> None:
    event = {"timestamp": "2011-12-09T12:50:00Z", "sentAt": "2026-03-01T11:00:00Z"}
    assert moment_of(event, intake(history=True)) == (datetime(2011, 12, 9, 12, 50, tzinfo=UTC), False)


def test_the_traits_of_a_group_are_not_the_persons() -> None:
    event = {"userId": "u1", "groupId": "g", "traits": {"email": "info@acme.example"}}
    assert identifiers_of(event, "group", "GB") == {"user_id": "u1"}


json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
fields = [
    "type",
    "event",
    "userId",
    "anonymousId",
    "messageId",
    "timestamp",
    "sentAt",
    "traits",
    "properties",
    "context",
]


@settings(max_examples=60)
@given(st.dictionaries(st.sampled_from([*fields, "groupId", "previousId", "name"]), json))
def test_no_event_breaks_the_rules(event: dict[str, object]) -> None:
    for kind in ("track", "identify", "group", "alias", "page"):
        try:
            captured = touchpoint(event, kind, intake(), "new")
        except ValueError:
            continue
        assert captured.identifiers
        assert captured.data["kind"] == kind


@given(st.dictionaries(st.sampled_from(["order_id", "total", "products", "currency", "refund_id", "revenue"]), json))
def test_no_order_event_breaks_the_rules(properties: dict[str, object]) -> None:
    try:
        order = from_segment({"properties": properties, "messageId": "m"}, "return", "USD")
    except ValueError:
        return
    assert order["type"] == "return"


def test_kinds_come_from_the_route_or_the_event() -> None:
    assert kind_of({}, "track") == "track"
    assert kind_of({"type": "alias"}, "batch") == "alias"
    odd: list[Any] = [["track"], "import", None, {}]
    for type_ in odd:
        with pytest.raises(ValueError, match="type must be"):
            kind_of({"type": type_}, "batch")


@given(json)
def test_no_event_name_breaks_the_rules(name: object) -> None:
    assert order_type({"event": name}) in (None, "order", "return")
