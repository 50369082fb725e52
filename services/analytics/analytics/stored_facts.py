"""Reads a partition of the log of customer facts again, beside the consumer that follows it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition

from common.record import Record

log = structlog.get_logger()

_RECORDS = 2_000  # at a time, before others have their turn


class StoredFacts:
    """A log in the sense of `rebuilding`. `moved` is called as it gets on."""

    def __init__(self, bootstrap_servers: str, topic: str, moved: Callable[[], None] = lambda: None) -> None:
        self._bootstrap, self._topic, self._moved = bootstrap_servers, topic, moved

    async def records(self, partition: int, first: int, end: int) -> AsyncIterator[Sequence[Record]]:
        """Those with offsets from `first` up to `end`. Raises KafkaError or OSError."""
        place = TopicPartition(self._topic, partition)
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=4 * 1024 * 1024,
        )
        await consumer.start()
        try:
            consumer.assign([place])
            begin = (await consumer.beginning_offsets([place]))[place]
            if begin > first:
                log.warning("the log's beginning is gone", partition=partition, starts_at=begin)
            position = max(first, begin)
            consumer.seek(place, position)
            while position < end:
                for found in (await consumer.getmany(place, timeout_ms=500, max_records=_RECORDS)).values():
                    position = found[-1].offset + 1
                    yield found if position <= end else [record for record in found if record.offset < end]
                self._moved()
                await asyncio.sleep(0)
        finally:
            await consumer.stop()
