"""Kafka behind two small protocols, so that tests may use the broker of `common.testing` instead."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, ProducerClosed

from common.envelope import Headers
from common.failures import TransientError

_ABANDON_SECONDS = 0.2
_STOP_SECONDS = 3.0


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


async def abandon(producer: AIOKafkaProducer) -> None:
    """Ends a producer without waiting for what it could not deliver; afterwards it sends nothing more.

    An idempotent aiokafka producer retries for ever and its `stop` waits for that; there is no public way out,
    hence the two private attributes.
    """
    producer._message_accumulator.fail_all(ProducerClosed())
    sending = producer._sender.sender_task
    if sending is not None:
        sending.cancel()
    with contextlib.suppress(KafkaError, OSError):
        await producer.client.close()
    # A request that waits for metadata waits for ever now, and the cancelled sender makes `stop` look cancelled:
    # neither may reach the caller.
    stopping = asyncio.ensure_future(producer.stop())
    await asyncio.wait([stopping], timeout=_ABANDON_SECONDS)
    stopping.cancel()


class KafkaPublisher:
    """An idempotent producer with acks=all."""

    def __init__(self, bootstrap_servers: str, *, linger_ms: int = 0, request_timeout_ms: int = 10_000) -> None:
        self._options = {
            "bootstrap_servers": bootstrap_servers,
            "enable_idempotence": True,
            "acks": "all",
            "linger_ms": linger_ms,
            "request_timeout_ms": request_timeout_ms,
            # The largest record of a topic, and room for what a dead letter adds to it.
            "max_request_size": 4 * 1024 * 1024,
            # What is published together goes in one request for each partition, not in one for every 16 kB.
            "max_batch_size": 256 * 1024,
        }
        self._timeout = request_timeout_ms / 1000
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()

    async def start(self) -> None:
        """Raises TransientError while the broker cannot be reached."""
        async with self._starting:
            if self._producer is None:
                self._producer = await self._started()

    async def _started(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(**self._options)
        try:
            async with asyncio.timeout(self._timeout):
                await producer.start()
        except (KafkaError, OSError, TimeoutError) as error:
            await producer.stop()
            raise TransientError(f"bus: {str(error) or 'no answer in time'}") from error
        return producer

    async def publish(self, messages: Sequence[Message]) -> None:
        await self.start()
        producer = self._producer
        assert producer is not None
        try:
            async with asyncio.timeout(self._timeout):
                await _send_all(producer, messages)
        except (KafkaError, OSError, TimeoutError) as error:
            # A producer whose sequence broke refuses for good, and one that waits would send later, out of
            # order: a fresh one starts clean.
            if self._producer is producer:
                self._producer = None
            await abandon(producer)
            raise TransientError(f"bus: {str(error) or 'no acknowledgement in time'}") from error

    async def stop(self) -> None:
        """Waits for what is on its way, but not for a broker that is away."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        try:
            async with asyncio.timeout(min(self._timeout, _STOP_SECONDS)):
                await producer.flush()
            await producer.stop()
        except TimeoutError:
            await abandon(producer)


async def _send_all(producer: AIOKafkaProducer, messages: Sequence[Message]) -> None:
    acks = [
        await producer.send(m.topic, m.value, key=m.key.encode() or None, partition=m.partition, headers=m.headers)
        for m in messages
    ]
    for outcome in await asyncio.gather(*acks, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
