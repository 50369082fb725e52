"""Failures as pages: what happened, that nothing was lost, what to do next."""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.exceptions import HTTPException

from common.failures import TransientError
from common.problems import Problem
from console.clients import Forbidden, NotFound, Refused, Unavailable
from console.pages.visit import ForeignForm, SignInNeeded, page_values
from console.security import secure
from console.site import Site

Handler = Callable[[Request, Any], Awaitable[Response]]

_SAID = {
    400: ("This request could not be read", "Go back and try once more."),
    403: ("Your role may not see this", "Ask an administrator of your installation for the role that may."),
    404: ("There is nothing here", "It may have been merged or removed, or the address is mistyped."),
    405: ("This address is not a page", "Go to one of the pages on the left."),
    413: ("That is too large", "Shorten it and send it again."),
    422: ("Something in the form is not right", "Go back, correct it and send it again."),
    503: ("A part of Heed is away for the moment", "Nothing was lost. Try again in a few seconds."),
}
_UNEXPECTED = ("Something broke on our side", "Try again; the request id helps to find it.")


def add_error_pages(app: FastAPI) -> None:
    """Pages get pages; the API keeps its problem documents."""
    for answered in (HTTPException, RequestValidationError, Problem, TransientError, Exception):
        app.add_exception_handler(answered, _unless_api(app.exception_handlers[answered]))
    for shown in (Unavailable, Refused, ForeignForm):
        app.add_exception_handler(shown, _shown)
    app.add_exception_handler(SignInNeeded, _sign_in)


def _unless_api(as_problem: Any) -> Handler:
    async def handler(request: Request, error: Exception) -> Response:
        if request.url.path.startswith(("/v1/", "/livez", "/readyz", "/metrics", "/static/")):
            answer: Response = await as_problem(request, error)
            return answer
        answer = await as_problem(request, error)  # which also logs
        return _page(request, answer.status_code)

    return handler


async def _shown(request: Request, error: Exception) -> Response:
    if isinstance(error, ForeignForm):
        return _page(request, 403, "This form had grown old", "Nothing was changed. Open the page again and repeat it.")
    if isinstance(error, NotFound):
        return _page(request, 404)
    if isinstance(error, Forbidden):
        return _page(request, 403)
    if isinstance(error, Refused):
        return _page(request, 422, "This was refused", f"{error.service}: {error.detail}")
    assert isinstance(error, Unavailable)
    title = f"{error.service} is away for the moment"
    advice = f"{error.detail} Nothing was lost, and nothing was changed. Try again in a few seconds."
    return _page(request, 503, title, advice)


async def _sign_in(request: Request, error: Exception) -> Response:
    assert isinstance(error, SignInNeeded)
    target = error.target if request.method == "GET" and request.url.path != "/alerts/stream" else "/alerts"
    where = f"/sign-in?next={quote(target, safe='')}" if target != "/alerts" else "/sign-in"
    if "hx-request" in request.headers:
        return Response(status_code=401, headers={"HX-Redirect": where})
    if request.url.path == "/alerts/stream" or "application/json" in request.headers.get("accept", ""):
        return Response(status_code=401)
    return RedirectResponse(where, 303)


def _page(request: Request, status: int, title: str | None = None, advice: str | None = None) -> Response:
    site: Site = request.app.state.site
    known_title, known_advice = _SAID.get(status, _UNEXPECTED)
    values = page_values(request, getattr(request.state, "visit", None))
    shown = {
        "status": status,
        "title": title or known_title,
        "advice": advice or known_advice,
        "request_id": request.scope.get("heed.request_id", ""),
    }
    # A piece of a page is answered with a piece, so that no page ends up within a page.
    template = "error_piece.html" if "hx-request" in request.headers else "error.html"
    response = HTMLResponse(site.templates.get_template(template).render(values, **shown), status)
    secure(response.headers, request.scope["heed.nonce"])  # the page of an unexpected error passes no middleware
    return response
