"""One visit of a signed-in person to a page: who it is, what may be asked, how to answer."""

from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar
from urllib.parse import quote, urlencode

from fastapi import Depends, Path, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from console.clients import Clients, UpstreamError
from console.security import SESSION_COOKIE, csrf_holds, csrf_token
from console.service import Visitor
from console.site import Site

T = TypeVar("T")
Id = Annotated[str, Path(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.:@+-]{0,99}$")]


class SignInNeeded(Exception):
    """Nobody is signed in; `target` is where they wanted to go."""

    def __init__(self, target: str) -> None:
        super().__init__(target)
        self.target = target


class ForeignForm(Exception):
    """The form was not sent from a page of ours, or the page is older than the session."""


@dataclass(frozen=True)
class Part(Generic[T]):
    """A part of a page: what a service said, or why it is missing."""

    value: T | None
    problem: UpstreamError | None = None


async def part(call: Awaitable[T]) -> Part[T]:
    """Never raises UpstreamError, so that the rest of the page can be shown."""
    try:
        return Part(await call)
    except UpstreamError as error:
        return Part(None, error)


@dataclass(frozen=True)
class Visit:
    request: Request
    site: Site
    visitor: Visitor
    session: str
    clients: Clients
    now: datetime

    def render(self, template: str, **values: Any) -> HTMLResponse:
        return HTMLResponse(self.fragment(template, **values))

    def fragment(self, template: str, **values: Any) -> str:
        """The template's text, for a page or for a piece of one."""
        return self.site.templates.get_template(template).render(**page_values(self.request, self), **values)

    @property
    def wants_fragment(self) -> bool:
        """Whether htmx asks for a piece of the page only."""
        return "hx-request" in self.request.headers

    async def names(self, *ids: str | None) -> dict[str, str]:
        """What to call these customers; empty when contact is away."""
        found = await part(self.clients.contact.names(key for key in ids if key))
        return found.value or {}


def page_values(request: Request, visit: Visit | None) -> dict[str, Any]:
    """What the frame of every page needs."""
    return {
        "nonce": request.scope["heed.nonce"],
        "path": request.url.path,
        "visitor": visit.visitor if visit else None,
        "csrf": csrf_token(visit.session) if visit else "",
        "now": visit.now if visit else None,
        "zone": visit.visitor.zone if visit else None,
    }


async def visit(request: Request) -> Visit:
    """Raises SignInNeeded."""
    site: Site = request.app.state.site
    session = request.cookies.get(SESSION_COOKIE)
    visitor = await site.accounts.visitor(session) if session else None
    if visitor is None or session is None:
        raise SignInNeeded(request.url.path + (f"?{request.url.query}" if request.url.query else ""))
    made = Visit(request, site, visitor, session, site.clients_of(visitor), site.clock.now())
    request.state.visit = made
    return made


async def checked_visit(found: Annotated[Visit, Depends(visit)]) -> Visit:
    """For everything that changes something. Raises ForeignForm."""
    if not await csrf_holds(found.request, found.session):
        raise ForeignForm
    return found


Visiting = Annotated[Visit, Depends(visit)]
Changing = Annotated[Visit, Depends(checked_visit)]


def see(path: str, **query: str | None) -> RedirectResponse:
    """After a change: look at this page."""
    given = {name: value for name, value in query.items() if value}
    return RedirectResponse(quote(path, safe="/?=&%") + (f"?{urlencode(given)}" if given else ""), status_code=303)
