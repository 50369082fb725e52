"""The service is killed while alerts arrive: each trigger has one alert, each change is seen once, in order."""

import asyncio
import signal
from typing import Any

import httpx
import pytest


async def test_killed_twice_while_alerts_arrive(process: Any) -> None:
    service, client = process
    triggers = [client.trigger() for _ in range(40)]
    seen: list[int] = []
    alerts: list[str] = []
    await service.start()

    async def tell() -> None:
        for told in triggers:
            fact = await client.tell_trigger("raised", client.new_customer(), told)
            await client.repeat("triggers", fact)
            await asyncio.sleep(0.05)

    async def follow() -> None:
        while len(alerts) < len(triggers):
            try:
                async with client.stream(seen[-1] if seen else 0) as stream:
                    while len(alerts) < len(triggers):
                        (event,) = await stream.alerts(1)
                        seen.append(int(event.id))
                        alerts.append(event.data["trigger_id"])
            except (httpx.HTTPError, StopAsyncIteration):
                await asyncio.sleep(0.1)

    async def kill() -> None:
        for after in (10, 25):

            async def reached(count: int = after) -> bool:
                return len(alerts) >= count

            await client.eventually(reached, 30)
            assert await service.stop(signal.SIGKILL) == -signal.SIGKILL
            await service.start()

    async with asyncio.timeout(90):
        await asyncio.gather(tell(), follow(), kill())
    await client.eventually(lambda: _ready(client), 30)
    assert seen == list(range(1, len(triggers) + 1))
    assert sorted(alerts) == sorted(told["trigger"] for told in triggers)
    assert len(await client.alerts(limit=200, status="all")) == len(triggers)


async def test_a_graceful_stop_is_quick_though_a_stream_is_open(process: Any) -> None:
    service, client = process
    await service.start()

    await client.eventually(lambda: _ready(client), 30)
    async with client.stream() as stream, asyncio.timeout(5):
        await stream.next()
        assert await service.stop(signal.SIGTERM) in (0, -signal.SIGTERM)
        with pytest.raises(StopAsyncIteration):
            await stream.alerts(1)


async def _ready(client: Any) -> bool:
    try:
        return bool((await client.client.get("/readyz")).status_code == 200)
    except httpx.HTTPError:
        return False
