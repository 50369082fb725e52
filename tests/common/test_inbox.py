"""Each fact is admitted once, whatever is delivered again, also to two consumers at the same moment."""

import asyncio
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from common.database import Database
from common.inbox import INBOX, KEEP, admit, forget_old
from common.testing.effects import effects, fact, record_effect


async def _take(database: Database, group: str, *numbers: int) -> list[str]:
    async with database.transaction() as session:
        fresh = await admit(session, group, [fact(number) for number in numbers])
        for envelope in fresh:
            await record_effect(session, envelope)
    return [envelope.id for envelope in fresh]


async def test_repeats_are_dropped_and_the_order_is_kept(database: Database) -> None:
    assert await _take(database, "g", 3, 1, 3, 2, 1) == ["c_1-3", "c_1-1", "c_1-2"]
    assert await _take(database, "g", 2, 4, 1) == ["c_1-4"]
    assert await _take(database, "g") == []


async def test_groups_do_not_share_what_they_saw(database: Database) -> None:
    assert await _take(database, "g", 1) == await _take(database, "h", 1) == ["c_1-1"]


async def test_a_rolled_back_fact_is_new_again(database: Database) -> None:
    async def fail() -> None:
        async with database.transaction() as session:
            await admit(session, "g", [fact(1)])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert await _take(database, "g", 1) == ["c_1-1"]


async def test_two_consumers_at_once_have_one_effect(database: Database) -> None:
    numbers = range(50)
    await asyncio.gather(*(_take(database, "g", *numbers) for _ in range(5)))
    assert list(await effects(database)) == [f"c_1-{number}" for number in numbers]


@given(st.lists(st.lists(st.integers(0, 8), max_size=6), max_size=6))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_deliveries_have_one_effect_a_fact(database_url: str, batches: list[list[int]]) -> None:
    async def deliver() -> None:
        database = Database(database_url, pool_size=1)
        async with database.transaction() as session:
            await session.execute(INBOX.delete())
        admitted = [id_ for batch in batches for id_ in await _take(database, "g", *batch)]
        await database.close()
        assert sorted(admitted) == sorted({f"c_1-{number}" for batch in batches for number in batch})

    asyncio.run(deliver())


async def test_only_what_is_old_is_forgotten(database: Database) -> None:
    await _take(database, "g", 1, 2)
    async with database.transaction() as session:
        old = func.now() - (KEEP + timedelta(hours=1))
        await session.execute(update(INBOX).where(INBOX.c.id == "c_1-1").values(received_at=old))
        await forget_old(session)
        assert list((await session.execute(select(INBOX.c.id))).scalars()) == ["c_1-2"]
