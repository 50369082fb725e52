"""Journeys: what campaigns do by themselves, step by step."""

import asyncio

from fastapi import APIRouter, Response

from console.pages.visit import Visiting, part
from console.views.funnel import funnel

routes = APIRouter(prefix="/journeys")


@routes.get("")
async def show(visit: Visiting) -> Response:
    found, messages = await asyncio.gather(
        part(visit.clients.campaign.journeys()), part(visit.clients.campaign.messages())
    )
    sent = messages.value.items if messages.value else []
    names = await visit.names(*(message.contact for message in sent))
    journeys = [(journey, funnel(journey)) for journey in (found.value.items if found.value else [])]
    return visit.render("journeys/page.html", found=found, journeys=journeys, messages=messages, names=names)
