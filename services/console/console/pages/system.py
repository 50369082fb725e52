"""System: which services run, how far behind they are, how well the models do."""

import asyncio

from fastapi import APIRouter, Response

from console.clients import health
from console.pages.visit import Visiting, part
from console.views.models import verdict

routes = APIRouter(prefix="/system")


@routes.get("")
async def show(visit: Visiting) -> Response:
    settings, clients = visit.site.settings, visit.clients
    services = {
        "Lead capture": settings.lead_capture_url,
        "Contact": settings.contact_url,
        "Analytics": settings.analytics_url,
        "Sales": settings.sales_url,
        "Campaign": settings.campaign_url,
        "Ticketing": settings.ticketing_url,
    }
    states, runtime, models, capture = await asyncio.gather(
        health.ask(visit.site.http, services),
        part(clients.analytics.runtime()),
        part(clients.analytics.models()),
        part(clients.capture.status()),
    )
    judged = [(model, verdict(model)) for model in (models.value.items if models.value else [])]
    template = "system/status.html" if visit.wants_fragment else "system/page.html"
    return visit.render(template, services=states, runtime=runtime, models=models, judged=judged, capture=capture)
