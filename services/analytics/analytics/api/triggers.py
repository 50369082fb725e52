"""What was noticed, one row an episode."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query

from analytics import repository, schemas
from analytics.models import TriggerRow
from common.application import Transaction


def router() -> APIRouter:
    routes = APIRouter(prefix="/triggers")

    @routes.get("")
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
        return schemas.TriggerPage(items=[shown(row) for row in found.items], next=found.next)

    return routes


def shown(row: TriggerRow) -> dict[str, Any]:
    """The trigger as it was told last, and whether it is over."""
    return {**row.data, "open": row.open, "cleared_at": row.cleared_at}
