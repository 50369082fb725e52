"""Every step of every trigger, with what it rests on, and the same number computed once more."""

from typing import Annotated

from fastapi import APIRouter, Query

from analytics import repository, schemas, service
from analytics.model_store import ModelStore
from common.application import Transaction
from common.problems import not_found


def router(store: ModelStore) -> APIRouter:
    routes = APIRouter(prefix="/decisions")

    @routes.get("")
    async def list_decisions(
        session: Transaction,
        customer: str | None = None,
        kind: str | None = None,
        trigger: str | None = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        cursor: str | None = None,
    ) -> schemas.DecisionPage:
        found = await repository.decisions(
            session, customer=customer, kind=kind, trigger=trigger, limit=limit, cursor=cursor
        )
        return schemas.DecisionPage(items=[service.decision(row) for row in found.items], next=found.next)

    @routes.get("/{decision_id}")
    async def show_decision(decision_id: str, session: Transaction) -> schemas.ExplainedDecision:
        row = await repository.decision(session, decision_id)
        if row is None:
            raise not_found("decision")
        shown = service.decision(row)
        adopted = await store.find(shown.model, shown.model_version) if shown.model and shown.model_version else None
        return schemas.ExplainedDecision(**shown.model_dump(), check=service.check(shown, adopted))

    return routes
