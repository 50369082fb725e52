"""From accepted to safe: one loop sends what has gathered straight to the bus, or queues it in the outbox.

One loop and one round at a time: so order per key holds across the two ways, a failed round is known as a whole
(its facts are spooled in the order they came, before any newer one), and the oldest fact not yet safe is known
at every moment.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

import structlog

from common import outbox
from common.bus import Message
from common.database import Database
from common.failures import BusyError, TransientError
from lead_capture import metrics, repository
from lead_capture.sender import Sender

log = structlog.get_logger()

_ROOM_BYTES = 64 * 1024 * 1024
_ROUND_FACTS = 10_000
_ROUND_BYTES = 8 * 1024 * 1024
_LOOK_SECONDS = 0.25
_NEARLY_EMPTY = 1_000
_HOLD_SECONDS = 0.5
_FEW, _GATHER_SECONDS = 8, 0.005


class Outcome(Enum):
    """Where a fact became safe."""

    SENT = "sent"
    SPOOLED = "spooled"


@dataclass(slots=True, eq=False)
class Entry:
    """The messages of one request, safe together or not."""

    messages: Sequence[Message]
    received: datetime
    size: int
    direct_only: bool
    safe: "asyncio.Future[Outcome]"
    started: float


class Pipeline:
    """Starts by spooling; goes direct once the bus answers and the outbox is known to be empty."""

    def __init__(self, database: Database, sender: Sender, spool_timeout_seconds: float) -> None:
        self._database, self._sender = database, sender
        self._spool_timeout = spool_timeout_seconds
        self._queue: deque[Entry] = deque()
        self._round: list[Entry] = []
        self._bytes = self._facts = 0
        self._work = asyncio.Event()
        self._looked = 0.0
        self._busy = False
        self.spooling = True
        metrics.SPOOLING.set(1)

    @property
    def unacknowledged(self) -> int:
        """Facts accepted and not yet safe."""
        return self._facts

    def floor(self) -> datetime | None:
        """When the oldest fact that is not yet safe was received; None when all are safe."""
        oldest = [entry.received for entry in (*self._round[:1], *list(self._queue)[:1])]
        return min(oldest, default=None)

    def accept(
        self, messages: Sequence[Message], received: datetime, *, direct_only: bool = False
    ) -> "asyncio.Future[Outcome]":
        """Takes charge of messages; the future tells when they are safe, or raises TransientError (fate unknown).

        Call it in the same step as `received` was read from the clock. `direct_only` is refused rather than
        spooled. Raises BusyError when too much is waiting.
        """
        size = sum(len(message.value) for message in messages)
        if self._bytes + size > _ROOM_BYTES:
            raise BusyError(1.0)
        safe = asyncio.get_running_loop().create_future()
        self._queue.append(Entry(messages, received, size, direct_only, safe, time.perf_counter()))
        self._bytes += size
        self._facts += len(messages)
        self._work.set()
        return safe

    async def ready(self) -> None:
        """Returns when facts can be made safe, one way or the other. Raises what the database raised."""
        if self.spooling or not self._sender.connected:
            await self._database.ready()

    def queue_behind_spool(self) -> None:
        """Somebody (another replica) has spooled: new facts queue behind."""
        self._spool_from_now("another replica spools")

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            if not self._work.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._work.wait(), _LOOK_SECONDS)
            if self.spooling and await self._spool_is_empty():
                self.spooling = False
                metrics.SPOOLING.set(0)
                log.info("facts go straight to the bus")
            # A round costs the same for few facts as for many, here and at the broker and its readers.
            await asyncio.sleep(0 if self._busy else _GATHER_SECONDS)
            self._take_round()
            self._busy = len(self._round) > _FEW
            if self._round:
                await self._settle()

    async def keep_connected(self) -> None:
        """Until cancelled: finds the bus again after it was away."""
        try:
            while True:
                if not self._sender.connected:
                    with contextlib.suppress(TransientError):
                        await self._sender.connect()
                await asyncio.sleep(_LOOK_SECONDS)
        finally:
            await self._sender.stop()

    def _take_round(self) -> None:
        facts = size = 0
        while self._queue and facts < _ROUND_FACTS and size < _ROUND_BYTES:
            entry = self._queue.popleft()
            facts += len(entry.messages)
            size += entry.size
            self._round.append(entry)
        if not self._queue:
            self._work.clear()

    async def _settle(self) -> None:
        metrics.UNACKNOWLEDGED.set(self._facts)
        failure = None if self.spooling else await self._send()
        if self.spooling:
            failure = await self._spool(failure)
        metrics.DURABLE.observe(time.perf_counter() - self._round[0].started)
        for entry in self._round:
            self._bytes -= entry.size
            self._facts -= len(entry.messages)
            if entry.safe.done():
                continue
            if failure:
                entry.safe.set_exception(failure)
            else:
                entry.safe.set_result(Outcome.SPOOLED if self.spooling else Outcome.SENT)
        self._round = []
        metrics.UNACKNOWLEDGED.set(self._facts)

    async def _send(self) -> TransientError | None:
        try:
            await self._sender.send([message for entry in self._round for message in entry.messages])
        except TransientError as error:
            self._spool_from_now(str(error))
            return error
        return None

    async def _spool(self, sent: TransientError | None) -> TransientError | None:
        for entry in self._round:
            if entry.direct_only and not entry.safe.done():
                entry.safe.set_exception(sent or TransientError("facts are queueing in the outbox"))
        messages = [m for entry in self._round if not entry.direct_only for m in entry.messages]
        if not messages:
            return None
        try:
            async with asyncio.timeout(self._spool_timeout), self._database.transaction() as session:
                await outbox.put(session, messages)
        except (TransientError, TimeoutError) as error:
            log.warning("neither bus nor database can be reached", error=str(error))
            return TransientError("neither bus nor database can be reached")
        metrics.SPOOLED.inc(len(messages))
        return None

    def _spool_from_now(self, reason: str) -> None:
        if not self.spooling:
            self.spooling = True
            metrics.SPOOLING.set(1)
            log.warning("facts queue in the outbox", reason=reason)

    async def _spool_is_empty(self) -> bool:
        """Whether facts may go direct. When little is left, new ones wait in memory until it is gone: under load
        the outbox would never be seen empty otherwise."""
        if not self._sender.connected or time.monotonic() - self._looked < _LOOK_SECONDS:
            return False
        hold_until = time.monotonic() + _HOLD_SECONDS
        try:
            async with asyncio.timeout(self._spool_timeout):
                while waiting := await self._waiting():
                    if waiting > _NEARLY_EMPTY or time.monotonic() > hold_until:
                        return False
                    await asyncio.sleep(0.01)
        except (TransientError, TimeoutError):
            return False
        finally:
            self._looked = time.monotonic()
        return self._sender.connected

    async def _waiting(self) -> int:
        async with self._database.transaction() as session:
            return await repository.count_spooled(session, _NEARLY_EMPTY + 1)
