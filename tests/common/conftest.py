"""Fixtures for common code: a database with outbox and inbox, fresh topics, and what is on them."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from sqlalchemy import delete

from common.bus import KafkaPublisher
from common.database import Database
from common.inbox import INBOX
from common.outbox import OUTBOX
from common.testing.effects import EFFECTS

Eventually = Callable[[Callable[[], Awaitable[object]]], Awaitable[None]]
NewTopics = Callable[..., Awaitable[str]]
ReadTopic = Callable[..., Awaitable[list[ConsumerRecord]]]


@pytest.fixture(scope="module")
async def database(database_url: str) -> AsyncIterator[Database]:
    """Outbox, inbox and a table of effects."""
    database = Database(database_url)
    async with database.engine.begin() as connection:
        for table in (OUTBOX, INBOX, EFFECTS):
            await connection.run_sync(table.create)
    yield database
    await database.close()


@pytest.fixture(autouse=True)
async def _empty_tables(request: pytest.FixtureRequest) -> None:
    if "database" in request.fixturenames:
        database: Database = request.getfixturevalue("database")
        async with database.transaction() as session:
            for table in (OUTBOX, INBOX, EFFECTS):
                await session.execute(delete(table))


@pytest.fixture
async def publisher(kafka: str) -> AsyncIterator[KafkaPublisher]:
    publisher = KafkaPublisher(kafka)
    yield publisher
    await publisher.stop()


@pytest.fixture
async def new_topic(kafka: str) -> AsyncIterator[NewTopics]:
    """Creates a topic with so many partitions; deleted afterwards."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    made: list[str] = []

    async def create(partitions: int = 1) -> str:
        name = f"test-common-{secrets.token_hex(6)}"
        await admin.create_topics([NewTopic(name, partitions, 1)])
        made.append(name)
        return name

    yield create
    if made:
        await admin.delete_topics(made)
    await admin.close()


@pytest.fixture
def read_topic(kafka: str) -> ReadTopic:
    """All records of a topic, in the order of their partitions, once there are `count`."""

    async def read(topic: str, count: int, seconds: float = 60) -> list[ConsumerRecord]:
        consumer = AIOKafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest", enable_auto_commit=False)
        consumer.subscribe([topic])
        await consumer.start()
        found: list[ConsumerRecord] = []
        deadline = time.monotonic() + seconds
        try:
            while len(found) < count and time.monotonic() < deadline:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found += records
            for records in (await consumer.getmany(timeout_ms=100)).values():
                found += records
        finally:
            await consumer.stop()
        return sorted(found, key=lambda record: (record.partition, record.offset))

    return read


@pytest.fixture
def committed(kafka: str) -> Callable[[str, str, int], Awaitable[int | None]]:
    """The offset a group committed for a partition of a topic."""

    async def ask(group: str, topic: str, partition: int = 0) -> int | None:
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
        await admin.start()
        try:
            offsets = await admin.list_consumer_group_offsets(group)
            found = offsets.get(TopicPartition(topic, partition))
            return None if found is None or found.offset < 0 else int(found.offset)
        finally:
            await admin.close()

    return ask


@pytest.fixture
def eventually() -> Eventually:
    """Waits until a condition holds."""

    async def wait(condition: Callable[[], Awaitable[object]], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not await condition():
            assert time.monotonic() < deadline, "the condition did not come true in time"
            await asyncio.sleep(0.02)

    return wait
