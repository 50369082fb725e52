"""Which events were folded in before, whatever task folded them."""

import asyncio

import asyncpg
import structlog

from common.database import Database, is_transient

log = structlog.get_logger()

_KNOWN = "SELECT id FROM seen WHERE id = ANY($1::uuid[])"


class SeenIds:
    """Looks ids up over a connection of its own; waits while the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: asyncpg.Connection | None = None

    async def among(self, ids: list[str]) -> set[str]:
        """Those of `ids` that a checkpoint has written."""
        while True:
            try:
                if self._connection is None or self._connection.is_closed():
                    self._connection = await self._database.connect()
                return {str(row["id"]) for row in await self._connection.fetch(_KNOWN, ids)}
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
