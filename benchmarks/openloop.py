"""Sends requests at their moments, whatever the answers do: an open loop, cheap enough to share the machine.

Raw HTTP/1.1 over kept connections. A request waits for a free connection only when `_MOST` are busy at once, and that
wait counts, since every latency runs from the moment that was planned.
"""

import asyncio
import contextlib
import gc
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import httptools
import uvloop

from benchmarks.shop import Access, Day, Shot, shots

_MOST = 256
_LAST_ANSWERS_SECONDS = 15.0
LOST = 0  # the status of a request whose connection broke


@dataclass
class Answers:
    """What came back of the requests after the opening, by the planned moment. Seconds."""

    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    unanswered: int = 0


class _Ledger:
    """Writes down each answer."""

    def __init__(self, opens: float, requests: int) -> None:
        self._opens = opens
        self.answers = Answers(unanswered=requests)
        self.complete = asyncio.Event()

    def note(self, shot: Shot, status: int) -> None:
        self.answers.unanswered -= 1
        if shot.at >= 0:
            self.answers.statuses[status] += 1
            self.answers.latencies.append(time.monotonic() - self._opens - shot.at)
        if not self.answers.unanswered:
            self.complete.set()


class _Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self, pool: "_Pool") -> None:
        self._pool = pool
        self._parser = httptools.HttpResponseParser(self)
        self._shot: Shot | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def send(self, shot: Shot) -> None:
        self._shot = shot
        self.transport.write(shot.request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        shot, self._shot = self._shot, None
        if shot is not None:
            self._pool.answered(self, shot, self._parser.get_status_code())

    def connection_lost(self, error: Exception | None) -> None:
        self._pool.lost(self, self._shot)


class _Pool:
    """The connections to one port. Used in turn, so that none is idle for long enough to be closed."""

    def __init__(self, port: int, ledger: _Ledger) -> None:
        self._port, self._ledger = port, ledger
        self._idle: deque[_Connection] = deque()
        self._waiting: deque[Shot] = deque()
        self._open = 0
        self._opening: set[asyncio.Task[None]] = set()

    def send(self, shot: Shot) -> None:
        if self._idle:
            self._idle.popleft().send(shot)
            return
        self._waiting.append(shot)
        if self._open < _MOST:
            self._open += 1
            task = asyncio.create_task(self._connect())
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    def answered(self, connection: _Connection, shot: Shot, status: int) -> None:
        self._ledger.note(shot, status)
        self._next(connection)

    def lost(self, connection: _Connection, shot: Shot | None) -> None:
        self._open -= 1
        with contextlib.suppress(ValueError):
            self._idle.remove(connection)
        if shot is not None:
            self._ledger.note(shot, LOST)

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(lambda: _Connection(self), "127.0.0.1", self._port)
        except OSError:
            self._open -= 1
            if self._waiting:
                self._ledger.note(self._waiting.popleft(), LOST)
            return
        self._next(connection)

    def _next(self, connection: _Connection) -> None:
        if self._waiting:
            connection.send(self._waiting.popleft())
        else:
            self._idle.append(connection)


def fire(day: Day, access: Access, opens: float) -> Answers:
    """Sends a day's requests; `opens` is the moment 0 on the monotonic clock, which all processes share."""
    planned = shots(day, access)
    gc.collect()
    gc.freeze()
    if time.monotonic() > opens + planned[0].at:
        raise RuntimeError("the requests were not ready in time")
    return uvloop.run(_fire(planned, opens))


async def _fire(planned: Sequence[Shot], opens: float) -> Answers:
    ledger = _Ledger(opens, len(planned))
    pools = {port: _Pool(port, ledger) for port in {shot.port for shot in planned}}
    for shot in planned:
        due = opens + shot.at
        if (left := due - time.monotonic()) > 0:
            await asyncio.sleep(left)
        if shot.at >= 0:
            ledger.answers.late.append(time.monotonic() - due)
        pools[shot.port].send(shot)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(ledger.complete.wait(), _LAST_ANSWERS_SECONDS)
    return ledger.answers
