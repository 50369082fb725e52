"""The partitions of this process."""

from fastapi import APIRouter

from analytics import schemas
from analytics.events import moment
from analytics.fold import Fold
from analytics.runtime import Runtime


def router(runtime: Runtime) -> APIRouter:
    routes = APIRouter(prefix="/runtime")

    @routes.get("")
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
