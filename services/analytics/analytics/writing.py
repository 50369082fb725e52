"""Transactions of one owner of partitions: the fence first, then the rest.

A fence moves the offset of each partition only while the owner token is ours and the offset is the expected one; a late
write of a former owner finds zero rows and is rolled back. A commit whose answer was lost is recognised by its offsets.

No commit waits for the disk: what a database that crashed has lost is folded and told again, the same from the log.
The next fence finds that its offset is gone.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import asyncpg
import structlog
from prometheus_client import Histogram

from common.database import Database, is_transient

log = structlog.get_logger()

_BACKOFF_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class FencedError(Exception):
    """Somebody else owns a partition now, or what was written of it is gone: this process must drop its state."""


class Part(Protocol):
    """What is written at once; `write` returns the alarms to be rung after the commit."""

    async def fence(self, connection: asyncpg.Connection, token: str) -> bool: ...
    async def write(self, connection: asyncpg.Connection) -> Iterable[str]: ...


@dataclass(frozen=True)
class Fence:
    """Two statements on offsets of partitions. `move` is given the token, the partitions, where they go and whatever
    else it asks for; `moved` the first three, and answers how many stand there.
    """

    move: str
    moved: str

    async def passed(
        self, connection: asyncpg.Connection, token: str, partitions: Sequence[int], nexts: Sequence[int], *others: Any
    ) -> bool:
        """True to go on; False when this very part was committed before its answer was lost. Raises FencedError."""
        status = await connection.execute(self.move, token, partitions, nexts, *others)
        if status == f"UPDATE {len(partitions)}":
            return True
        if await connection.fetchval(self.moved, token, partitions, nexts) == len(partitions):
            return False
        raise FencedError(f"partitions {partitions} belong to another owner now, or the database lost its last commits")


class Writer:
    """Writes one part after the other over a connection of its own."""

    def __init__(self, database: Database, token: str, duration: Histogram) -> None:
        self._database, self._token, self._duration = database, token, duration
        self._connection: asyncpg.Connection | None = None

    async def write(self, part: Part) -> None:
        """Retries what is transient until it is written. Raises FencedError when the partitions are not ours."""
        for attempt in range(1_000_000):
            try:
                self._database.ring(await self._attempt(part))
                return
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
                if not is_transient(error):
                    raise
                pause = _BACKOFF_SECONDS[min(attempt, len(_BACKOFF_SECONDS) - 1)]
                log.warning("write put off", error=str(error), pause_seconds=pause)
                await self.close()
                await asyncio.sleep(pause)

    async def _attempt(self, part: Part) -> Iterable[str]:
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._database.connect(synchronous_commit="off")
        with self._duration.time():
            async with self._connection.transaction():
                goes_on = await part.fence(self._connection, self._token)
                return await part.write(self._connection) if goes_on else ()

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()
