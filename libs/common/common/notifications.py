"""PostgreSQL's NOTIFY and LISTEN, for what other processes wait for too."""

import asyncio
import contextlib
from types import TracebackType
from typing import Self

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from common.alarm import Alarm
from common.database import CHANNELS, Database

_RECONNECT_SECONDS = 1.0


def notify(session: AsyncSession, channel: str) -> None:
    """Wakes who listens on `channel`, soon after the session commits. A process that dies in between wakes nobody:
    listeners look now and then by themselves.
    """
    session.info.setdefault(CHANNELS, set()).add(channel)


class Notifications:
    """Wakes whoever waits when `channel` is notified, and after a reconnect (something may have been missed).

    Used as an asynchronous context; holds one connection outside the pool, and takes a new one when it breaks.
    """

    def __init__(self, database: Database, channel: str) -> None:
        self._database, self._channel = database, channel
        self._alarm = Alarm()

    async def wait(self, at_most: float) -> None:
        """Returns at the next notification since the last `wait`, or after `at_most` seconds."""
        await self._alarm.wait(at_most)

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
            await connection.add_listener(self._channel, lambda *_: self._alarm.ring())
            self._alarm.ring()
            await closed.wait()
        finally:
            await connection.close(timeout=1)
