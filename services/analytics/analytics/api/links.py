"""What is bought with a product, and what to offer a customer next."""

from typing import Annotated

from fastapi import APIRouter, Query

from analytics import link_service, repository, schemas
from analytics.model_store import ModelStore
from analytics.operators.links import MODEL, Bought
from analytics.profile import unpack
from common.application import Transaction
from common.problems import not_found

_Limit = Annotated[int, Query(ge=1, le=50)]


def router(store: ModelStore) -> APIRouter:
    routes = APIRouter()

    @routes.get("/products/{sku:path}/bought-with")
    async def bought_with(sku: str, session: Transaction, limit: _Limit = 10) -> schemas.BoughtWithList:
        """The closest first."""
        found = link_service.bought_with(sku, await store.in_use(session, MODEL), limit)
        if found is None:
            raise not_found("product")
        return found

    @routes.get("/customers/{key}/offers")
    async def next_offers(key: str, session: Transaction, limit: _Limit = 10) -> schemas.NextOffers:
        """The best first."""
        found = await repository.profile(session, key)
        if found is None:
            raise not_found("customer")
        bought = unpack(found[0]).get(Bought)
        return link_service.offers(key, bought, await store.in_use(session, MODEL), limit)

    return routes
