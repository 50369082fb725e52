"""The pages, one module a screen."""

from fastapi import APIRouter

from console.pages import (
    alerts,
    contacts,
    customer,
    journeys,
    leads,
    live,
    models,
    preferences,
    products,
    segments,
    sign_in,
    system,
    tickets,
    watch,
    why,
)


def router() -> APIRouter:
    routes = APIRouter(include_in_schema=False)
    for screen in (
        sign_in, live, alerts, why, customer, contacts, products, leads, tickets, journeys, segments, watch, models,
        system, preferences,
    ):  # fmt: skip
        routes.include_router(screen.routes)
    return routes
