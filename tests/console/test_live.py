"""The stream to the browser, without one: order, resumption, signs of life, the role that may not listen."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import orjson

from console.clients.eventstream import StreamEvent, events
from tests.console.conftest import Running


@asynccontextmanager
async def listening(visitor: httpx.AsyncClient, last: int, **headers: str) -> AsyncIterator[AsyncIterator[StreamEvent]]:
    async with visitor.stream("GET", f"/alerts/stream?last_event_id={last}", headers=headers, timeout=20) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        yield events(response.aiter_lines())


async def alerts(incoming: AsyncIterator[StreamEvent], count: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(20):
        async for event in incoming:
            if event.name == "alert":
                found.append(orjson.loads(event.data) | {"event_id": event.id})
            if len(found) == count:
                return found
    return found


async def test_a_resumed_stream_starts_after_what_was_had(running: Running, visitor: httpx.AsyncClient) -> None:
    first, second, third = (running.world.raise_alert(place) for place in (0, 1, 2))
    async with listening(visitor, first["seq"]) as incoming:
        had = await alerts(incoming, 2)
    assert [alert["id"] for alert in had] == [second["id"], third["id"]]
    assert [alert["event_id"] for alert in had] == [str(second["seq"]), str(third["seq"])]
    async with listening(visitor, 0, **{"Last-Event-ID": str(second["seq"])}) as incoming:
        assert (await alerts(incoming, 1))[0]["id"] == third["id"]


async def test_cuts_behind_the_console_are_not_seen_in_front(running: Running, visitor: httpx.AsyncClient) -> None:
    raised = []
    async with listening(visitor, running.world.seq) as incoming:
        for place in range(4):
            raised.append(running.world.raise_alert(place)["id"])
            await asyncio.sleep(0.1)
            running.world.cut()
        had = await alerts(incoming, 4)
    assert [alert["id"] for alert in had] == raised


async def test_signs_of_life_say_whether_sales_is_there(running: Running, visitor: httpx.AsyncClient) -> None:
    async with listening(visitor, running.world.seq) as incoming:
        said = []
        async with asyncio.timeout(15):
            async for event in incoming:
                state = orjson.loads(event.data).get("connected")
                said.append(state)
                if state is True and False not in said:
                    running.world.down.add("sales")
                    running.world.cut()
                if state is False:
                    break
    assert True in said


async def test_a_role_that_may_not_listen_is_told_so(running: Running, visitor: httpx.AsyncClient) -> None:
    running.world.refuse_stream = True
    try:
        async with listening(visitor, 0) as incoming, asyncio.timeout(10):
            names = [event.name async for event in incoming]
    finally:
        running.world.refuse_stream = False
    assert names == ["beat", "refused"]


async def test_the_events_reader_follows_the_standard() -> None:
    async def lines() -> AsyncIterator[str]:
        for line in [
            ": note",
            "event: alert",
            "id: 7",
            "data: a",
            "data:b",
            "",
            "data: c",
            "",
            "event: x",
            "",
            "data: cut",
        ]:
            yield line

    read = [event async for event in events(lines())]
    assert read == [StreamEvent("alert", "a\nb", "7"), StreamEvent("message", "c", "7")]
