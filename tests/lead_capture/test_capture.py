"""What is accepted, and what the bus then holds."""

import base64
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from aiokafka.partitioner import DefaultPartitioner
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from jsonschema import Draft202012Validator, FormatChecker

from common.clock import parse_rfc3339
from lead_capture.domain import customer_key, fact_id, namespace_of

CONTRACTS = Path(__file__).parents[2] / "contracts"


def basic(key: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{key}:".encode()).decode()}


def bearer(key: str, **more: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}", **{name.replace("_", "-"): value for name, value in more.items()}}


LEAD = {
    "name": "Ada Byron",
    "email": "Ada@Example.com",
    "phone": "020 7946 0018",
    "company": "Engines",
    "message": "Please call",
    "consent": {"given": True, "text": "You may write.", "channel": "email"},
    "utm_source": "newsletter",
    "page_url": "https://shop.example/contact",
    "form": "contact",
}
ORDER = {
    "order_id": "o-1",
    "customer": {"loyalty_number": "L-1", "email": "ada@example.com", "name": "Ada"},
    "items": [{"sku": "a", "name": "Heart", "quantity": 2, "unit_price": 6.25}],
    "total": "12.50",
    "currency": "gbp",
    "time": "2026-03-01T10:30:00+01:00",
}


def test_a_lead_becomes_a_fact(capture: Any) -> None:
    key = capture.add_key("public", "leads")
    answer = capture.http.post(f"{capture.url}/v1/leads", json=LEAD, headers=bearer(key))
    assert answer.status_code == 202
    [fact] = capture.facts("leads")
    assert (fact.type, fact.id) == ("heed.lead.captured.v1", answer.json()["id"])
    assert fact.key == fact.subject == customer_key("email", "ada@example.com")
    assert fact.data["identifiers"] == {"email": "ada@example.com", "phone": "+442079460018"}
    assert fact.data["consent"] == LEAD["consent"]
    assert fact.data["utm"] == {"source": "newsletter"}
    assert fact.time == fact.received
    assert fact.backfill is None


def test_an_order_and_its_return_become_facts(capture: Any) -> None:
    key = capture.add_key("server", "orders")
    returned = {**ORDER, "type": "return", "return_id": "r-1", "total": "-6.25"}
    for body in (ORDER, returned, {**returned, "return_id": None, "order_id": "r-2"}):
        assert capture.http.post(f"{capture.url}/v1/orders", json=body, headers=bearer(key)).status_code == 202
    order, first, second = capture.facts("orders")
    assert (order.type, first.type) == ("heed.order.placed.v1", "heed.order.returned.v1")
    assert order.time == datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
    assert order.id == fact_id(namespace_of("orders"), "order", "o-1")
    assert order.key == customer_key("loyalty_number", "L-1")
    assert order.data["items"] == [{"sku": "a", "quantity": 2, "name": "Heart", "unit_price": "6.25"}]
    assert (order.data["total"], order.data["currency"], order.data["channel"]) == ("12.50", "GBP", "pos")
    assert (first.data["return_id"], first.data["order_id"], first.data["total"]) == ("r-1", "o-1", "6.25")
    assert second.data["return_id"] == "r-2"
    assert "order_id" not in second.data


def test_the_same_order_id_is_the_same_fact_whatever_the_body(capture: Any) -> None:
    key = capture.add_key("server", "repeats")
    for total in ("1", "2"):
        capture.http.post(f"{capture.url}/v1/orders", json={**ORDER, "total": total}, headers=bearer(key))
    facts = capture.facts("repeats")
    assert len({fact.id for fact in facts}) == 1


def test_a_rotated_key_keeps_the_ids_of_its_source(capture: Any) -> None:
    for _ in range(2):
        key = capture.add_key("server", "rotated")
        body = {"userId": "u", "event": "Clicked", "messageId": "m1"}
        assert capture.http.post(f"{capture.url}/v1/track", json=body, headers=basic(key)).json() == {"success": True}
    assert len({fact.id for fact in capture.facts("rotated")}) == 1


def test_segment_orders_become_orders(capture: Any) -> None:
    key = capture.add_key("server", "segment-orders")
    products = [{"product_id": "p1", "name": "Heart", "price": 6.25, "quantity": 2}]
    completed = {"order_id": "77", "revenue": 12.5, "currency": "EUR", "products": products}
    events = [
        {"type": "track", "event": "Order Completed", "anonymousId": "a1", "messageId": "m1", "properties": completed},
        {"type": "track", "event": "Order Refunded", "anonymousId": "a1", "messageId": "m2", "properties": completed},
    ]
    capture.http.post(f"{capture.url}/v1/batch", json={"batch": events}, headers=basic(key))
    placed, returned = capture.facts("segment-orders")
    assert placed.data["identifiers"] == {"anonymous_id": "a1"}
    assert placed.id == fact_id(namespace_of("segment-orders"), "order", "77")
    assert (placed.data["total"], placed.data["currency"]) == ("12.5", "EUR")
    assert placed.data["items"] == [{"sku": "p1", "quantity": 2, "name": "Heart", "unit_price": "6.25"}]
    assert (returned.type, returned.data["return_id"]) == ("heed.order.returned.v1", "m2")
    assert returned.data["order_id"] == "77"


def test_a_wrong_clock_is_corrected(capture: Any) -> None:
    key = capture.add_key("server", "skew")
    sent = datetime(2020, 1, 1, tzinfo=UTC)
    event = {"type": "track", "event": "Clicked", "userId": "u", "timestamp": (sent - timedelta(minutes=5)).isoformat()}
    capture.http.post(
        f"{capture.url}/v1/batch", json={"batch": [event], "sentAt": sent.isoformat()}, headers=basic(key)
    )
    [fact] = capture.facts("skew")
    assert fact.received - fact.time == timedelta(minutes=5)


def test_every_fact_keeps_its_contract_and_the_cloudevents_library_reads_it(capture: Any) -> None:
    key = capture.add_key("server", "contracts")
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    headers = bearer(key, traceparent=trace, x_request_id="request-1")
    capture.http.post(f"{capture.url}/v1/leads", json=LEAD, headers=headers)
    capture.http.post(f"{capture.url}/v1/orders", json=ORDER, headers=headers)
    capture.http.post(f"{capture.url}/v1/orders", json={**ORDER, "type": "return"}, headers=headers)
    for kind, more in (("identify", {}), ("alias", {"previousId": "a"}), ("group", {"groupId": "g"}), ("page", {})):
        capture.http.post(f"{capture.url}/v1/{kind}", json={"userId": "u", **more}, headers=headers)
    before = capture.status()["last_tick"]
    capture.wait_for(lambda: capture.status()["last_tick"] != before)
    mine = [
        record
        for record in capture.records()
        if record.headers["ce_correlationid"] == b"request-1" or record.headers["ce_type"] == b"heed.clock.ticked.v1"
    ]
    kinds = ("lead.captured", "order.placed", "order.returned", "touchpoint.captured", "clock.ticked")
    assert {record.headers["ce_type"].decode() for record in mine} == {f"heed.{kind}.v1" for kind in kinds}
    for record in mine:
        given = record.headers
        read = from_binary(KafkaMessage(given, record.key, record.value), JSONFormat(), CloudEvent)
        type_ = read.get_type()
        assert read.get_source() == "/heed/lead_capture"
        assert read.get_time() == parse_rfc3339(given["ce_time"].decode())
        contract = orjson.loads((CONTRACTS / f"{type_}.json").read_bytes())
        Draft202012Validator(contract["schema"], format_checker=FormatChecker()).validate(read.get_data())
        if type_ != "heed.clock.ticked.v1":
            assert read.get_subject() == (record.key or b"").decode() == read.get_extension("partitionkey")
            assert read.get_extension("traceparent") == trace


@pytest.mark.parametrize("path", sorted(CONTRACTS.glob("heed.*.json")), ids=lambda path: path.stem)
def test_examples_keep_their_own_contract(path: Path) -> None:
    contract = orjson.loads(path.read_bytes())
    Draft202012Validator.check_schema(contract["schema"])
    Draft202012Validator(contract["schema"]).validate(contract["example"])


def test_facts_lie_where_kafkas_own_partitioner_puts_their_key(capture: Any) -> None:
    key = capture.add_key("server", "partitions")
    batch = [{"type": "page", "userId": f"customer-{n}"} for n in range(200)]
    capture.http.post(f"{capture.url}/v1/batch", json={"batch": batch}, headers=basic(key))
    records = [r for r in capture.records() if b'"partitions"' in r.value]
    assert len(records) == 200
    everywhere = list(range(12))
    for record in records:
        assert record.partition == DefaultPartitioner()(record.key, everywhere, everywhere)


def test_the_same_idempotency_key_gives_the_same_answer_and_one_fact(capture: Any) -> None:
    key = capture.add_key("server", "idempotent")
    headers = bearer(key, idempotency_key="k1")
    answers = [capture.http.post(f"{capture.url}/v1/leads", json=LEAD, headers=headers) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202] * 3
    assert len({answer.content for answer in answers}) == 1
    other = capture.http.post(f"{capture.url}/v1/leads", json={**LEAD, "name": "Eve"}, headers=headers)
    assert other.status_code == 422
    elsewhere = capture.http.post(f"{capture.url}/v1/orders", json=ORDER, headers=headers)
    assert elsewhere.status_code == 422
    assert len(capture.facts("idempotent")) == 1


def test_idempotency_keys_belong_to_their_source(capture: Any) -> None:
    for source in ("idempotent-a", "idempotent-b"):
        headers = bearer(capture.add_key("server", source), idempotency_key="same")
        body = {**LEAD, "name": source}
        assert capture.http.post(f"{capture.url}/v1/leads", json=body, headers=headers).status_code == 202


def test_a_repeat_in_flight_is_409_and_one_fact(capture: Any) -> None:
    key = capture.add_key("server", "in-flight")
    headers = bearer(key, idempotency_key="k1")

    def post(_: int) -> httpx.Response:
        answer: httpx.Response = capture.http.post(f"{capture.url}/v1/leads", json=LEAD, headers=headers, timeout=30)
        return answer

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(post, range(20)))
    statuses = {answer.status_code for answer in answers}
    assert 202 in statuses <= {202, 409}
    assert len({fact.id for fact in capture.facts("in-flight")}) == 1


@pytest.mark.parametrize("name", ["", "k" * 256])
def test_an_idempotency_key_has_a_sane_length(capture: Any, name: str) -> None:
    headers = bearer(capture.add_key("server"), idempotency_key=name)
    assert capture.http.post(f"{capture.url}/v1/leads", json=LEAD, headers=headers).status_code == 422
