"""The broker dies, freezes and comes back: nothing is lost, nothing is said in another order, nothing hangs."""

import asyncio
import secrets
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from common.bus import KafkaPublisher
from common.consumer import Consumer
from common.database import Database
from common.deadletters import DeadLetters
from common.failures import TransientError
from common.outbox import emit
from common.processor import Subscription, dispatch
from common.relay import Relay
from common.testing.effects import HAPPENED, effects, fact, message, record_effect
from heed.platform.kafka import Kafka
from heed.platform.ports import free_ports
from heed.platform.process import Child, wait_until
from heed.platform.testing import run_apart
from heed.platform.topics import create_topics

TOPIC = "outage.customer-facts"
KEYS = ("a", "b", "c")


@pytest.fixture(scope="module")
def node(kafka_lib: Path, platform_directory: Path) -> Kafka:
    config = Path(__file__).parents[2] / "deploy" / "local" / "kafka"
    return Kafka(kafka_lib, config, platform_directory / "outage", platform_directory / "outage.log", free_ports(1)[0])


@pytest.fixture(scope="module")
def broker(node: Kafka) -> Iterator[Child]:
    """A broker of its own, to be killed."""
    with node.child() as child:
        run_apart(lambda: create_topics(node.bootstrap, "outage"))
        yield child


@asynccontextmanager
async def _running(*parts: Any) -> AsyncIterator[list[asyncio.Task[None]]]:
    tasks = [asyncio.create_task(part.run()) for part in parts]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _stands_still(pid: int) -> bool:
    """Whether every thread has taken notice of the stop; `kill` returns before they have."""
    try:
        states = {stat.read_text().rpartition(")")[2].split()[0] for stat in Path(f"/proc/{pid}/task").glob("*/stat")}
    except (FileNotFoundError, ProcessLookupError):  # a thread that ended while it was asked
        return False
    return states == {"T"}


@contextmanager
def _frozen(broker: Child) -> Iterator[None]:
    broker.signal(signal.SIGSTOP)
    try:
        assert wait_until(lambda: _stands_still(broker.pid or 0), 10)
        yield
    finally:
        broker.signal(signal.SIGCONT)


async def _revive(broker: Child) -> None:
    await asyncio.to_thread(broker.start)
    await asyncio.to_thread(broker.wait_ready)


async def test_relay_and_consumer_outlive_a_killed_broker(
    node: Kafka, broker: Child, database: Database, eventually: Any
) -> None:
    publisher = KafkaPublisher(node.bootstrap, request_timeout_ms=2_000)
    subscription = Subscription(
        f"outage.{secrets.token_hex(4)}", (TOPIC,), dispatch({HAPPENED: record_effect}), frozenset({HAPPENED}), "one"
    )
    consumer = Consumer(node.bootstrap, subscription, database, DeadLetters(publisher, "outage.dead-letters", "g"))
    sent = 0

    async def say(count: int) -> None:
        nonlocal sent
        for _ in range(count):
            async with database.transaction() as session:
                await emit(session, TOPIC, [fact(sent, key) for key in KEYS])
            sent += 1

    async def all_done() -> bool:
        return len(await effects(database)) >= sent * len(KEYS)

    async with _running(Relay(database, publisher), consumer) as tasks:
        await say(20)
        await eventually(all_done)
        killing = asyncio.create_task(asyncio.to_thread(broker.kill))
        await say(20)
        await killing
        await asyncio.sleep(3)  # long enough for sends to time out
        await say(5)
        await _revive(broker)
        await say(5)
        await eventually(all_done, 90)
        assert not any(task.done() for task in tasks)
    await publisher.stop()
    found = list(await effects(database))
    for key in KEYS:
        assert [id_ for id_ in found if id_.startswith(key)] == [f"{key}-{number}" for number in range(sent)]


async def test_a_frozen_broker_is_a_transient_failure_and_stops_nobody(node: Kafka, broker: Child) -> None:
    publisher = KafkaPublisher(node.bootstrap, request_timeout_ms=1_000)
    await publisher.publish([message(TOPIC, fact(1, "frozen"))])
    with _frozen(broker):
        started = time.monotonic()
        with pytest.raises(TransientError):
            await publisher.publish([message(TOPIC, fact(2, "frozen"))])
        with pytest.raises(TransientError):
            await publisher.publish([message(TOPIC, fact(3, "frozen"))])
        await publisher.stop()
        assert time.monotonic() - started < 10


async def test_publishers_that_share_a_producer_all_hear_of_the_outage(node: Kafka, broker: Child) -> None:
    publisher = KafkaPublisher(node.bootstrap, request_timeout_ms=1_000)
    await publisher.publish([message(TOPIC, fact(0, "shared"))])
    with _frozen(broker):
        sends = [publisher.publish([message(TOPIC, fact(number, "shared"))]) for number in range(1, 21)]
        outcomes = await asyncio.wait_for(asyncio.gather(*sends, return_exceptions=True), 10)
        assert {type(outcome) for outcome in outcomes} == {TransientError}
    await publisher.publish([message(TOPIC, fact(number, "shared")) for number in range(1, 21)])
    await publisher.stop()


async def test_a_consumer_stops_though_the_broker_is_frozen(node: Kafka, broker: Child, database: Database) -> None:
    publisher = KafkaPublisher(node.bootstrap)
    subscription = Subscription(f"outage.{secrets.token_hex(4)}", (TOPIC,), dispatch({HAPPENED: record_effect}))
    consumer = Consumer(node.bootstrap, subscription, database, DeadLetters(publisher, "outage.dead-letters", "g"))
    task = asyncio.create_task(consumer.run())
    await asyncio.wait([task], timeout=3)
    with _frozen(broker):
        await asyncio.wait([task], timeout=1)
        started = time.monotonic()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert time.monotonic() - started < 8
