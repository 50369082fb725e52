"""Which failures of PostgreSQL pass by themselves, which are the value's fault, and which are ours."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from common.database import Database
from common.failures import InvalidError, TransientError


async def _run(database: Database, statement: str, **values: object) -> None:
    async with database.transaction() as session:
        await session.execute(text(statement), values)


@pytest.mark.parametrize(
    ("statement", "value"),
    [
        ("SELECT CAST(:value AS text)", "a\x00b"),
        ("SELECT CAST(:value AS text)", "\ud800"),
        ("SELECT CAST(:value AS integer)", 2**40),
        ("SELECT CAST(:value AS jsonb)", '"\\u0000"'),
        ("SELECT CAST(CAST(:value AS text) AS numeric)", "many"),
    ],
)
async def test_values_it_cannot_hold(database: Database, statement: str, value: object) -> None:
    with pytest.raises(InvalidError) as raised:
        await _run(database, statement, value=value)
    assert "SELECT" not in raised.value.reason


async def test_a_connection_that_is_cut_is_transient(database: Database) -> None:
    with pytest.raises(TransientError):
        await _run(database, "SELECT pg_terminate_backend(pg_backend_pid())")
    await _run(database, "SELECT 1")


async def test_a_deadlock_is_transient(database: Database) -> None:
    await _run(database, "INSERT INTO effects (id, key) VALUES ('a', ''), ('b', '')")

    async def update(first: str, second: str, ready: asyncio.Event, other: asyncio.Event) -> None:
        async with database.transaction() as session:
            await session.execute(text("UPDATE effects SET key = 'x' WHERE id = :id"), {"id": first})
            ready.set()
            await other.wait()
            await session.execute(text("UPDATE effects SET key = 'x' WHERE id = :id"), {"id": second})

    one, two = asyncio.Event(), asyncio.Event()
    outcomes = await asyncio.gather(update("a", "b", one, two), update("b", "a", two, one), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["NoneType", "TransientError"]


async def test_a_server_that_is_away_is_transient() -> None:
    database = Database("postgresql+asyncpg://x:x@127.0.0.1:1/x")
    with pytest.raises(TransientError):
        await database.ready()
    await database.close()


async def test_our_own_faults_come_out_as_they_are(database: Database) -> None:
    with pytest.raises(DBAPIError):
        await _run(database, "SELECT nonsense FROM nowhere")
    with pytest.raises(IntegrityError):
        await _run(database, "INSERT INTO effects (id, key) VALUES (NULL, '')")


async def test_an_error_inside_rolls_back(database: Database) -> None:
    async def fail() -> None:
        async with database.transaction() as session:
            await session.execute(text("INSERT INTO effects (id, key) VALUES ('a', '')"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    async with database.transaction() as session:
        assert (await session.execute(text("SELECT count(*) FROM effects"))).scalar_one() == 0
