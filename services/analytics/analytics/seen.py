"""Which events a task has folded in before.

An event counts once in each partition: what one task folds depends on its own part of the log alone.
"""

import asyncio

import asyncpg
import structlog

from common.database import Database, is_transient

log = structlog.get_logger()

_KNOWN = "SELECT partition, id FROM seen WHERE id = ANY($1::uuid[])"

Place = tuple[int, str]  # a partition, and the id of an event


class SeenIds:
    """Looks ids up over a connection of its own; waits while the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: asyncpg.Connection | None = None

    async def among(self, ids: list[str]) -> set[Place]:
        """Where a checkpoint has written that one of `ids` was folded in."""
        while True:
            try:
                if self._connection is None or self._connection.is_closed():
                    self._connection = await self._database.connect()
                rows = await self._connection.fetch(_KNOWN, ids)
                return {(row["partition"], str(row["id"])) for row in rows}
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                if not is_transient(error):
                    raise
                log.warning("look-up put off", error=str(error))
                await self.close()
                await asyncio.sleep(0.5)

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()
