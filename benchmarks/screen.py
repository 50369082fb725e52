"""What a salesperson's browser does: listens to the stream of alerts."""

import asyncio
import time
from collections.abc import AsyncIterator, Set
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx
import orjson

_LONG = httpx.Timeout(10, read=60)


@dataclass
class Screen:
    """The first alert of each customer: when it arrived (monotonic clock) and when sales made it."""

    arrived: dict[str, float] = field(default_factory=dict)
    created: dict[str, datetime] = field(default_factory=dict)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    _moved: asyncio.Event = field(default_factory=asyncio.Event)

    def show(self, alert: dict[str, Any]) -> None:
        customer = alert["customer"]["id"]
        if customer not in self.arrived:
            self.arrived[customer] = time.monotonic()
            self.created[customer] = datetime.fromisoformat(alert["created_at"])
            self._moved.set()

    async def shows(self, customers: Set[str]) -> None:
        """Returns once there is an alert of each."""
        while not customers <= self.arrived.keys():
            self._moved.clear()
            await self._moved.wait()

    async def first(self) -> None:
        """Returns once there is any alert."""
        while not self.arrived:
            self._moved.clear()
            await self._moved.wait()

    async def watch(self, url: str, token: str) -> None:
        """Until cancelled. A stream that ends is an error: nothing ends it during a measurement."""
        headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
        async with (
            httpx.AsyncClient(headers=headers, timeout=_LONG, trust_env=False) as client,
            client.stream("GET", f"{url}/v1/alerts/stream") as answer,
        ):
            answer.raise_for_status()
            name = ""
            async for line in answer.aiter_lines():
                kind, _, value = line.partition(": ")
                if kind == "event":
                    name = value
                elif kind == "data" and name == "alert":
                    self.show(orjson.loads(value))
                elif kind == "data":
                    self.open.set()
        raise RuntimeError("the stream of alerts ended")


@asynccontextmanager
async def watching(url: str, token: str) -> AsyncIterator[Screen]:
    """A screen that is connected; fails when it loses its stream."""
    screen = Screen()
    watch = asyncio.create_task(screen.watch(url, token))
    opened = asyncio.create_task(screen.open.wait())
    await asyncio.wait((watch, opened), timeout=20, return_when=asyncio.FIRST_COMPLETED)
    if not screen.open.is_set():
        opened.cancel()
        watch.cancel()
        raise RuntimeError("the stream of alerts did not open")
    yield screen
    if watch.done():
        await watch
    watch.cancel()
    with suppress(asyncio.CancelledError):
        await watch
