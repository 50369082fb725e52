"""The sequencer: what is committed gets its place, in order, once, whoever is killed."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from sqlalchemy import func, select

from common.database import Database
from common.tokens import Principal
from sales.feed import Feed
from sales.models import AlertChangeRow
from sales.sequencer import LOCK, Sequencer, number_changes

TESS = Principal("u_tess", "Tess Test", frozenset({"sales"}))


async def numbered(database: Database) -> list[tuple[int | None, str]]:
    async with database.transaction() as session:
        query = select(AlertChangeRow.seq, AlertChangeRow.alert_id).where(AlertChangeRow.seq.is_not(None))
        return [(seq, alert_id) for seq, alert_id in await session.execute(query.order_by(AlertChangeRow.seq))]


async def unnumbered(database: Database) -> int:
    async with database.transaction() as session:
        query = select(func.count()).select_from(AlertChangeRow).where(AlertChangeRow.seq.is_(None))
        return int((await session.execute(query)).scalar_one())


async def number(database: Database) -> int:
    connection = await database.connect()
    try:
        return await number_changes(connection)
    finally:
        await connection.close()


@pytest.fixture
async def two_sequencers(cases: Any) -> AsyncIterator[None]:
    """Two candidates, as two replicas have them."""
    running = [asyncio.create_task(Sequencer(cases.database).run()) for _ in range(2)]
    yield
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def test_a_change_that_commits_late_comes_later(cases: Any) -> None:
    """The position of the uncommitted change is the lower one; its place in the stream is not."""
    slow, quick = await cases.raise_alert(), await cases.raise_alert()
    assert await number(cases.database) == 2
    async with cases.database.transaction() as late:
        await cases.alerts.acknowledge(late, slow.id, TESS)
        async with cases.database.transaction() as session:
            await cases.alerts.acknowledge(session, quick.id, TESS)
        assert await number(cases.database) == 1
    assert await number(cases.database) == 1
    assert [alert_id for _, alert_id in await numbered(cases.database)] == [slow.id, quick.id, quick.id, slow.id]


async def test_two_candidates_number_everything_once(cases: Any, two_sequencers: None) -> None:
    async def one(customer: str) -> None:
        row = await cases.raise_alert(customer)
        async with cases.database.transaction() as session:
            await cases.alerts.acknowledge(session, row.id, TESS)

    await asyncio.gather(*(one(cases.new_customer()) for _ in range(15)))

    async def done() -> bool:
        return len(await numbered(cases.database)) == 30

    await cases.eventually(done)
    assert [seq for seq, _ in await numbered(cases.database)] == list(range(1, 31))


async def test_while_one_numbers_the_other_waits_and_takes_over(cases: Any) -> None:
    leader = await cases.database.connect()
    assert await leader.fetchval("SELECT pg_try_advisory_lock($1)", LOCK)
    running = asyncio.create_task(Sequencer(cases.database).run())
    for _ in range(10):
        await cases.raise_alert()
        assert await number_changes(leader) == 1
    leader.terminate()
    await cases.raise_alert()

    async def done() -> bool:
        return await unnumbered(cases.database) == 0

    await cases.eventually(done)
    assert [seq for seq, _ in await numbered(cases.database)] == list(range(1, 12))
    running.cancel()


async def test_killed_before_its_commit_it_leaves_the_changes_to_the_next(cases: Any) -> None:
    await cases.raise_alert()
    await cases.raise_alert()
    connection = await cases.database.connect()
    await connection.execute("BEGIN")
    assert await number_changes(connection) == 2
    with pytest.raises(asyncpg.PostgresError):
        await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    assert await unnumbered(cases.database) == 2
    assert await number(cases.database) == 2
    assert [seq for seq, _ in await numbered(cases.database)] == [1, 2]


async def test_what_was_committed_while_no_sequencer_ran_is_numbered_at_its_start(cases: Any) -> None:
    await cases.raise_alert()
    running = asyncio.create_task(Sequencer(cases.database).run())

    async def done() -> bool:
        return await unnumbered(cases.database) == 0

    await cases.eventually(done)
    running.cancel()


async def test_a_feed_reads_what_it_forgot_from_the_log(cases: Any, two_sequencers: None) -> None:
    feed = Feed(cases.database, keep=3)
    following = asyncio.create_task(feed.run())
    for _ in range(10):
        await cases.raise_alert()
    async with asyncio.timeout(10):
        await feed.wait(9)
    for start in range(11):
        found: list[int] = []
        while changes := await feed.after(found[-1] if found else start):
            found += [change.seq for change in changes]
        assert found == list(range(start + 1, 11))
    following.cancel()


async def test_who_waits_before_the_feed_has_read_anything_is_told_as_well(cases: Any) -> None:
    feed = Feed(cases.database)
    assert await feed.after(0) == []
    waiting = asyncio.create_task(feed.wait(0))
    await cases.raise_alert()
    await number(cases.database)
    following = asyncio.create_task(feed.run())
    async with asyncio.timeout(10):
        await waiting
    assert [change.seq for change in await feed.after(0)] == [1]
    following.cancel()
