"""What was committed wakes who listens, in whatever process, and after its connection broke as well."""

import asyncio
from typing import Any

from sqlalchemy import text

from common.database import Database
from common.notifications import Notifications, notify

_HOUR = 3_600.0


async def test_a_commit_wakes_who_listens(database: Database) -> None:
    async with Notifications(database, "spoken") as notified:
        await _woken(notified)  # it listens now
        async with database.transaction() as session:
            notify(session, "spoken")
        await _woken(notified)


async def test_a_listener_outlives_its_connection(database: Database) -> None:
    async with Notifications(database, "spoken") as notified:
        await _woken(notified)
        async with database.transaction() as session:
            listeners = "WHERE datname = current_database() AND query ILIKE 'LISTEN%'"
            await session.execute(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity {listeners}"))
        await _woken(notified)  # it listens again, and something may have been missed
        async with database.transaction() as session:
            notify(session, "spoken")
        await _woken(notified)


async def _woken(notified: Notifications) -> Any:
    async with asyncio.timeout(60):
        await notified.wait(_HOUR)
