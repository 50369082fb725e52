"""One customer: who, the rhythm, the story, the live scores, what is open."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from console.clients import NotFound
from console.clients.analytics.customers import Profile
from console.clients.contact import Timeline
from console.pages.alerts import SAID
from console.pages.visit import Id, Part, Visit, Visiting, part
from console.views import rhythm, timeline

routes = APIRouter(prefix="/customers")

Kind = Annotated[str | None, Query(pattern=r"^[a-z_]{0,30}$")]
_ORDERS = 200


@routes.get("/{customer_id}")
async def show(
    visit: Visiting,
    customer_id: Id,
    kind: Kind = None,
    cursor: str | None = None,
    done: str | None = None,
    alert: str | None = None,
) -> Response:
    clients = visit.clients
    person, profile, story, orders, tickets, messages = await asyncio.gather(
        part(clients.contact.contact(customer_id)),
        part(clients.analytics.profile(customer_id)),
        part(clients.contact.timeline(customer_id, kind or None, cursor)),
        part(clients.contact.timeline(customer_id, "order", limit=_ORDERS)),
        part(clients.ticketing.tickets(customer=customer_id)),
        part(clients.campaign.messages(customer_id)),
    )
    if isinstance(person.problem, NotFound):
        raise person.problem
    if person.value and person.value.id != customer_id:
        customer_id = person.value.id
    if isinstance(profile.problem, NotFound):  # somebody of whom analytics has heard nothing yet
        profile = Part(Profile(customer=customer_id))
    return visit.render(
        "customer/page.html",
        person=person,
        profile=profile,
        chart=_chart(visit, profile, orders),
        orders=orders,
        tickets=tickets,
        messages=messages,
        done=SAID.get(done or ""),
        done_alert=alert if done == "take" else None,
        **_story(visit, customer_id, story, kind),
    )


@routes.get("/{customer_id}/timeline")
async def more(visit: Visiting, customer_id: Id, kind: Kind = None, cursor: str | None = None) -> Response:
    """The timeline alone: filtered, or its next page."""
    story = await part(visit.clients.contact.timeline(customer_id, kind or None, cursor))
    template = "customer/story.html" if cursor is None else "customer/days.html"
    return visit.render(template, **_story(visit, customer_id, story, kind))


def _story(visit: Visit, customer_id: str, story: Part[Timeline], kind: str | None) -> dict[str, Any]:
    entries = story.value.items if story.value else []
    return {
        "customer_id": customer_id,
        "story": story,
        "days": timeline.days(entries, visit.now, visit.visitor.zone),
        "kinds": timeline.KINDS,
        "kind": kind or None,
    }


def _chart(visit: Visit, profile: Part[Profile], orders: Part[Timeline]) -> rhythm.Chart | None:
    usual = profile.value.usual_spend if profile.value else None
    placed = rhythm.orders_of(orders.value.items if orders.value else [], usual.currency if usual else None)
    return rhythm.chart(placed, profile.value, visit.now, visit.visitor.zone)
