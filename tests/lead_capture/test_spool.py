"""The bus goes away, or the database, or both."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import orjson
import pytest

CUSTOMERS = 5


def post(capture: Any, key: str, customer: int, number: int) -> httpx.Response:
    body = {"userId": f"customer-{customer}", "event": "Counted", "properties": {"number": number}}
    headers = {"authorization": f"Bearer {key}"}
    answer: httpx.Response = capture.http.post(f"{capture.url}/v1/track", json=body, headers=headers, timeout=30)
    return answer


def ticks(capture: Any) -> list[tuple[int, str]]:
    """(partition, time) in order."""
    found = [r for r in capture.records() if r.headers["ce_type"] == b"heed.clock.ticked.v1"]
    return [(record.partition, orjson.loads(record.value)["time"]) for record in found]


def numbers(capture: Any, source: str, customer: int) -> list[int]:
    """What the bus holds of a customer, copies of the same fact left out."""
    facts = [f for f in capture.facts(source) if f.data["identifiers"]["user_id"] == f"customer-{customer}"]
    return [fact.data["properties"]["number"] for fact in {fact.id: fact for fact in facts}.values()]


def test_while_the_bus_is_away_facts_are_kept_and_follow_in_order(capture: Any, proxy: Any) -> None:
    key = capture.add_key("server", "away")
    sequence = iter(range(10_000))
    sent: dict[int, list[int]] = {customer: [] for customer in range(CUSTOMERS)}

    def post_some(count: int) -> None:
        for _ in range(count):
            for customer in range(CUSTOMERS):
                number = next(sequence)
                assert post(capture, key, customer, number).status_code == 200
                sent[customer].append(number)

    post_some(5)
    proxy.cut()
    post_some(5)
    status = capture.status()
    assert status["mode"] == "spooling"
    assert status["spooled"] >= CUSTOMERS
    proxy.mend()
    post_some(20)  # these queue behind what is spooled
    capture.wait_direct()
    post_some(5)
    assert capture.status()["spooled"] == 0
    assert {customer: numbers(capture, "away", customer) for customer in sent} == sent


def test_the_native_routes_answer_202_while_the_bus_is_away(capture: Any, proxy: Any) -> None:
    headers = {"authorization": f"Bearer {capture.add_key('server', 'native-away')}"}
    order = {"order_id": "1", "customer": {"user_id": "u"}, "currency": "GBP", "total": 1}
    proxy.cut()
    try:
        for path, body in (("/v1/leads", {"email": "ada@example.com"}), ("/v1/orders", order)):
            assert capture.http.post(f"{capture.url}{path}", json=body, headers=headers, timeout=30).status_code == 202
        with_key = {**headers, "idempotency-key": "k"}
        first, again = (
            capture.http.post(f"{capture.url}/v1/leads", json={"phone": "+442079460018"}, headers=with_key)
            for _ in range(2)
        )
        assert first.content == again.content
    finally:
        proxy.mend()
    capture.wait_direct()
    assert sorted(fact.type for fact in {f.id: f for f in capture.facts("native-away")}.values()) == [
        "heed.lead.captured.v1",
        "heed.lead.captured.v1",
        "heed.order.placed.v1",
    ]


def test_time_stands_still_while_the_bus_is_away(capture: Any, proxy: Any) -> None:
    key = capture.add_key("server", "still")
    before = capture.status()["last_tick"]
    capture.wait_for(lambda: capture.status()["last_tick"] not in (None, before))
    proxy.cut()
    try:
        assert post(capture, key, 0, 0).status_code == 200
        stood = capture.status()["last_tick"]
        time.sleep(2.5)
        assert capture.status()["last_tick"] == stood
    finally:
        proxy.mend()
    capture.wait_for(lambda: (capture.status()["last_tick"] or "") > (stood or ""))
    [fact] = {fact.id: fact for fact in capture.facts("still")}.values()
    received = fact.received.isoformat().replace("+00:00", "Z")
    for partition in range(12):
        lines = [r for r in capture.records() if r.partition == partition]
        place = next((n for n, r in enumerate(lines) if r.headers["ce_id"] == fact.id.encode()), None)
        if place is None:
            continue
        told = [orjson.loads(r.value)["time"] for r in lines[:place] if r.headers["ce_type"] == b"heed.clock.ticked.v1"]
        assert all(moment <= received for moment in told)


def test_ticks_rise_on_every_partition(capture: Any) -> None:
    capture.wait_for(lambda: len(ticks(capture)) >= 24)
    per_partition: dict[int, list[str]] = {}
    for partition, moment in ticks(capture):
        per_partition.setdefault(partition, []).append(moment)
    assert set(per_partition) == set(range(12))
    for moments in per_partition.values():
        assert moments == sorted(set(moments))


@pytest.fixture
def without_database(capture: Any, database_proxy: Any) -> Any:
    database_proxy.cut()
    yield
    database_proxy.mend()
    capture.wait_for(lambda: bool(capture.status()))


def test_without_the_database_facts_are_accepted_all_the_same(
    capture: Any, database_proxy: Any, request: pytest.FixtureRequest
) -> None:
    key = capture.add_key("server", "no-database")
    assert post(capture, key, 0, 0).status_code == 200
    capture.wait_direct()
    request.getfixturevalue("without_database")
    assert [post(capture, key, 0, number).status_code for number in range(1, 4)] == [200] * 3
    assert capture.http.get(f"{capture.url}/readyz").status_code == 200
    headers = {"authorization": f"Bearer {key}", "idempotency-key": "k"}
    answer = capture.http.post(f"{capture.url}/v1/leads", json={"email": "a@b.example"}, headers=headers, timeout=30)
    assert answer.status_code == 503
    unknown = capture.http.post(
        f"{capture.url}/v1/track", json={}, headers={"authorization": "Bearer sk_new"}, timeout=30
    )
    assert unknown.status_code == 503
    assert numbers(capture, "no-database", 0) == [0, 1, 2, 3]


def test_without_both_the_client_is_told_to_try_again(capture: Any, proxy: Any, request: pytest.FixtureRequest) -> None:
    key = capture.add_key("server", "neither")
    assert post(capture, key, 0, 0).status_code == 200
    capture.wait_direct()
    request.getfixturevalue("without_database")
    proxy.cut()
    try:
        answer = post(capture, key, 0, 1)
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) >= 1
        assert capture.http.get(f"{capture.url}/readyz").status_code == 503
    finally:
        proxy.mend()


def test_what_was_acknowledged_survives_a_kill(capture: Any, proxy: Any) -> None:
    key = capture.add_key("server", "killed")
    capture.wait_direct()
    proxy.cut()
    try:
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda number: post(capture, key, 0, number).status_code, range(20)))
        assert answers == [200] * 20
        capture.kill()
    finally:
        proxy.mend()
    capture.start()
    capture.wait_direct()
    assert sorted(numbers(capture, "killed", 0)) == list(range(20))
