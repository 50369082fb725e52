"""Standing queries: rules that people write, try and save."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from analytics import query_service, schemas
from analytics.query_service import Queries
from common.application import Transaction
from common.auth import Caller, require
from common.database import Database

_WRITES = Depends(require("manager", "marketing"))


def router(asked: Queries) -> APIRouter:
    routes = APIRouter(prefix="/queries")

    @routes.post("", status_code=201, dependencies=[_WRITES])
    async def create(
        wanted: schemas.QueryWanted, request: Request, response: Response, caller: Caller
    ) -> schemas.StandingQuery:
        """Saves a rule. It speaks once it is known what was before: status "running"."""
        database: Database = request.app.state.database
        async with database.transaction() as session:
            saved = await asked.create(session, wanted, caller.id)
        asked.wake()
        response.headers["Location"] = f"/v1/queries/{saved.id}"
        return saved

    @routes.get("")
    async def list_queries(
        session: Transaction,
        ended: bool = False,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        cursor: str | None = None,
    ) -> schemas.StandingQueries:
        """Newest first."""
        return await asked.list(session, ended=ended, limit=limit, cursor=cursor)

    @routes.post("/check")
    async def check(wanted: schemas.RuleText) -> schemas.RuleCheck:
        """A rule in plain words and what it costs, or what is wrong with it and where."""
        return query_service.looked_at(wanted.rule)

    @routes.post("/dry-run")
    async def dry_run(wanted: schemas.RuleToTry, request: Request) -> schemas.DryRun:
        """What a rule would have said in the last days."""
        database: Database = request.app.state.database
        async with database.reading() as session:
            models = await asked.models(session)
        return await asked.dry_run(wanted, models)

    @routes.get("/{id_}")
    async def show(id_: str, session: Transaction) -> schemas.StandingQuery:
        return await asked.show(session, id_)

    @routes.delete("/{id_}", status_code=204, dependencies=[_WRITES])
    async def end(id_: str, session: Transaction, caller: Caller) -> None:
        """Ends a rule and what is open because of it."""
        await asked.end(session, id_, caller.id)

    return routes
