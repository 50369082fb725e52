"""What the running system has on record: the log of facts, the steps it told, and how far each task has come."""

import asyncio
import heapq
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from common import topics
from common.database import Database
from heed.platform.errors import PlatformError

_LOOKS, _LOOK_SECONDS = 150, 0.2
_START = "Start it with: make run"


@dataclass(frozen=True)
class Place:
    """Where to look: the broker, the topics' prefix and analytics' own database."""

    bootstrap: str
    prefix: str
    database_url: str


@dataclass(frozen=True)
class Reach:
    """A task folded the offsets before `end`; what was before `quiet_until` was told by an older version."""

    quiet_until: int
    end: int


@asynccontextmanager
async def reachable(place: Place) -> AsyncIterator[None]:
    """Says in one message what could not be reached."""
    try:
        yield
    except KafkaError as error:
        raise PlatformError(
            f"Kafka at {place.bootstrap} cannot be read ({error}). Is Heed running? {_START}"
        ) from error
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise PlatformError(f"The database of analytics cannot be read ({error}). Is Heed running? {_START}") from error


async def reach(database: Database, prefix: str) -> dict[int, Reach]:
    """How far each task has come, once all that was said up to there is published. Raises PlatformError."""
    connection: asyncpg.Connection = await database.connect()
    try:
        rows = await connection.fetch("SELECT partition, quiet_until, next_offset FROM tasks")
        if not rows:
            raise PlatformError(f"Analytics has not folded anything yet. {_START}")
        last = await connection.fetchval("SELECT coalesce(max(position), 0) FROM outbox")
        query = "SELECT count(*) FROM outbox WHERE position <= $1 AND topic = $2"
        for _ in range(_LOOKS):
            if not await connection.fetchval(query, last, f"{prefix}.{topics.TRIGGERS}"):
                break
            await asyncio.sleep(_LOOK_SECONDS)
        else:
            raise PlatformError("Steps wait in the outbox and are not being published: is analytics running?")
    finally:
        await connection.close()
    return {row["partition"]: Reach(row["quiet_until"], row["next_offset"]) for row in rows}


async def facts(place: Place, reached: Mapping[int, Reach]) -> AsyncIterator[ConsumerRecord]:
    """The log from its start up to where the tasks are, the partitions merged by the broker's time of each record:
    about the order in which they were folded. Raises PlatformError where the log's beginning is gone.
    """
    topic = f"{place.prefix}.{topics.CUSTOMER_FACTS}"
    async with _consumer(place) as consumer:
        places = [TopicPartition(topic, partition) for partition in sorted(reached)]
        consumer.assign(places)
        begin = await consumer.beginning_offsets(places)
        if gone := [p.partition for p, offset in begin.items() if offset and reached[p.partition].end]:
            raise PlatformError(f"The log's beginning is gone on partitions {gone}: state cannot be folded from it.")
        await consumer.seek_to_beginning(*places)
        async for record in _merged(consumer, {place: reached[place.partition].end for place in places}):
            yield record


async def _merged(consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]) -> AsyncIterator[ConsumerRecord]:
    """`held` keeps what was fetched, the next record last; `heads` has one entry for each that holds something."""
    held: dict[TopicPartition, list[ConsumerRecord]] = {place: [] for place, end in ends.items() if end}
    by_number = {place.partition: place for place in held}
    heads: list[tuple[int, int]] = []
    while held:
        while missing := [place for place, records in held.items() if not records]:
            for place, records in (await consumer.getmany(*missing, timeout_ms=500)).items():
                held[place] = records[::-1]
                heapq.heappush(heads, (records[0].timestamp, place.partition))
        while heads and len(heads) == len(held):
            place = by_number[heads[0][1]]
            record = held[place].pop()
            ended = record.offset >= ends[place] - 1
            if record.offset < ends[place]:
                yield record
            if ended:
                del held[place]
            if ended or not held[place]:
                heapq.heappop(heads)
            else:
                heapq.heapreplace(heads, (held[place][-1].timestamp, place.partition))


async def steps(place: Place) -> AsyncIterator[ConsumerRecord]:
    """Everything that was told on the topic of triggers until now, partition by partition."""
    topic = f"{place.prefix}.{topics.TRIGGERS}"
    async with _consumer(place) as consumer:
        places = [TopicPartition(topic, partition) for partition in range(topics.PARTITIONS)]
        ends = await consumer.end_offsets(places)
        for partition in places:
            consumer.assign([partition])
            await consumer.seek_to_beginning(partition)
            while await consumer.position(partition) < ends[partition]:
                for record in (await consumer.getmany(partition, timeout_ms=500)).get(partition, ()):
                    yield record


@asynccontextmanager
async def _consumer(place: Place) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=place.bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=4 * 1024 * 1024,
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()
