"""A product: what is bought with it."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from console.clients.analytics.offers import Product
from console.pages.visit import Visiting

routes = APIRouter(prefix="/products")


@routes.get("")
async def show(visit: Visiting, sku: Annotated[str, Query(min_length=1, max_length=200)]) -> Response:
    found = await visit.clients.analytics.bought_with(sku)
    return visit.render(
        "products/page.html",
        found=found,
        product=found.product or Product(sku=sku),
        most=max((one.confidence for one in found.items), default=0.0) or 1.0,
    )
