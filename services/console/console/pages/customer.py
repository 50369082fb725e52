"""One customer: who, the rhythm, the story, the live scores, what is open."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from console.clients import NotFound
from console.clients.analytics.customers import Profile
from console.clients.analytics.offers import Offers
from console.clients.contact import Contact, Timeline
from console.pages.alerts import SAID
from console.pages.visit import Id, Part, Visit, Visiting, part
from console.views import outlook, rhythm, timeline

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
    (person, story, orders), (profile, offers), tickets, messages = await asyncio.gather(
        _of_contact(visit, customer_id, kind or None, cursor),
        _of_analytics(visit, customer_id),
        part(clients.ticketing.tickets(customer=customer_id)),
        part(clients.campaign.messages(customer_id)),
    )
    if isinstance(person.problem, NotFound):
        raise person.problem
    if person.value and person.value.id != customer_id:
        customer_id = person.value.id
    return visit.render(
        "customer/page.html",
        person=person,
        profile=profile,
        chart=_chart(visit, profile, orders),
        tiles=outlook.tiles(profile.value, visit.now, visit.visitor.zone) if profile.value else [],
        scores=outlook.scores(profile.value) if profile.value else [],
        offers=offers,
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


async def _of_contact(
    visit: Visit, customer_id: str, kind: str | None, cursor: str | None
) -> tuple[Part[Contact], Part[Timeline], Part[Timeline]]:
    """Who it is, the story, and the orders for the chart."""
    contact = visit.clients.contact
    return await asyncio.gather(
        part(contact.contact(customer_id)),
        part(contact.timeline(customer_id, kind, cursor)),
        part(contact.timeline(customer_id, "order", limit=_ORDERS)),
    )


async def _of_analytics(visit: Visit, customer_id: str) -> tuple[Part[Profile], Part[Offers]]:
    """Of somebody of whom analytics has heard nothing yet: nothing, which is no failure."""
    analytics = visit.clients.analytics
    profile, offers = await asyncio.gather(part(analytics.profile(customer_id)), part(analytics.offers(customer_id)))
    if isinstance(profile.problem, NotFound):
        profile = Part(Profile(customer=customer_id))
    if isinstance(offers.problem, NotFound):
        offers = Part(Offers())
    return profile, offers


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
