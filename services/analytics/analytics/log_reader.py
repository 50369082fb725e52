"""Reads customer facts that were told before: a bounded part of the log, as recent as it can be within its bound."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.partitioner import murmur2

from analytics.events import Event, decode
from common.failures import InvalidError
from common.topics import PARTITIONS

_RECORDS = 2_000  # at a time
_SLICE = 200  # folded before others have their turn
_NARROWINGS = 12


def partition_of(key: str) -> int:
    """Where Kafka's default partitioner puts this key."""
    return int((murmur2(key.encode()) & 0x7FFFFFFF) % PARTITIONS)


@dataclass(frozen=True)
class Part:
    """What to read of each partition: offsets from `first` up to `end`. Everything said since `since` (seconds since
    1970, by the bus's clock) is in it; minus infinity when it begins where the log does.
    """

    since: float
    first: Mapping[int, int]
    end: Mapping[int, int]

    @property
    def records(self) -> int:
        return sum(self.end[partition] - first for partition, first in self.first.items())


class LogReader:
    """A consumer of its own, in no group. Decodes as the tasks do; what they would bury is skipped."""

    def __init__(self, consumer: AIOKafkaConsumer, topic: str) -> None:
        self._consumer, self._topic = consumer, topic
        self._partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]

    async def part(self, since: float, latest: float, most_records: int) -> Part:
        """From `since`, or from later where that would be more than `most_records`, but not later than `latest`.

        Raises KafkaError.
        """
        begin = await self._consumer.beginning_offsets(self._partitions)
        end = await self._consumer.end_offsets(self._partitions)
        found = await self._from(since, begin, end)
        if found.records <= most_records:
            return found
        early, late = since, latest
        for _ in range(_NARROWINGS):
            middle = (early + late) / 2
            tried = await self._from(middle, begin, end)
            early, late = (middle, late) if tried.records > most_records else (early, middle)
        return await self._from(late, begin, end)

    async def _from(self, since: float, begin: Mapping[TopicPartition, int], end: Mapping[TopicPartition, int]) -> Part:
        found = await self._consumer.offsets_for_times(dict.fromkeys(self._partitions, max(0, int(since * 1000))))
        first = {tp: end[tp] if found[tp] is None else found[tp].offset for tp in self._partitions}
        everything = all(first[tp] <= begin[tp] for tp in self._partitions)
        return Part(
            float("-inf") if everything else since,
            {tp.partition: offset for tp, offset in first.items()},
            {tp.partition: end[tp] for tp in self._partitions},
        )

    async def events(self, partition: int, first: int, end: int | None) -> AsyncGenerator[tuple[ConsumerRecord, Event]]:
        """In order, up to the offset `end`; without one, for ever. Lets others have their turn in between."""
        position = first
        consumer = self._consumer
        consumer.assign([TopicPartition(self._topic, partition)])
        consumer.seek(TopicPartition(self._topic, partition), first)
        while end is None or position < end:
            batches = await consumer.getmany(timeout_ms=200, max_records=_RECORDS)
            for records in batches.values():
                for n, record in enumerate(records):
                    position = record.offset + 1
                    if end is not None and record.offset >= end:
                        return
                    if n % _SLICE == 0:
                        await asyncio.sleep(0)
                    if (event := _decoded(record)) is not None:
                        yield record, event


def _decoded(record: ConsumerRecord) -> Event | None:
    try:
        return decode(record)
    except InvalidError:
        return None


@asynccontextmanager
async def log_reader(bootstrap_servers: str, topic: str) -> AsyncIterator[LogReader]:
    """Raises KafkaError or OSError where the bus is away."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=4 * 1024 * 1024,
    )
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, number) for number in range(PARTITIONS)])
        yield LogReader(consumer, topic)
    finally:
        await consumer.stop()
