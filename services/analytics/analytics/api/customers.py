"""A customer as the operators see them now."""

from fastapi import APIRouter

from analytics import repository, schemas, service
from analytics.api.triggers import shown
from analytics.fold import Fold
from analytics.model_store import ModelStore
from common.application import Transaction
from common.clock import Clock
from common.problems import not_found


def router(store: ModelStore, clock: Clock) -> APIRouter:
    routes = APIRouter(prefix="/customers")

    @routes.get("/{key}")
    async def show_customer(key: str, session: Transaction) -> schemas.Customer:
        found = await repository.profile(session, key)
        if found is None:
            raise not_found("customer")
        task = Fold(0, found[1])
        for name, version in task.model_versions.items():
            task.world.models[name] = await store.load(name, version)
        raised = await repository.triggers(session, only_open=True, customer=key)
        return service.customer(key, found[0], task.world, [shown(row) for row in raised.items], clock.now())

    return routes
