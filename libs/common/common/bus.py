"""Kafka behind two small protocols, so that tests may use the broker of `common.testing` instead."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from common.envelope import Headers
from common.failures import TransientError


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent: `partition` None lets the key decide."""

    topic: str
    key: str
    value: bytes
    headers: Headers
    partition: int | None = None


class Publisher(Protocol):
    """Returns once every message is safe on the bus, in the order given. Raises TransientError otherwise."""

    async def publish(self, messages: Sequence[Message]) -> None: ...


class KafkaPublisher:
    """An idempotent producer with acks=all."""

    def __init__(self, bootstrap_servers: str, *, linger_ms: int = 0, request_timeout_ms: int = 10_000) -> None:
        self._options = {
            "bootstrap_servers": bootstrap_servers,
            "enable_idempotence": True,
            "acks": "all",
            "linger_ms": linger_ms,
            "request_timeout_ms": request_timeout_ms,
            "max_request_size": 2 * 1024 * 1024,
        }
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Raises TransientError while the broker cannot be reached."""
        producer = AIOKafkaProducer(**self._options)
        try:
            await producer.start()
        except (KafkaError, OSError) as error:
            await producer.stop()
            raise TransientError(f"bus: {error}") from error
        self._producer = producer

    async def publish(self, messages: Sequence[Message]) -> None:
        if self._producer is None:
            await self.start()
        assert self._producer is not None
        try:
            futures = [
                await self._producer.send(
                    m.topic, m.value, key=m.key.encode() or None, partition=m.partition, headers=m.headers
                )
                for m in messages
            ]
            await asyncio.gather(*futures)
        except (KafkaError, OSError) as error:
            # A producer whose sequence broke refuses for good; a fresh one starts clean.
            await self.stop()
            raise TransientError(f"bus: {error}") from error

    async def stop(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()
