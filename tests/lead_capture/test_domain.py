"""The pure rules of capture."""

import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lead_capture.domain import (
    amount,
    customer_key,
    event_time,
    fact_id,
    namespace_of,
    normalise,
    parse_moment,
    skew_corrected,
    strongest,
)
from lead_capture.domain.captured import Intake
from lead_capture.domain.lead import from_form, origin_of
from lead_capture.domain.money import LIMIT, currency_code, decimal_of
from lead_capture.domain.order import captured_order, from_segment
from lead_capture.domain.segment import identifiers_of, kind_of, moment_of, order_type, touchpoint

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CONTRACTS = Path(__file__).parents[2] / "contracts"
moments = st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def intake(**changes: object) -> Intake:
    given = {"source": "shop", "namespace": namespace_of("shop"), "region": "GB", "currency": "USD", "received": NOW}
    return Intake(**{**given, **changes})  # type: ignore[arg-type]


def test_the_customer_key_is_blake2b_of_kind_and_value_in_base32() -> None:
    assert customer_key("email", "ada@example.com") == "c_vsikpvzrog7po75h3zhbdjtbyu"


@given(st.text(min_size=1), st.text(min_size=1))
def test_customer_keys_tell_kinds_and_values_apart(one: str, other: str) -> None:
    one, other = one.replace("\ud800", ""), other
    if one.isascii() and other.isascii():
        assert (customer_key("user_id", one) == customer_key("user_id", other)) == (one == other)
        assert customer_key("user_id", one) != customer_key("email", one)
        assert len(customer_key("user_id", one)) == 28


@pytest.mark.parametrize(
    ("kind", "given", "normal"),
    [
        ("email", " Ada@Example.COM ", "ada@example.com"),
        ("email", "ada@shop.test", "ada@shop.test"),
        ("phone", "020 7946 0018", "+442079460018"),
        ("phone", "+49 (30) 901820", "+4930901820"),
        ("user_id", 17, "17"),
        ("loyalty_number", " L-1 ", "L-1"),
    ],
)
def test_identifiers_have_one_form(kind: str, given: object, normal: str) -> None:
    assert normalise(kind, given, "GB") == normal
    assert normalise(kind, normal, "GB") == normal


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("email", "ada"),
        ("email", "a b@example.com"),
        ("email", "@example.com"),
        ("phone", "12"),
        ("phone", "call me"),
        ("user_id", "  "),
        ("user_id", True),
        ("user_id", ["a"]),
        ("user_id", "x" * 256),
    ],
)
def test_what_is_no_identifier_is_refused(kind: str, given: object) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        normalise(kind, given, "GB")


@given(st.sampled_from(["email", "phone", "user_id"]), st.text(max_size=300))
def test_normalising_never_breaks_and_is_idempotent(kind: str, text: str) -> None:
    try:
        normal = normalise(kind, text, "GB")
    except ValueError:
        return
    assert normalise(kind, normal, "GB") == normal


def test_the_strongest_identifier_names_the_customer() -> None:
    assert strongest({"anonymous_id": "a", "email": "e", "user_id": "u"}) == ("user_id", "u")
    assert strongest({"anonymous_id": "a", "phone": "p"}) == ("phone", "p")
    with pytest.raises(ValueError, match="nobody is named"):
        strongest({})


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_fact_ids_are_uuid_version_5(value: str) -> None:
    namespace = namespace_of("shop")
    assert fact_id(namespace, "message", value) == str(uuid.uuid5(uuid.UUID(bytes=namespace), f"message:{value}"))


def test_fact_ids_differ_by_source_and_kind() -> None:
    ids = {fact_id(namespace_of(source), kind, "1") for source in ("a", "b") for kind in ("order", "return", "message")}
    assert len(ids) == 6


@pytest.mark.parametrize("text", ["2026-03-01T09:30:00", "2026-03-01", "1969-12-31T23:59:59Z", "soon", "", 17, None])
def test_times_that_cannot_be_meant_are_refused(text: object) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_moment(text)


def test_times_are_turned_to_utc() -> None:
    assert parse_moment("2026-03-01T10:30:00+01:00") == datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


@given(st.text(max_size=40))
@example("0001-01-01T00:00:00+14:00")
@example("9999-12-31T23:59:59.999999-14:00")
def test_parsing_times_never_breaks(text: str) -> None:
    try:
        assert parse_moment(text).tzinfo is UTC
    except ValueError:
        return


@given(moments)
def test_more_than_a_day_ahead_gives_way_to_the_receipt(claimed: datetime) -> None:
    time, adjusted = event_time(claimed, NOW)
    assert adjusted == (claimed - NOW > timedelta(hours=24))
    assert time == (NOW if adjusted else claimed)


def test_year_9999_gives_way_to_the_receipt() -> None:
    assert event_time(parse_moment("9999-12-31T23:59:59Z"), NOW) == (NOW, True)


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=2000)), moments)
def test_a_clock_that_is_wrong_by_anything_tells_the_right_age(age: timedelta, sent: datetime) -> None:
    assert skew_corrected(sent - age, sent, NOW) == NOW - age


@given(st.decimals(min_value=-(10**12) + 1, max_value=10**12 - 1, allow_nan=False, allow_infinity=False))
def test_amounts_are_plain_and_keep_six_places(number: Decimal) -> None:
    text = amount(number)
    assert "E" not in text.upper()
    assert abs(Decimal(text) - number) <= Decimal("0.0000005")


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e12", "-1e999", "", "12,50", True, None, [1], {}, "1" * 5_000])
def test_amounts_that_cannot_be_meant_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        decimal_of(value)


def test_amounts_stay_below_the_limit_in_sums() -> None:
    items = [{"sku": "a", "name": None, "quantity": LIMIT - 1, "unit_price": Decimal(2)}]
    order = {"type": "order", "order_id": "1", "return_id": None, "total": None, "items": items, "currency": "GBP"}
    with pytest.raises(ValueError, match="less than"):
        captured_order({**order, "channel": None}, {"user_id": "u"}, None, (NOW, False), intake())


@pytest.mark.parametrize(("given", "code"), [("gbp", "GBP"), (" EUR ", "EUR")])
def test_currency_codes(given: str, code: str) -> None:
    assert currency_code(given) == code


@pytest.mark.parametrize("given", ["£", "POUND", "G1P", "", None, 826, "ÄÖÜ"])
def test_what_is_no_currency_is_refused(given: object) -> None:
    with pytest.raises(ValueError, match="three letters"):
        currency_code(given)


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


def test_a_form_is_read_in_the_words_of_the_json_route() -> None:
    fields = {"email": "a@b.example", "consent": "on", "consent_text": "Yes, write.", "csrf": "1"}
    assert from_form(fields, frozenset({"email", "consent"})) == {
        "email": "a@b.example",
        "consent": {"given": True, "text": "Yes, write.", "channel": None},
    }


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://shop.example/thanks?a=1", "https://shop.example"),
        ("http://localhost:3000/x", "http://localhost:3000"),
        ("https://shop.example@evil.example/", None),
        ("https://shop.example\\@evil.example/", None),
        ("//evil.example/", None),
        ("javascript:alert(1)", None),
        ("https://shop.example:port/", None),
        ("/thanks", None),
        ("https://shop.example/\r\nset-cookie: a=b", None),
    ],
)
def test_the_origin_of_an_address_is_what_a_browser_would_use(url: str, origin: str | None) -> None:
    assert origin_of(url) == origin


def test_the_keys_of_the_contracts_examples_agree() -> None:
    example = orjson.loads((CONTRACTS / "heed.lead.captured.v1.json").read_bytes())["example"]
    kind, value = strongest(example["identifiers"])
    assert normalise(kind, value, "GB") == value
