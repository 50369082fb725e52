"""A courier killed at each point of a sending: the message goes out at most once, and its status is honest."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import text

from campaign.domain import Status

SCRIPT = Path(__file__).with_name("courier_process.py")


@asynccontextmanager
async def victim(cases: Any, sink: Any) -> AsyncIterator[asyncio.subprocess.Process]:
    """A courier's process, killed at the end."""
    process = await asyncio.create_subprocess_exec(sys.executable, str(SCRIPT), cases.database.url, sink.url)
    try:
        yield process
        assert process.returncode is None, "it ended by itself"
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def is_stuck(cases: Any) -> bool:
    """Whether somebody waits for a lock that the test holds."""
    query = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        " AND wait_event <> 'advisory'"
    )
    async with cases.database.transaction() as session:
        return bool((await session.execute(text(query))).scalar_one())


async def mails(cases: Any, sink: Any, working: Any, customer: str, status: Status) -> int:
    """How many mails the customer got in all, once another courier has taken over and done all its work."""
    sink.hold_data = sink.hold_rcpt = None
    async with working():
        await cases.reaches(customer, status)
        await cases.reaches(await cases.queued(), Status.SENT)
        await cases.reaches(customer, status)
    return int(sink.recipients.count(f"{customer}@example.com"))


async def test_before_sending_is_committed(cases: Any, sink: Any, working: Any) -> None:
    customer = await cases.queued()
    async with cases.database.transaction() as session:
        await session.execute(text("SELECT 1 FROM messages WHERE customer = :c FOR UPDATE"), {"c": customer})
        async with victim(cases, sink):
            await cases.eventually(lambda: is_stuck(cases))
    assert await cases.statuses(customer) == [("hello", Status.QUEUED)]
    assert await mails(cases, sink, working, customer, Status.SENT) == 1


async def test_after_sending_is_committed_before_data(cases: Any, sink: Any, working: Any) -> None:
    customer = await cases.queued()
    sink.hold_rcpt = asyncio.Event()
    async with victim(cases, sink):
        await asyncio.wait_for(sink.reached.wait(), 20)
    assert await cases.statuses(customer) == [("hello", Status.SENDING)]
    assert await mails(cases, sink, working, customer, Status.UNKNOWN) == 0


async def test_after_data_before_the_answer(cases: Any, sink: Any, working: Any) -> None:
    customer = await cases.queued()
    sink.hold_data = asyncio.Event()
    async with victim(cases, sink):
        await cases.eventually(lambda: taken(sink))
    assert await cases.statuses(customer) == [("hello", Status.SENDING)]
    assert await mails(cases, sink, working, customer, Status.UNKNOWN) == 1
    assert (await cases.enrolment(customer)).step == "listen"


async def test_after_the_answer_before_sent_is_committed(cases: Any, sink: Any, working: Any) -> None:
    customer = await cases.queued()
    sink.hold_data = asyncio.Event()
    async with cases.database.transaction() as session:
        async with victim(cases, sink):
            await cases.eventually(lambda: taken(sink))
            await session.execute(text("SELECT 1 FROM contacts WHERE customer = :c FOR UPDATE"), {"c": customer})
            sink.hold_data.set()
            await cases.eventually(lambda: is_stuck(cases))
        assert len(sink.taken) == 1
    assert await cases.statuses(customer) == [("hello", Status.SENDING)]
    assert await mails(cases, sink, working, customer, Status.UNKNOWN) == 1


async def taken(sink: Any) -> bool:
    """Whether the whole message has arrived."""
    return bool(sink.recipients)
