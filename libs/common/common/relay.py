"""Moves committed outbox rows to the bus, in order per key, at least once."""

import asyncio
from collections.abc import Callable, Sequence

import structlog
from sqlalchemy import Row, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from common import metrics
from common.bus import Message, Publisher
from common.database import Database
from common.failures import TransientError
from common.outbox import KEYED, LANES

log = structlog.get_logger()

_BATCH = 1_000  # rows published at once
_LOCK_CLASS = 0x48454544  # spells HEED; the advisory locks of relays
_LOCK = text(
    """
    SELECT array_agg(slice), set_config('synchronous_commit', 'off', true)
    FROM unnest(CAST(:slices AS integer[])) AS slice
    WHERE pg_try_advisory_xact_lock(:class, slice)
    """
)
_OLDEST = text(
    """
    SELECT position, topic, key, partition, headers, value FROM outbox
    WHERE slice = ANY(:slices) ORDER BY position LIMIT :most
    """
).columns(headers=JSONB)
_DELETE = text("DELETE FROM outbox WHERE position = ANY(:positions)")
_POLL_SECONDS = 1.0
_ELSEWHERE_SECONDS = 0.02  # until the relay of another process may be done with the slices it holds
_RETRY_SECONDS = (0.1, 0.5, 1.0, 2.0)

Published = Callable[[Sequence[Message]], None]


class Relay:
    """Publishes what the outbox holds of a lane. Several may run: each holds the lock of the slices it works on.

    `linger_seconds` is how long it waits for more before it publishes what was just committed.
    A crash between acknowledgement and delete publishes again, and so does one of the database, whose disk no delete
    waits for; consumers collapse repeats by id.
    """

    def __init__(
        self,
        database: Database,
        publisher: Publisher,
        on_published: Published | None = None,
        *,
        lane: str = KEYED,
        linger_seconds: float = 0.0,
    ) -> None:
        self._database = database
        self._publisher = publisher
        self._on_published = on_published
        self._linger = linger_seconds
        self._committed, self._slices = database.alarm(lane), list(LANES[lane])
        self._all_mine = True  # whether the last look was at all slices

    async def run(self) -> None:
        """Until cancelled. Survives the broker's and the database's absence."""
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
                await self._committed.wait(_POLL_SECONDS if self._all_mine else _ELSEWHERE_SECONDS)
                await asyncio.sleep(self._linger)

    async def drain_once(self) -> int:
        """One transaction: lock slices, publish their oldest rows, await every ack, delete. Returns how many."""
        async with self._database.transaction() as session:
            rows = await self._oldest(session)
            if rows:
                messages = [_message(row) for row in rows]
                await self._publisher.publish(messages)
                if self._on_published:
                    self._on_published(messages)
                positions = [row.position for row in rows]
                await session.execute(_DELETE, {"positions": positions})
                metrics.RELAY_PUBLISHED.inc(len(rows))
        return len(rows)

    async def _oldest(self, session: AsyncSession) -> Sequence[Row]:  # type: ignore[type-arg]
        # The locks are taken by a statement of their own: the next one sees all that their last holders committed.
        slices = (await session.execute(_LOCK, {"slices": self._slices, "class": _LOCK_CLASS})).scalar_one() or []
        self._all_mine = len(slices) == len(self._slices)
        return (await session.execute(_OLDEST, {"slices": slices, "most": _BATCH})).all() if slices else []


def _message(row: Row) -> Message:  # type: ignore[type-arg]
    headers = [(name, value.encode()) for name, value in row.headers.items()]
    return Message(row.topic, row.key, row.value, headers, row.partition)
