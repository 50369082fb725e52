"""The envelope written by hand is the CloudEvents library's, both ways; broken records say what is wrong."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary, to_binary
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from common.envelope import Envelope, decode, new_fact, type_of
from common.failures import InvalidError
from common.testing.effects import MOMENT, fact

texts = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=40)
moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
envelopes = st.builds(
    Envelope,
    type=texts,
    source=texts,
    key=texts,
    data=st.dictionaries(texts, json_values, max_size=4),
    time=moments,
    received=moments,
    id=texts,
    subject=st.none() | texts,
    correlation_id=texts,
    causation_id=st.none() | texts,
    traceparent=st.none() | texts,
    backfill=st.none() | moments,
)


@given(envelopes)
def test_what_we_write_the_library_reads(envelope: Envelope) -> None:
    written = KafkaMessage(dict(envelope.headers()), envelope.key, envelope.value())
    event = from_binary(written, JSONFormat(), CloudEvent)
    assert event.get_id() == envelope.id
    assert event.get_type() == envelope.type
    assert event.get_source() == envelope.source
    assert event.get_time() == envelope.time
    assert event.get_subject() == envelope.subject
    assert event.get_datacontenttype() == "application/json"
    assert event.get_data() == envelope.data
    assert event.get_extension("partitionkey") == envelope.key
    assert event.get_extension("correlationid") == envelope.correlation_id
    assert event.get_extension("causationid") == envelope.causation_id


@given(envelopes)
def test_what_the_library_writes_we_read(envelope: Envelope) -> None:
    ours = KafkaMessage(dict(envelope.headers()), envelope.key, envelope.value())
    theirs = to_binary(from_binary(ours, JSONFormat(), CloudEvent), JSONFormat())
    assert isinstance(theirs.key, str)
    assert decode(theirs.key.encode(), theirs.headers.items(), theirs.value) == envelope


@given(envelopes)
def test_a_round_trip_changes_nothing(envelope: Envelope) -> None:
    assert decode(envelope.key.encode(), envelope.headers(), envelope.value()) == envelope


@given(
    st.lists(st.tuples(st.sampled_from(("ce_id", "ce_type", "ce_time", "ce_source", "x")), st.none() | st.binary())),
    st.none() | st.binary(),
    st.none() | st.binary(),
)
def test_whatever_is_on_the_bus_is_a_fact_or_invalid(
    headers: list[tuple[str, bytes]], key: bytes | None, value: bytes | None
) -> None:
    type_of(headers)
    with pytest.raises(InvalidError):
        decode(key, headers, value)


def _with(name: str, value: bytes | None) -> list[Any]:
    return [(header, value if header == name else old) for header, old in fact(1).headers()]


@pytest.mark.parametrize(
    ("headers", "value", "reason"),
    [
        (fact(1).headers(), None, "tombstone"),
        (fact(1).headers(), b"{", "not JSON"),
        (fact(1).headers(), b"[1]", "not a JSON object"),
        (fact(1).headers(), b'{"a": NaN}', "not JSON"),
        (fact(1).headers()[1:], b"{}", "missing header ce_specversion"),
        (_with("ce_type", None), b"{}", "missing header ce_type"),
        (_with("ce_id", b""), b"{}", "missing header ce_id"),
        (_with("ce_id", b"a\x00b"), b"{}", "NUL"),
        (_with("ce_specversion", b"0.3"), b"{}", "specversion"),
        (_with("ce_time", b"2026-03-01T09:30:00"), b"{}", "no offset"),
        (_with("ce_time", b"soon"), b"{}", "broken attribute"),
        (_with("ce_time", b"0001-01-01T00:00:00+14:00"), b"{}", "out of range"),
        (_with("ce_subject", b"\xff"), b"{}", "not UTF-8"),
        ([], b"{}", "missing header"),
    ],
)
def test_broken_records_name_their_fault(headers: list[Any], value: bytes | None, reason: str) -> None:
    with pytest.raises(InvalidError, match=reason):
        decode(b"c_1", headers, value)


def test_a_key_that_is_no_text_is_invalid() -> None:
    with pytest.raises(InvalidError):
        decode(b"\xff", fact(1).headers(), b"{}")


def test_the_type_is_known_without_decoding_the_rest() -> None:
    assert type_of(fact(1).headers()) == "test.happened.v1"
    assert type_of([("ce_type", b"\xff")]) is None
    assert type_of([]) is None


def test_a_caused_fact_carries_its_chain_on() -> None:
    first = Envelope("a.v1", "/a", "c_1", {}, MOMENT, MOMENT, backfill=MOMENT - timedelta(days=1), traceparent="00-1")
    second = first.caused("b.v1", "/b", {"x": 1}, time=MOMENT + timedelta(seconds=1))
    third = second.caused("c.v1", "/c", {}, key="c_2", time=MOMENT)
    assert (second.causation_id, third.causation_id) == (first.id, second.id)
    assert {second.correlation_id, third.correlation_id} == {first.id}
    assert {second.received, third.received} == {first.received}
    assert {second.backfill, third.backfill} == {first.backfill}
    assert (third.key, third.subject, third.traceparent) == ("c_2", "c_2", "00-1")


def test_moments_in_data_end_in_z() -> None:
    envelope = new_fact("a.v1", "/a", "c_1", {"due_at": MOMENT}, time=MOMENT)
    assert envelope.value() == b'{"due_at":"2026-03-01T09:30:00Z"}'
