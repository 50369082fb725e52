"""Completed examples on their way to the trainer, ahead of the checkpoint they belong to.

They pass no outbox, in which alerts would wait behind them: what a crash has told again is known by its numbers.
"""

import asyncio
from collections.abc import Sequence

import structlog

from analytics.teaching import Lesson, told
from common.bus import KafkaPublisher
from common.failures import TransientError
from common.outbox import message_of

log = structlog.get_logger()

_RETRY_SECONDS = 0.5


class ExamplePublisher:
    """A producer of its own: one that failed takes nobody else's messages with it."""

    def __init__(self, bootstrap_servers: str, topic: str) -> None:
        self._publisher, self._topic = KafkaPublisher(bootstrap_servers), topic

    async def publish(self, lessons: Sequence[Lesson]) -> None:
        """Returns once they are safe on the bus; waits while that is away."""
        while lessons:
            try:
                await self._publisher.publish([message_of(self._topic, envelope) for envelope in told(lessons)])
                return
            except TransientError as error:
                log.warning("examples wait", error=str(error))
                await asyncio.sleep(_RETRY_SECONDS)

    async def stop(self) -> None:
        await self._publisher.stop()
