"""Models: their figures, their versions, which one is scored with, and holding on to one."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from sqlalchemy.ext.asyncio import AsyncSession

from analytics import adoption, repository, schemas
from analytics.models import AdoptionRow, ModelRow
from common.application import Transaction
from common.auth import Caller, require
from common.clock import Clock
from common.outbox import put
from common.problems import Problem, not_found

_DECIDES = Depends(require("manager"))


def router(clock: Clock, facts_topic: str) -> APIRouter:
    routes = APIRouter(prefix="/models")

    async def adopt(session: AsyncSession, name: str, version: int, by: str, *, pinned: bool) -> schemas.Models:
        row = await repository.model(session, name, version)
        if row is None:
            raise not_found("version of this model")
        session.add(AdoptionRow(name=name, version=version, pinned=pinned, by=by))
        data = {"model": name, "version": version, "examples": row.examples, "metrics": row.metrics}
        await put(session, adoption.messages(facts_topic, data, clock.now()))
        await session.flush()
        return await listed(session, await repository.newest_models(session, name))

    @routes.get("")
    async def list_models(session: Transaction) -> schemas.Models:
        """The newest version of each model."""
        return await listed(session, await repository.newest_models(session))

    @routes.get("/{name}/versions")
    async def list_versions(
        name: str, session: Transaction, limit: Annotated[int, Query(ge=1, le=200)] = 50
    ) -> schemas.Models:
        """Newest first."""
        return await listed(session, await repository.versions(session, name, limit))

    @routes.put("/{name}/pin", dependencies=[_DECIDES])
    async def pin(name: str, wanted: schemas.Pin, session: Transaction, caller: Caller) -> schemas.Models:
        """Tasks score with this version until the pin is taken off; learning goes on."""
        return await adopt(session, name, wanted.version, caller.id, pinned=True)

    @routes.delete("/{name}/pin", dependencies=[_DECIDES])
    async def unpin(name: str, session: Transaction, caller: Caller) -> schemas.Models:
        """Back to the newest version, and to those that follow."""
        newest = await repository.newest_models(session, name)
        if not newest:
            raise not_found("model")
        return await adopt(session, name, newest[0].version, caller.id, pinned=False)

    @routes.post("/{name}/rollback", dependencies=[_DECIDES])
    async def roll_back(name: str, session: Transaction, caller: Caller) -> schemas.Models:
        """Back to the version scored with before this one, and stay there until the pin is taken off."""
        before = await repository.version_before(session, name)
        if before is None:
            raise Problem(409, "There is no earlier version to go back to.")
        return await adopt(session, name, before, caller.id, pinned=True)

    return routes


async def listed(session: AsyncSession, rows: Sequence[ModelRow]) -> schemas.Models:
    adopted = {row.name: row for row in await repository.adoptions(session)}
    return schemas.Models(items=[_version(row, adopted.get(row.name)) for row in rows])


def _version(row: ModelRow, adopted: AdoptionRow | None) -> schemas.ModelVersion:
    in_use = adopted is not None and adopted.version == row.version
    return schemas.ModelVersion(
        model=row.name,
        version=row.version,
        adopted_at=row.created_at,
        examples=row.examples,
        in_use=in_use,
        pinned=in_use and adopted is not None and adopted.pinned,
        figures=row.metrics,
        **{name: row.metrics[name] for name in schemas.CLASSIFICATION if name in row.metrics},
    )
