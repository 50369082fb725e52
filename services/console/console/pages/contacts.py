"""Contacts: everybody known, searched by name, address or number."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from console.pages.visit import Visiting, part

routes = APIRouter(prefix="/contacts")


@routes.get("")
async def show(visit: Visiting, q: Annotated[str, Query(max_length=200)] = "", cursor: str | None = None) -> Response:
    query = q.strip()
    found = await part(visit.clients.contact.contacts(query, cursor))
    template = "contacts/results.html" if visit.wants_fragment else "contacts/page.html"
    return visit.render(template, found=found, query=query)
