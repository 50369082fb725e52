"""Leads: who asked, who answers and by when."""

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Query, Response

from console.pages.visit import Changing, Id, Visiting, part, see

routes = APIRouter(prefix="/leads")

STATUSES = ("new", "working", "qualified", "disqualified")
Status = Literal["new", "working", "qualified", "disqualified"]


@routes.get("")
async def show(
    visit: Visiting,
    q: Annotated[str, Query(max_length=200)] = "",
    status: Status | Literal[""] = "",
    owner: Literal["me", ""] = "",
    cursor: str | None = None,
) -> Response:
    query, mine = q.strip(), visit.visitor.id if owner else None
    found = await part(visit.clients.sales.leads(query, status or None, mine, cursor))
    template = "leads/results.html" if visit.wants_fragment else "leads/page.html"
    return visit.render(template, found=found, query=query, status=status, owner=owner, statuses=STATUSES)


@routes.get("/{lead_id}")
async def lead(visit: Visiting, lead_id: Id, done: str | None = None) -> Response:
    found = await visit.clients.sales.lead(lead_id)
    return visit.render("leads/lead.html", lead=found, statuses=STATUSES, done="Saved" if done else None)


@routes.post("/{lead_id}")
async def change(
    visit: Changing,
    lead_id: Id,
    status: Annotated[Status, Form()],
    reason: Annotated[str, Form(max_length=5000)] = "",
) -> Response:
    await visit.clients.sales.change_lead(lead_id, status, reason.strip() or None)
    return see(f"/leads/{lead_id}", done="saved")
