"""HTTP routes: customers with live scores, triggers and decisions, models, and the runtime's own state."""

from fastapi import APIRouter, Depends

from analytics.api import customers, decisions, links, models, queries, segments, triggers
from analytics.api import runtime as runtime_routes
from analytics.model_store import ModelStore
from analytics.query_service import Queries
from analytics.runtime import Runtime
from common.auth import require
from common.clock import Clock

_SEES = Depends(require("sales", "support", "marketing", "manager", "service"))


def router(runtime: Runtime, store: ModelStore, asked: Queries, clock: Clock, facts_topic: str) -> APIRouter:
    """Everything under /v1."""
    routes = APIRouter(prefix="/v1", tags=["analytics"], dependencies=[_SEES])
    routes.include_router(customers.router(store, clock))
    routes.include_router(links.router(store))
    routes.include_router(segments.router(store))
    routes.include_router(triggers.router())
    routes.include_router(decisions.router(store))
    routes.include_router(models.router(clock, facts_topic))
    routes.include_router(queries.router(asked))
    routes.include_router(runtime_routes.router(runtime))
    return routes
