"""PostgreSQL's LISTEN as an alarm clock: something was committed, look again."""

import asyncio
import contextlib
from types import TracebackType
from typing import Self

import asyncpg

from common.database import Database

_RECONNECT_SECONDS = 1.0


class Notifications:
    """Wakes whoever waits when `channel` is notified, and after a reconnect (something may have been missed).

    Used as an asynchronous context; holds one connection outside the pool, and takes a new one when it breaks.
    """

    def __init__(self, database: Database, channel: str) -> None:
        self._database, self._channel = database, channel
        self._woken = asyncio.Event()

    async def wait(self, at_most: float) -> None:
        """Returns at the next notification since the last `wait`, or after `at_most` seconds."""
        with contextlib.suppress(TimeoutError):
            # Not wait_for: in Python 3.11 it swallows a cancellation that comes together with the wake.
            async with asyncio.timeout(at_most):
                await self._woken.wait()
        self._woken.clear()

    async def __aenter__(self) -> Self:
        self._listening = asyncio.create_task(self._listen())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._listening

    async def _listen(self) -> None:
        while True:
            try:
                await self._listen_once()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
                await asyncio.sleep(_RECONNECT_SECONDS)

    async def _listen_once(self) -> None:
        connection = await self._database.connect()
        try:
            closed = asyncio.Event()
            connection.add_termination_listener(lambda _: closed.set())
            await connection.add_listener(self._channel, lambda *_: self._woken.set())
            self._woken.set()
            await closed.wait()
        finally:
            await connection.close(timeout=1)
