"""HTTP routes: profiles with live scores, triggers, models, and the runtime's own state."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query

from analytics import repository, schemas, service
from analytics.events import moment
from analytics.fold import Fold
from analytics.model_store import ModelStore
from analytics.models import TriggerRow
from analytics.runtime import Runtime
from common.application import Transaction
from common.auth import require
from common.clock import Clock
from common.problems import not_found

_SEES = Depends(require("sales", "support", "marketing", "manager", "service"))


def router(runtime: Runtime, models: ModelStore, clock: Clock) -> APIRouter:
    routes = APIRouter(prefix="/v1", tags=["analytics"], dependencies=[_SEES])

    @routes.get("/customers/{key}")
    async def show_customer(key: str, session: Transaction) -> schemas.Customer:
        found = await repository.profile(session, key)
        if found is None:
            raise not_found("customer")
        task = Fold(0, found[1])
        for name, version in task.model_versions.items():
            task.world.models[name] = await models.load(name, version)
        raised = await repository.triggers(session, only_open=True, customer=key)
        return service.customer(key, found[0], task.world, [_trigger(t) for t in raised.items], clock.now())

    @routes.get("/triggers")
    async def list_triggers(
        session: Transaction,
        status: Literal["open", "all"] = "open",
        customer: str | None = None,
        kind: str | None = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        cursor: str | None = None,
    ) -> schemas.TriggerPage:
        found = await repository.triggers(
            session, only_open=status == "open", customer=customer, kind=kind, limit=limit, cursor=cursor
        )
        return schemas.TriggerPage(items=[_trigger(row) for row in found.items], next=found.next)

    @routes.get("/models")
    async def list_models(session: Transaction) -> schemas.Models:
        rows = await repository.newest_models(session)
        return schemas.Models(
            items=[
                schemas.ModelVersion(
                    model=r.name, version=r.version, adopted_at=r.created_at, examples=r.examples, **r.metrics
                )
                for r in rows
            ]
        )

    @routes.get("/runtime")
    async def show_runtime() -> schemas.RuntimeState:
        partitions = [
            schemas.Partition(
                partition=task.partition,
                next_offset=task.folded,
                lag=runtime.lag(task.partition),
                event_time=moment(task.fold.last_tick) if isinstance(task.fold, Fold) and task.fold.last_tick else None,
                customers=len(task.fold),
            )
            for task in runtime.tasks.values()
        ]
        return schemas.RuntimeState(owner=runtime.instance, partitions=partitions)

    return routes


def _trigger(row: TriggerRow) -> dict[str, Any]:
    return {**row.data, "open": row.open, "cleared_at": row.cleared_at}
