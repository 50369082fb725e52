"""Two replicas over one database."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import orjson
import pytest

from heed.platform.ports import free_ports


@pytest.fixture(scope="module")
def second(capture: Any) -> Iterator[Any]:
    """Another replica, straight at the broker."""
    port = free_ports(1)[0]
    environment = capture.environment | {
        "LEAD_CAPTURE_PORT": str(port),
        "HEED_INSTANCE": f"{capture.environment['HEED_INSTANCE']}-2",
        "KAFKA_BOOTSTRAP_SERVERS": capture.kafka,
    }
    other = replace(capture, url=f"http://127.0.0.1:{port}", environment=environment, process=None)
    try:
        other.start()
        other.wait_direct()
        yield other
    finally:
        other.stop()


def told(capture: Any, partition: int) -> list[str]:
    """The times that ticks of a partition told, in order."""
    ticks = [r for r in capture.records() if r.headers["ce_type"] == b"heed.clock.ticked.v1"]
    return [orjson.loads(tick.value)["time"] for tick in ticks if tick.partition == partition]


def post(replica: Any, key: str, number: int) -> httpx.Response:
    body = {"userId": "u", "event": "Counted", "properties": {"number": number}}
    answer: httpx.Response = replica.http.post(
        f"{replica.url}/v1/track", json=body, headers={"authorization": f"Bearer {key}"}
    )
    return answer


def test_one_ticks_and_the_other_takes_over(capture: Any, second: Any) -> None:
    capture.wait_for(lambda: capture.status()["ticking"])
    assert second.status()["ticking"] is False
    capture.kill()
    try:
        second.wait_for(lambda: second.status()["ticking"], 40)
        count = len(told(second, 0))
        second.wait_for(lambda: len(told(second, 0)) > count, 40)
        moments = told(second, 0)
        assert moments == sorted(moments)
    finally:
        capture.start()
        capture.wait_direct()


def test_a_key_made_on_one_is_known_on_the_other(capture: Any, second: Any) -> None:
    assert post(second, capture.add_key("server"), 0).status_code == 200


def test_what_one_spools_the_other_queues_behind(capture: Any, second: Any, proxy: Any) -> None:
    key = capture.add_key("server", "both")
    assert post(second, key, 0).status_code == 200
    proxy.cut()
    try:
        assert post(capture, key, 1).status_code == 200
    finally:
        proxy.mend()
    capture.wait_direct()
    second.wait_direct()
    assert post(second, key, 2).status_code == 200
    facts = {fact.id: fact for fact in second.facts("both")}
    assert [fact.data["properties"]["number"] for fact in facts.values()] == [0, 1, 2]
