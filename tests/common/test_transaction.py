"""A request's transaction is committed before its answer, or the answer says that it was not."""

from collections.abc import AsyncIterator

import httpx
import pytest
from sqlalchemy import text

from common.application import Transaction
from common.database import Database
from common.http import create_app
from common.problems import Problem
from common.settings import ServiceSettings
from common.testing.effects import effects, fact, record_effect


@pytest.fixture
async def client(database: Database) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app("test", ServiceSettings(database_url=database.url), checks={})
    app.state.database = database
    async with database.engine.begin() as connection:
        await connection.execute(
            text("CREATE TABLE IF NOT EXISTS once (id integer UNIQUE DEFERRABLE INITIALLY DEFERRED)")
        )

    @app.post("/good")
    async def good(session: Transaction) -> str:
        await record_effect(session, fact(1))
        return "done"

    @app.post("/refused")
    async def refused(session: Transaction) -> str:
        await record_effect(session, fact(1))
        raise Problem(409, "No.")

    @app.post("/fails-at-commit")
    async def fails_at_commit(session: Transaction) -> str:
        await record_effect(session, fact(1))
        await session.execute(text("INSERT INTO once VALUES (1), (1)"))
        return "done"

    @app.post("/cut-at-commit")
    async def cut_at_commit(session: Transaction) -> str:
        await record_effect(session, fact(1))
        mine = (await session.execute(text("SELECT pg_backend_pid()"))).scalar_one()
        async with database.transaction() as other:
            await other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": mine})
        return "done"

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://heed") as client:
        yield client


@pytest.mark.parametrize(
    ("path", "status", "kept"),
    [("good", 200, 1), ("refused", 409, 0), ("fails-at-commit", 500, 0), ("cut-at-commit", 503, 0)],
)
async def test_the_answer_is_true(
    client: httpx.AsyncClient, database: Database, path: str, status: int, kept: int
) -> None:
    assert (await client.post(f"/{path}")).status_code == status
    assert len(await effects(database)) == kept
