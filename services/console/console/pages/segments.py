"""Segments: the groups customers fall into, what they are worth, and after how many orders customers stay."""

from fastapi import APIRouter, Response

from console.pages.visit import Visiting, part
from console.views.segments import groups, loyalty_chart, rates, share_chart, top

routes = APIRouter(prefix="/segments")


@routes.get("")
async def show(visit: Visiting) -> Response:
    found = await part(visit.clients.analytics.segments())
    made = groups(found.value) if found.value else []
    loyalty = found.value.loyalty if found.value else None
    return visit.render(
        "segments/page.html",
        found=found,
        groups=made,
        top=top(found.value) if found.value else "",
        shares=share_chart(made),
        loyalty=loyalty,
        curve=loyalty_chart(loyalty) if loyalty else None,
        rates=rates(loyalty) if loyalty else [],
    )
