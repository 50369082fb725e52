"""The browser's stream of alerts: sales' stream, resumed when it breaks, with frequent signs of life.

The browser hears something at least every two seconds, so it can say within five that the line is dead; when it is
sales that went away, the console says so on the living line.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass

import httpx

from console.clients import Refused, Unavailable, health
from console.clients.sales import Alert, SalesClient

BEAT_SECONDS = 2.0
_PULSE_AGE = 1.5
_QUEUE = 256
_LONGEST_PAUSE = 5.0


@dataclass(frozen=True)
class Beat:
    """A sign of life. `connected` says whether sales' stream is open."""

    connected: bool


@dataclass(frozen=True)
class Refusal:
    """Sales does not let this visitor listen; the stream ends with it."""

    detail: str


class Pulse:
    """Whether sales answers, asked at most every 1.5 seconds however many browsers are connected."""

    def __init__(self, http: httpx.AsyncClient, url: str) -> None:
        self._http, self._url = http, url
        self._lock = asyncio.Lock()
        self._asked, self._answer = 0.0, True

    async def alive(self) -> bool:
        async with self._lock:
            if time.monotonic() - self._asked > _PULSE_AGE:
                self._answer = await health.alive(self._http, self._url)
                self._asked = time.monotonic()
            return self._answer


class AlertStream:
    """One browser's stream. `connect` gives a client with a fresh token for each new try."""

    def __init__(self, connect: Callable[[], SalesClient], pulse: Pulse, last_id: int | None) -> None:
        self._connect, self._pulse, self._last_id = connect, pulse, last_id
        self._queue: asyncio.Queue[Alert | Beat | Refusal] = asyncio.Queue(_QUEUE)
        self._open = False

    async def events(self) -> AsyncGenerator[Alert | Beat | Refusal]:
        """Alerts in the order of their `seq`, each once; a beat at least every two seconds."""
        pump = asyncio.create_task(self._pump())
        try:
            while True:
                try:
                    async with asyncio.timeout(BEAT_SECONDS):
                        event = await self._queue.get()
                except TimeoutError:
                    event = Beat(self._open and await self._pulse.alive())
                yield event
                if isinstance(event, Refusal):
                    return
        finally:
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)

    async def _pump(self) -> None:
        pause = 0.25
        while True:
            try:
                async with aclosing(self._connect().alert_stream(self._last_id)) as incoming:
                    async for alert in incoming:
                        pause = 0.25
                        await self._take(alert)
            except Refused as error:
                await self._queue.put(Refusal(error.detail))
                return
            except Unavailable:
                if self._open:
                    self._open = False
                    await self._queue.put(Beat(False))
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _take(self, alert: Alert | None) -> None:
        if not self._open:
            self._open = True
            await self._queue.put(Beat(True))
        if alert is None or alert.seq is None:
            return
        # After a resume sales may repeat what was on its way; the browser gets each change once.
        if self._last_id is not None and alert.seq <= self._last_id:
            return
        self._last_id = alert.seq
        await self._queue.put(alert)
