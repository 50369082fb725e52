"""The consumer loop on a real broker and a real database."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from prometheus_client import REGISTRY
from sqlalchemy.ext.asyncio import AsyncSession

from common.bus import KafkaPublisher, Message
from common.consumer import Consumer, StuckError
from common.database import Database
from common.deadletters import DeadLetterLimit, DeadLetters, TooManyDeadLettersError
from common.envelope import Envelope
from common.failures import InvalidError, TransientError
from common.processor import Handler, Subscription, dispatch
from common.testing.effects import HAPPENED, effects, fact, message, record_effect

Committed = Callable[..., Awaitable[int | None]]


class Bench:
    """One topic, one group, and consumers on them."""

    def __init__(self, kafka: str, database: Database, publisher: KafkaPublisher, topic: str, dead: str) -> None:
        self.kafka, self.database, self.publisher, self.topic, self.dead = kafka, database, publisher, topic, dead
        self.group = f"test-{secrets.token_hex(4)}"

    async def publish(self, *envelopes: Envelope, partition: int | None = None) -> None:
        await self.publisher.publish([message(self.topic, envelope, partition) for envelope in envelopes])

    def consumer(self, handler: Handler = record_effect, instance: str | None = None, **options: Any) -> Consumer:
        types = frozenset({HAPPENED})
        subscription = Subscription(self.group, (self.topic,), dispatch({HAPPENED: handler}), types, instance)
        dead = DeadLetters(self.publisher, self.dead, self.group)
        return Consumer(self.kafka, subscription, self.database, dead, **options)

    async def done(self, count: int) -> bool:
        return len(await effects(self.database)) >= count


@pytest.fixture
async def bench(kafka: str, database: Database, publisher: KafkaPublisher, new_topic: Any) -> Bench:
    return Bench(kafka, database, publisher, await new_topic(2), await new_topic(1))


@asynccontextmanager
async def running(*consumers: Consumer) -> AsyncIterator[list[asyncio.Task[None]]]:
    tasks = [asyncio.create_task(consumer.run()) for consumer in consumers]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_it_goes_on_where_it_stopped(bench: Bench, eventually: Any, committed: Committed) -> None:
    await bench.publish(*(fact(number) for number in range(20)), partition=0)
    async with running(bench.consumer(instance="one")):
        await eventually(lambda: bench.done(20))

        async def is_committed() -> bool:
            return await committed(bench.group, bench.topic) == 20

        await eventually(is_committed)
    await bench.publish(fact(20), partition=0)
    handled: list[str] = []

    async def handler(session: AsyncSession, envelope: Envelope) -> None:
        handled.append(envelope.id)
        await record_effect(session, envelope)

    async with running(bench.consumer(handler, instance="one")):
        await eventually(lambda: bench.done(21))
    assert handled == ["c_1-20"]


async def test_a_transient_failure_holds_only_its_partition(bench: Bench, eventually: Any) -> None:
    away, tries = True, 0

    async def handler(session: AsyncSession, envelope: Envelope) -> None:
        nonlocal tries
        if away and envelope.key == "bad":
            tries += 1
            raise TransientError("away")
        await record_effect(session, envelope)

    await bench.publish(fact(1, "bad"), fact(2, "bad"), partition=0)
    async with running(bench.consumer(handler)):
        for number in range(10):
            await bench.publish(fact(number, "good"), partition=1)
            await eventually(lambda needed=number + 1: bench.done(needed))

        async def tried_again() -> bool:
            return tries >= 3

        await eventually(tried_again)
        away = False
        await eventually(lambda: bench.done(12))
    found = list(await effects(bench.database))
    assert found[10:] == ["bad-1", "bad-2"]


async def test_invalid_records_go_to_the_dead_letters_and_the_rest_goes_on(
    bench: Bench, eventually: Any, read_topic: Any, committed: Committed
) -> None:
    async def handler(session: AsyncSession, envelope: Envelope) -> None:
        if envelope.data.get("poison"):
            raise InvalidError("poisoned")
        await record_effect(session, envelope)

    bad: list[Any] = [("ce_type", None), ("ce_id", b"\xff")]
    await bench.publish(fact(1), fact(2, poison=True), partition=0)
    await bench.publisher.publish([Message(bench.topic, "c_1", b"", bad, 0)])
    await bench.publish(fact(3), partition=0)
    async with running(bench.consumer(handler)):
        await eventually(lambda: bench.done(2))

        async def is_committed() -> bool:
            return await committed(bench.group, bench.topic) == 4

        await eventually(is_committed)
    letters = [dict(record.headers) for record in await read_topic(bench.dead, 2)]
    assert [letter["heed-offset"] for letter in letters] == [b"1", b"2"]
    assert letters[0]["heed-reason"] == b"poisoned"
    assert letters[0]["heed-topic"] == bench.topic.encode()
    assert letters[0]["ce_id"] == b"c_1-2"


async def test_an_unknown_error_stops_it_without_a_commit(bench: Bench, committed: Committed) -> None:
    async def broken(session: AsyncSession, envelope: Envelope) -> None:
        raise ZeroDivisionError

    await bench.publish(fact(1), partition=0)
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(bench.consumer(broken).run(), 60)
    assert await committed(bench.group, bench.topic) is None
    assert await effects(bench.database) == []


async def test_too_much_that_is_invalid_stops_it(bench: Bench, committed: Committed) -> None:
    async def picky(session: AsyncSession, envelope: Envelope) -> None:
        raise InvalidError("poisoned")

    await bench.publish(*(fact(number) for number in range(5)), partition=0)
    with pytest.raises(TooManyDeadLettersError):
        await asyncio.wait_for(bench.consumer(picky, limit=DeadLetterLimit(run=5)).run(), 60)
    assert await committed(bench.group, bench.topic) is None


async def test_a_handler_that_hangs_is_ended(bench: Bench) -> None:
    async def hang(session: AsyncSession, envelope: Envelope) -> None:
        await asyncio.sleep(600)

    await bench.publish(fact(1), partition=0)
    with pytest.raises(StuckError):
        await asyncio.wait_for(bench.consumer(hang, stuck_seconds=0.6).run(), 60)


async def test_an_idle_consumer_is_not_stuck_nor_one_that_retries(bench: Bench) -> None:
    async def away(session: AsyncSession, envelope: Envelope) -> None:
        raise TransientError("away")

    for handler in (record_effect, away):
        async with running(bench.consumer(handler, stuck_seconds=0.6)) as (task,):
            await asyncio.wait([task], timeout=3)
            assert not task.done()
        await bench.publish(fact(1), partition=0)


async def test_two_consumers_share_and_a_rebalance_repeats_nothing(bench: Bench, eventually: Any) -> None:
    sent = 0

    async def publish(count: int) -> None:
        nonlocal sent
        for _ in range(count):
            await bench.publish(fact(sent, "even"), partition=0)
            await bench.publish(fact(sent, "odd"), partition=1)
            sent += 1

    async with running(bench.consumer()) as (first,):
        await publish(30)
        async with running(bench.consumer()):
            await publish(30)
            await eventually(lambda: bench.done(60))
            first.cancel()
            await publish(30)
            await eventually(lambda: bench.done(2 * sent))
    found = list(await effects(bench.database))
    for key in ("even", "odd"):
        assert [id_ for id_ in found if id_.startswith(key)] == [f"{key}-{number}" for number in range(sent)]


async def test_the_lag_is_told_and_forgotten_with_the_partition(bench: Bench, eventually: Any) -> None:
    gate = asyncio.Event()

    async def wait(session: AsyncSession, envelope: Envelope) -> None:
        if not gate.is_set():
            raise TransientError("not yet")

    def lag(partition: int) -> float | None:
        labels = {"group": bench.group, "topic": bench.topic, "partition": str(partition)}
        return REGISTRY.get_sample_value("heed_consumer_lag_records", labels)

    async def behind() -> bool:
        return lag(0) == 3

    async def caught_up() -> bool:
        return lag(0) == 0

    await bench.publish(fact(1), fact(2), fact(3), partition=0)
    async with running(bench.consumer(wait)):
        await eventually(behind)
        gate.set()
        await eventually(caught_up)


async def test_it_waits_for_a_topic_that_is_missing(bench: Bench, kafka: str, eventually: Any) -> None:
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic

    bench.topic = f"test-common-late-{secrets.token_hex(4)}"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    async with running(bench.consumer()) as (task,):
        await asyncio.wait([task], timeout=0.5)
        assert not task.done()
        await admin.create_topics([NewTopic(bench.topic, 1, 1)])
        await bench.publish(fact(1))
        await eventually(lambda: bench.done(1))
    await admin.delete_topics([bench.topic])
    await admin.close()
