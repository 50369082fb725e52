"""Moves committed outbox rows to the bus, in order per key, at least once."""

import asyncio
from collections.abc import Callable, Sequence

import structlog
from sqlalchemy import Row, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from common import metrics
from common.bus import Message, Publisher
from common.database import Database
from common.failures import TransientError
from common.notifications import Notifications
from common.outbox import CHANNEL, OUTBOX, SLICES

log = structlog.get_logger()

_DELETE = text("DELETE FROM outbox WHERE position = ANY(:positions)")
_LOCK_CLASS = 0x48454544  # spells HEED; the advisory locks of relays
_BATCH = 1_000
_POLL_SECONDS = 1.0
_RETRY_SECONDS = (0.1, 0.5, 1.0, 2.0)

Published = Callable[[Sequence[Message]], None]


class Relay:
    """Publishes what the outbox holds. Several may run: each holds the lock of the slices it works on.

    A crash between acknowledgement and delete publishes again; consumers collapse repeats by id.
    """

    def __init__(self, database: Database, publisher: Publisher, on_published: Published | None = None) -> None:
        self._database = database
        self._publisher = publisher
        self._on_published = on_published

    async def run(self) -> None:
        """Until cancelled. Survives the broker's and the database's absence."""
        async with Notifications(self._database, CHANNEL) as emitted:
            await self._forever(emitted)

    async def _forever(self, emitted: Notifications) -> None:
        failures = 0
        while True:
            try:
                moved = await self.drain_once()
                failures = 0
            except TransientError as error:
                pause = _RETRY_SECONDS[min(failures, len(_RETRY_SECONDS) - 1)]
                failures += 1
                log.warning("relay waits", error=str(error), pause_seconds=pause)
                await asyncio.sleep(pause)
                continue
            if moved < _BATCH:
                await emitted.wait(_POLL_SECONDS)

    async def drain_once(self) -> int:
        """One transaction: lock slices, publish their oldest rows, await every ack, delete. Returns how many."""
        async with self._database.transaction() as session:
            rows = await _oldest(session)
            if rows:
                messages = [_message(row) for row in rows]
                await self._publisher.publish(messages)
                if self._on_published:
                    self._on_published(messages)
                positions = [row.position for row in rows]
                await session.execute(_DELETE, {"positions": positions})
                metrics.RELAY_PUBLISHED.inc(len(rows))
        return len(rows)


async def _oldest(session: AsyncSession) -> Sequence[Row]:  # type: ignore[type-arg]
    held = await session.execute(
        text("SELECT s FROM generate_series(0, :last) AS s WHERE pg_try_advisory_xact_lock(:cls, s)"),
        {"last": SLICES - 1, "cls": _LOCK_CLASS},
    )
    slices = list(held.scalars())
    query = select(OUTBOX).where(OUTBOX.c.slice.in_(slices)).order_by(OUTBOX.c.position).limit(_BATCH)
    return (await session.execute(query)).all()


def _message(row: Row) -> Message:  # type: ignore[type-arg]
    headers = [(name, value.encode()) for name, value in row.headers.items()]
    return Message(row.topic, row.key, row.value, headers, row.partition)
