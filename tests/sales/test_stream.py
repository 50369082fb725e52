"""The stream of alerts: nothing missed, nothing twice, in order, at once."""

import asyncio
import contextlib
import time
from contextlib import AsyncExitStack
from typing import Any

import pytest


async def test_a_change_arrives_by_itself(sales: Any) -> None:
    customer = sales.new_customer()
    async with sales.stream() as stream:
        first = await stream.next()
        assert (first.event, first.id is not None) == ("ping", True)
        await sales.tell_trigger("raised", customer, sales.trigger())
        (raised,) = await stream.alerts(1)
        await sales.do(raised.data, "acknowledge")
        (acknowledged,) = await stream.alerts(1)
    assert raised.data["customer"]["id"] == customer
    assert (raised.data["status"], acknowledged.data["status"]) == ("open", "acknowledged")
    assert int(raised.id) == raised.data["seq"] < acknowledged.data["seq"]
    assert await sales.alert(raised.data["id"]) == acknowledged.data


async def test_without_a_position_only_what_is_new_comes(sales: Any) -> None:
    await sales.raise_alert(sales.new_customer())
    async with sales.stream() as stream:
        await stream.next()
        new = await sales.raise_alert(sales.new_customer())
        (event,) = await stream.alerts(1)
    assert event.data["id"] == new["id"]


async def test_who_was_cut_off_before_the_first_alert_resumes_as_well(sales: Any) -> None:
    async with sales.stream() as stream:
        first = await stream.next()
    missed = await sales.raise_alert(sales.new_customer())
    async with sales.stream(first.id) as stream:
        (event,) = await stream.alerts(1)
    assert event.data["id"] == missed["id"]


async def test_a_page_and_a_stream_from_its_position_miss_nothing(sales: Any) -> None:
    seen = await sales.raise_alert(sales.new_customer())
    page = await sales.get("/v1/alerts", customer=seen["customer"]["id"])
    assert page["seq"] >= page["items"][0]["seq"]
    new = await sales.raise_alert(sales.new_customer())
    async with sales.stream(page["seq"]) as stream:
        (event,) = await stream.alerts(1)
    assert event.data["id"] == new["id"]


async def test_a_position_of_the_future_means_now(sales: Any) -> None:
    async with sales.stream(2**62) as stream:
        await stream.next()
        new = await sales.raise_alert(sales.new_customer())
        (event,) = await stream.alerts(1)
    assert event.data["id"] == new["id"]


async def test_who_comes_and_goes_sees_each_change_once_in_order(sales: Any) -> None:
    """Readers that are cut off again and again while writers write; one reads without a break."""
    count = 12
    async with sales.stream() as whole:
        start = (await whole.next()).id

        async def write() -> None:
            for _ in range(count // 4):
                alert = await sales.raise_alert(sales.new_customer())
                await sales.do(alert, "acknowledge")

        async def read_in_pieces(piece: int) -> list[str]:
            found: list[str] = []
            last = start
            while len(found) < 2 * count:
                async with sales.stream(last) as stream:
                    for event in await stream.alerts(min(piece, 2 * count - len(found))):
                        found.append(event.id)
                        last = event.id
            return found

        writing = asyncio.gather(*(write() for _ in range(4)))
        pieces = asyncio.gather(*(read_in_pieces(piece) for piece in (1, 7)))
        expected = [event.id for event in await whole.alerts(2 * count, seconds=60)]
        await writing
        assert await pieces == [expected, expected]
    assert [int(seq) for seq in expected] == list(range(int(start) + 1, int(start) + 1 + 2 * count))


async def test_many_streams_hold_no_database_connection(sales: Any) -> None:
    async with AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(sales.stream()) for _ in range(60)]
        await asyncio.gather(*(stream.next() for stream in streams))
        new = await sales.raise_alert(sales.new_customer())
        events = await asyncio.gather(*(stream.alerts(1) for stream in streams))
        assert {event.data["id"] for (event,) in events} == {new["id"]}

        async def idle() -> bool:
            return bool(sales.database.engine.pool.checkedout() == 0)

        await sales.eventually(idle)


async def test_a_client_that_takes_nothing_holds_up_nobody(sales: Any) -> None:
    async with sales.stream(), sales.stream() as reading:
        await reading.next()
        for _ in range(5):
            await sales.raise_alert(sales.new_customer())
        assert len(await reading.alerts(5)) == 5


async def test_a_graceful_stop_ends_open_streams(sales: Any, second_sales: Any) -> None:
    """The second replica has the same log; it stops while a stream is open."""
    async with second_sales() as (replica, stop), contextlib.AsyncExitStack() as stack:
        stream = await stack.enter_async_context(replica.stream())
        await stream.next()
        new = await sales.raise_alert(sales.new_customer())
        (event,) = await stream.alerts(1)
        assert event.data["id"] == new["id"]
        began = time.monotonic()
        stop()
        with pytest.raises(StopAsyncIteration):
            await stream.alerts(1)
        assert time.monotonic() - began < 4
