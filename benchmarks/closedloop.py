"""A closed loop: each connection sends its next request when the answer to its last one is complete."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import httptools
import uvloop

from benchmarks.rows import percentile

_LEFT_OUT_SECONDS = 0.5  # at the beginning


@dataclass
class _Tally:
    answers: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)

    def clear(self) -> None:
        self.answers.clear()
        self.latencies.clear()


@dataclass(frozen=True)
class Measured:
    """Latencies in ms. `answered` counts what was left out at the beginning as well."""

    answered: int
    per_second: float
    failed: int
    p50: float
    p99: float


class _Client(asyncio.Protocol):
    """One connection. `offset` is where in the requests it begins."""

    def __init__(self, requests: Sequence[bytes], offset: int, tally: _Tally) -> None:
        self._requests, self._next, self._tally = requests, offset, tally
        self._parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        self._tally.answers[self._parser.get_status_code()] += 1
        self._tally.latencies.append(time.perf_counter() - self._sent)
        self._send()

    def _send(self) -> None:
        self._next = (self._next + 1) % len(self._requests)
        self._sent = time.perf_counter()
        self._transport.write(self._requests[self._next])


def load(port: int, requests: Sequence[bytes], connections: int, seconds: float) -> Measured:
    """Posts these requests round and round. Blocks."""
    return uvloop.run(_load(port, requests, connections, seconds))


async def _load(port: int, requests: Sequence[bytes], connections: int, seconds: float) -> Measured:
    tally, loop = _Tally(), asyncio.get_running_loop()
    for number in range(connections):
        client = _Client(requests, number * len(requests) // connections, tally)
        await loop.create_connection(lambda client=client: client, "127.0.0.1", port)  # type: ignore[misc]
    await asyncio.sleep(_LEFT_OUT_SECONDS)
    before = tally.answers.total()
    tally.clear()
    started = time.perf_counter()
    await asyncio.sleep(seconds)
    answered, took = tally.answers.total(), time.perf_counter() - started
    failed = sum(count for status, count in tally.answers.items() if not 200 <= status < 300)
    p50, p99 = (percentile(tally.latencies, share) * 1e3 for share in (0.5, 0.99))
    return Measured(before + answered, answered / took, failed, p50, p99)
