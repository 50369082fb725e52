"""Gives committed changes of alerts their place in the stream.

A sequence's values become visible out of order, so a reader that remembers the last one it saw would miss a
change that took an earlier value and committed later. Here one writer at a time numbers what is committed already:
whoever has seen `seq` n has been shown everything up to n.
"""

import asyncio

import asyncpg
import structlog

from common.alarm import Alarm
from common.database import Database
from sales.repository.alerts import CHANGED

log = structlog.get_logger()

SEQUENCED = "alert_sequenced"
LOCK = 0x414C5254  # spells ALRT; the advisory lock of the one that numbers

_POLL_SECONDS = 1.0
_RETRY_SECONDS = 0.5

_NUMBER = """
WITH head AS (SELECT coalesce(max(seq), 0) AS seq FROM alert_changes),
     fresh AS (SELECT position, row_number() OVER (ORDER BY position) AS nth FROM alert_changes WHERE seq IS NULL),
     numbered AS (UPDATE alert_changes AS change SET seq = head.seq + fresh.nth
                  FROM head, fresh WHERE change.position = fresh.position
                  RETURNING change.seq)
SELECT count(*) FROM numbered
"""


class Sequencer:
    """Runs in every replica; the one whose connection holds the lock numbers, the others try again each second.

    Killed, it loses its connection and thereby the lock; what it had not committed is numbered by the next.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def run(self) -> None:
        """Until cancelled. Survives the database's absence."""
        while True:
            try:
                await self._number_for_ever(await self._database.connect())
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("sequencer waits", error=str(error))
                await asyncio.sleep(_RETRY_SECONDS)

    async def _number_for_ever(self, connection: asyncpg.Connection) -> None:
        changed, leads = Alarm(), False
        try:
            await connection.add_listener(CHANGED, lambda *_: changed.ring())
            while True:
                leads = leads or await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK)
                if leads:
                    await number_changes(connection)
                await changed.wait(_POLL_SECONDS)
        finally:
            connection.terminate()


async def number_changes(connection: asyncpg.Connection) -> int:
    """Numbers what is committed. Returns how many changes got their place. Only for who holds the lock."""
    numbered = int(await connection.fetchval(_NUMBER))
    if numbered:
        await connection.execute("SELECT pg_notify($1, '')", SEQUENCED)
    return numbered
