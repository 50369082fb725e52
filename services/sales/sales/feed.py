"""The changes of alerts as all open streams of this process share them.

One reader follows the log and keeps the newest changes in memory, encoded once. A stream is no more than the last
`seq` it has sent: it holds no queue and no connection, and one that fell behind reads pages from the log.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

import orjson
import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sse_starlette.event import ServerSentEvent

from common.database import Database
from common.failures import TransientError
from common.notifications import Notifications
from sales.models import AlertChangeRow
from sales.repository.alerts import stream_head
from sales.sequencer import SEQUENCED

log = structlog.get_logger()

_PAGE = 200
_KEEP = 1_000
_POLL_SECONDS = 1.0
_RETRY_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Change:
    """One event of the stream, ready to be sent."""

    seq: int
    event: bytes


class Feed:
    """Follows the log. `keep` changes stay in memory for streams that are nearly up to date."""

    def __init__(self, database: Database, *, keep: int = _KEEP) -> None:
        self._database = database
        self._keep = keep
        self._recent: deque[Change] = deque()
        self._complete_from: int | None = None  # every change after this one is in `_recent`
        self._head = 0
        self._moved = asyncio.Event()

    async def newest(self) -> int:
        """The newest `seq` by the log itself. Raises TransientError."""
        async with self._database.reading() as session:
            return await stream_head(session)

    async def run(self) -> None:
        """Until cancelled. Survives the database's absence: streams then wait, and miss nothing."""
        async with Notifications(self._database, SEQUENCED) as notified:
            while True:
                try:
                    await self._pull()
                except TransientError as error:
                    log.warning("stream of alerts waits", error=str(error))
                    await asyncio.sleep(_RETRY_SECONDS)
                await notified.wait(_POLL_SECONDS)

    async def after(self, seq: int) -> Sequence[Change]:
        """What came after `seq`, in order: all of it, or a page. Raises TransientError."""
        if self._complete_from is not None and seq >= self._complete_from:
            newer = list(takewhile(lambda change: change.seq > seq, reversed(self._recent)))
            return newer[::-1]
        async with self._database.reading() as session:
            return await _read(session, seq)

    async def wait(self, seq: int) -> None:
        """Returns once there is something after `seq`."""
        while self._head <= seq:
            await self._moved.wait()

    async def _pull(self) -> None:
        async with self._database.reading() as session:
            if self._complete_from is None:
                self._complete_from = await stream_head(session)
                self._move_to(self._complete_from)
            changes = await _read(session, self._head)
        while changes:
            self._take(changes)
            async with self._database.reading() as session:
                changes = await _read(session, self._head) if len(changes) == _PAGE else []

    def _take(self, changes: Sequence[Change]) -> None:
        self._recent.extend(changes)
        while len(self._recent) > self._keep:
            self._complete_from = self._recent.popleft().seq
        self._move_to(changes[-1].seq)

    def _move_to(self, seq: int) -> None:
        self._head = seq
        self._moved.set()
        self._moved = asyncio.Event()


async def _read(session: AsyncSession, seq: int) -> list[Change]:
    query = select(AlertChangeRow.seq, AlertChangeRow.snapshot).where(AlertChangeRow.seq > seq)
    rows = await session.execute(query.order_by(AlertChangeRow.seq).limit(_PAGE))
    return [_encode(number, snapshot) for number, snapshot in rows if number is not None]


def _encode(seq: int, snapshot: dict[str, object]) -> Change:
    data = orjson.dumps({**snapshot, "seq": seq}).decode()
    return Change(seq, ServerSentEvent(data, event="alert", id=str(seq)).encode())
