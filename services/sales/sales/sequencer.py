"""Gives committed changes of alerts their place in the stream.

A sequence's values become visible out of order, so a reader that remembers the last one it saw would miss a
change that took an earlier value and committed later. Here one writer at a time numbers what is committed already:
whoever has seen `seq` n has been shown everything up to n.
"""

import asyncio

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from common.database import Database
from common.failures import TransientError
from common.notifications import Notifications
from sales.repository.alerts import CHANGED

log = structlog.get_logger()

SEQUENCED = "alert_sequenced"

_LOCK = 0x414C5254  # spells ALRT; the advisory lock of the one that numbers
_POLL_SECONDS = 1.0
_RETRY_SECONDS = 0.5

# The lock is taken by a statement of its own: the next one sees everything that the last holder committed.
_TRY_LOCK = text("SELECT pg_try_advisory_xact_lock(:lock)")
_NUMBER = text(
    """
    WITH head AS (SELECT coalesce(max(seq), 0) AS seq FROM alert_changes),
         fresh AS (SELECT position, row_number() OVER (ORDER BY position) AS nth
                   FROM alert_changes WHERE seq IS NULL),
         numbered AS (UPDATE alert_changes AS change SET seq = head.seq + fresh.nth
                      FROM head, fresh WHERE change.position = fresh.position
                      RETURNING change.seq)
    SELECT count(*), pg_notify(:channel, '') FROM numbered HAVING count(*) > 0
    """
)


class Sequencer:
    """Runs in every replica; the lock of the transaction lets one work at a time.

    Killed before its commit, it leaves the changes as they were; the next run, here or elsewhere, numbers them.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def run(self) -> None:
        """Until cancelled. Survives the database's absence."""
        async with Notifications(self._database, CHANGED) as notified:
            while True:
                try:
                    async with self._database.transaction() as session:
                        await number_changes(session)
                except TransientError as error:
                    log.warning("sequencer waits", error=str(error))
                    await asyncio.sleep(_RETRY_SECONDS)
                await notified.wait(_POLL_SECONDS)


async def number_changes(session: AsyncSession) -> int:
    """Numbers what is committed, unless somebody else is at it. Returns how many changes got their place."""
    if not (await session.execute(_TRY_LOCK, {"lock": _LOCK})).scalar_one():
        return 0
    return (await session.execute(_NUMBER, {"channel": SEQUENCED})).scalar_one_or_none() or 0
