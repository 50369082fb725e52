"""Signing in and out."""

import secrets
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from console.domain import ATTEMPT_WINDOW, local_path
from console.pages.visit import ForeignForm, SignInNeeded, page_values, visit
from console.security import SESSION_COOKIE, VISITOR_COOKIE, csrf_holds, csrf_token, set_cookie
from console.service import TooManyAttempts, WrongPassword
from console.site import Site

routes = APIRouter()


@routes.get("/")
async def start() -> Response:
    return RedirectResponse("/alerts", 303)


@routes.get("/sign-in")
async def form(request: Request, next: str | None = None) -> Response:
    try:
        await visit(request)
    except SignInNeeded:
        return _page(request, local_path(next))
    return RedirectResponse(local_path(next), 303)


@routes.post("/sign-in")
async def sign_in(
    request: Request,
    email: Annotated[str, Form(max_length=320)] = "",
    password: Annotated[str, Form(max_length=200)] = "",
    next: Annotated[str | None, Form()] = None,
) -> Response:
    site: Site = request.app.state.site
    target = local_path(next)
    if not await csrf_holds(request, request.cookies.get(VISITOR_COOKIE)):
        return _page(request, target, 403, email, "This form had grown old. Please sign in once more.")
    address = request.client.host if request.client else "unknown"
    try:
        token = await site.accounts.sign_in(email, password, address)
    except WrongPassword:
        return _page(request, target, 401, email, "This e-mail address and password do not belong together.")
    except TooManyAttempts:
        minutes = int(ATTEMPT_WINDOW.total_seconds() // 60)
        said = f"Too many tries. Signing in from here is closed for {minutes} minutes; an administrator can help."
        response = _page(request, target, 429, email, said)
        response.headers["Retry-After"] = str(minutes * 60)
        return response
    answer = RedirectResponse(target, 303)
    set_cookie(request, answer, SESSION_COOKIE, token, site.settings.session_lifetime.total_seconds())
    answer.delete_cookie(VISITOR_COOKIE, path="/")
    return answer


@routes.post("/sign-out")
async def sign_out(request: Request) -> Response:
    session = request.cookies.get(SESSION_COOKIE)
    if session and not await csrf_holds(request, session):
        raise ForeignForm
    if session:
        site: Site = request.app.state.site
        await site.accounts.sign_out(session)
    answer = RedirectResponse("/sign-in", 303)
    answer.delete_cookie(SESSION_COOKIE, path="/")
    return answer


def _page(request: Request, target: str, status: int = 200, email: str = "", problem: str = "") -> HTMLResponse:
    site: Site = request.app.state.site
    cookie = request.cookies.get(VISITOR_COOKIE) or secrets.token_urlsafe(24)
    values = page_values(request, None) | {"csrf": csrf_token(cookie)}
    page = site.templates.get_template("sign_in.html").render(values, target=target, email=email, problem=problem)
    response = HTMLResponse(page, status)
    set_cookie(request, response, VISITOR_COOKIE, cookie)
    return response
