"""The clock of everything downstream: "all that was accepted before T is on the log", each second, per partition.

One replica says so, by advisory lock, and only while nothing is spooled and every send's fate is known. So when
capture, Kafka or PostgreSQL is away, time stands still, and an outage is not read as silence.
"""

import asyncio
import contextlib
from datetime import datetime, timedelta

import asyncpg
import structlog

from common.clock import Clock, rfc3339
from common.database import Database
from common.failures import BusyError, TransientError
from common.ids import new_id
from lead_capture import metrics, repository
from lead_capture.events import CLOCK_TICKED, partition_message
from lead_capture.pipeline import Pipeline
from lead_capture.sender import Sender

log = structlog.get_logger()

_QUERY_SECONDS = 3.0


class Ticker:
    """Reports what this replica has made safe; the one that holds the lock ticks."""

    def __init__(
        self,
        database: Database,
        pipeline: Pipeline,
        sender: Sender,
        clock: Clock,
        *,
        topic: str,
        instance: str,
        lag: float,
    ) -> None:
        self._database, self._pipeline, self._sender, self._clock = database, pipeline, sender, clock
        self._topic, self._instance, self._lag = topic, instance, timedelta(seconds=lag)
        self._connection: asyncpg.Connection | None = None
        self.leading = False
        self.last: datetime | None = None

    @property
    def ticking(self) -> bool:
        """Whether this replica ticked within the last few seconds."""
        recent = self._lag + timedelta(seconds=5)
        return self.leading and self.last is not None and self._clock.now() - self.last < recent

    async def beat(self) -> None:
        """One report, and one tick where it is ours to give. Without PostgreSQL there is none."""
        try:
            async with asyncio.timeout(_QUERY_SECONDS):
                safe_before, empty = await self._report()
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            log.warning("no tick: the database is away", error=str(error))
            await self.stop()
            return
        if not empty:
            self._pipeline.queue_behind_spool()
        elif self.leading and not self._pipeline.spooling:
            await self._tick(min(safe_before, self._clock.now() - self._lag))

    async def _report(self) -> tuple[datetime, bool]:
        if self._connection is None:
            self._connection = await self._database.connect()
        if not self.leading:
            self.leading = await repository.lead_ticking(self._connection)
        floor = self._pipeline.floor() or self._clock.now()
        return await repository.report_floor(self._connection, self._instance, floor)

    async def _tick(self, moment: datetime) -> None:
        if self.last is not None and moment <= self.last:
            return
        data, now = {"time": rfc3339(moment)}, self._clock.now()
        partitions = range(self._sender.partitions(self._topic))
        ticks = [partition_message(self._topic, p, CLOCK_TICKED, new_id(), data, now) for p in partitions]
        with contextlib.suppress(TransientError, BusyError):
            await self._pipeline.accept(ticks, now, direct_only=True)
            self.last = moment
            metrics.LAST_TICK.set(moment.timestamp())

    async def stop(self) -> None:
        """Gives the lock away with the connection."""
        connection, self._connection, self.leading = self._connection, None, False
        if connection is not None:
            with contextlib.suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await connection.close(timeout=1)
