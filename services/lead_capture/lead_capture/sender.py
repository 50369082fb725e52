"""The producer of the hot path: everything given at once goes out as one batch per partition, acks awaited."""

import asyncio
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2

from common.bus import Message, abandon
from common.failures import TransientError

_BATCH_BYTES = 1024 * 1024


@lru_cache(maxsize=65_536)
def partition_of(key: str, partitions: int) -> int:
    """Where Kafka's default partitioner puts this key, so that all services agree."""
    return (murmur2(key.encode()) & 0x7FFFFFFF) % partitions if key else 0


class Sender:
    """Idempotent, acks=all. After a failure it holds no producer until `connect` succeeds again."""

    def __init__(self, bootstrap_servers: str, topics: Sequence[str], timeout_seconds: float) -> None:
        self._options = {
            "bootstrap_servers": bootstrap_servers,
            "enable_idempotence": True,
            "acks": "all",
            "linger_ms": 0,
            "max_batch_size": _BATCH_BYTES,
            "max_request_size": 2 * _BATCH_BYTES,
            "request_timeout_ms": int(timeout_seconds * 1000),
        }
        self._timeout = timeout_seconds
        self._partitions: dict[str, int] = dict.fromkeys(topics, 0)
        self._producer: AIOKafkaProducer | None = None

    @property
    def connected(self) -> bool:
        return self._producer is not None

    def partitions(self, topic: str) -> int:
        """How many partitions a topic has; 0 before the first connection."""
        return self._partitions[topic]

    async def connect(self) -> None:
        """Raises TransientError while the broker cannot be reached."""
        if self._producer is not None:
            return
        producer = AIOKafkaProducer(**self._options)
        try:
            async with asyncio.timeout(self._timeout):
                await producer.start()
                for topic in self._partitions:
                    self._partitions[topic] = len(await producer.partitions_for(topic))
        except (KafkaError, OSError, TimeoutError) as error:
            await abandon(producer)
            raise TransientError(f"bus: {str(error) or 'no answer in time'}") from error
        self._producer = producer

    async def send(self, messages: Sequence[Message]) -> None:
        """Returns when all are acknowledged. On TransientError the fate of each is unknown."""
        producer = self._producer
        if producer is None:
            raise TransientError("bus: not connected")
        try:
            await self._deliver(producer, messages)
        except (KafkaError, OSError, TimeoutError) as error:
            # Left alone it would retry for ever and send these facts after newer ones.
            self._producer = None
            await abandon(producer)
            raise TransientError(f"bus: {str(error) or 'no acknowledgement in time'}") from error

    async def _deliver(self, producer: AIOKafkaProducer, messages: Sequence[Message]) -> None:
        acks: list[asyncio.Future[Any]] = []
        try:
            async with asyncio.timeout(self._timeout):
                for (topic, partition), group in self._by_partition(messages).items():
                    for batch in _batches(producer, group):
                        acks.append(await producer.send_batch(batch, topic, partition=partition))
                await asyncio.wait(acks)
        except BaseException:
            for ack in acks:
                ack.add_done_callback(_retrieve)
            raise
        for error in [ack.exception() for ack in acks]:
            if error is not None:
                raise error

    def _by_partition(self, messages: Sequence[Message]) -> dict[tuple[str, int], list[Message]]:
        groups: dict[tuple[str, int], list[Message]] = {}
        for message in messages:
            topic, partition = message.topic, message.partition
            if partition is None:
                partition = partition_of(message.key, self._partitions[topic])
            groups.setdefault((topic, partition), []).append(message)
        return groups

    async def stop(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await abandon(producer)


def _batches(producer: AIOKafkaProducer, messages: Sequence[Message]) -> list[Any]:
    batch = producer.create_batch()
    batches = [batch]
    for message in messages:
        key = message.key.encode() or None
        if batch.append(timestamp=None, key=key, value=message.value, headers=message.headers) is None:
            batch = producer.create_batch()
            batches.append(batch)
            batch.append(timestamp=None, key=key, value=message.value, headers=message.headers)
    for full in batches:
        full.close()
    return batches


def _retrieve(ack: "asyncio.Future[Any]") -> None:
    """An ack that nobody waits for any more must not be reported as forgotten."""
    if not ack.cancelled():
        ack.exception()
