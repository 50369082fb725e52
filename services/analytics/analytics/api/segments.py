"""The groups customers are in."""

from fastapi import APIRouter

from analytics import repository, schemas, segment_service
from analytics.fold import Fold
from analytics.model_store import ModelStore
from analytics.operators.segment import MODEL, SegmentPopulation
from common.application import Transaction


def router(store: ModelStore) -> APIRouter:
    routes = APIRouter(prefix="/segments")

    @routes.get("")
    async def list_segments(session: Transaction) -> schemas.Segments:
        """With how many customers and how much of the money are in each."""
        states = await repository.states(session)
        populations = [Fold(0, state).world.of(SegmentPopulation) for state in states]
        return segment_service.segments(await store.in_use(session, MODEL), populations)

    return routes
