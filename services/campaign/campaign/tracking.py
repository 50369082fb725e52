"""What messages link to: open to anybody who has the token, and of no use without it."""

import base64
import hashlib

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from campaign.schemas import Token
from campaign.service import Responses
from common.application import Transaction
from common.problems import not_found

_GIF = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
_STYLE = (
    ":root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:32rem;margin:15vh auto;"
    "padding:0 1rem}h1{font-size:1.4rem}button{font:inherit;padding:.6rem 1.2rem;cursor:pointer}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_PRIVATE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex"}
_PAGE_HEADERS = _PRIVATE | {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
}


def _page(title: str, body: str, status: int = 200) -> HTMLResponse:
    html = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
        f"<body><main><h1>{title}</h1>{body}</main></body></html>"
    )
    return HTMLResponse(html, status, headers=_PAGE_HEADERS)


def _ask() -> HTMLResponse:
    button = '<form method="post"><button>Unsubscribe</button></form>'
    return _page("Unsubscribe from our e-mails?", f"<p>You will get no more of them.</p>{button}")


def _done() -> HTMLResponse:
    return _page("You are unsubscribed", "<p>You will get no more e-mails from us.</p>")


def _unknown() -> HTMLResponse:
    return _page("This link is not valid", "<p>Please use the whole link from the e-mail.</p>", 404)


def router(responses: Responses) -> APIRouter:
    routes = APIRouter(prefix="/t", tags=["tracking"])

    @routes.get("/o/{token}.gif")
    async def opened(token: Token, session: Transaction) -> Response:
        """Always the same picture, so that it tells nothing about the token."""
        await responses.opened(session, token)
        return Response(_GIF, media_type="image/gif", headers=_PRIVATE)

    @routes.get("/c/{token}")
    async def clicked(token: Token, session: Transaction) -> Response:
        url = await responses.clicked(session, token)
        if url is None:
            raise not_found("link")
        return RedirectResponse(url, 302, headers=_PRIVATE)

    @routes.get("/u/{token}")
    async def ask(token: Token, session: Transaction) -> Response:
        """A page with a button: mail scanners follow links, so a link alone must not unsubscribe anybody."""
        return _ask() if await responses.exists(session, token) else _unknown()

    @routes.post("/u/{token}")
    async def unsubscribe(token: Token, session: Transaction) -> Response:
        """The page's button and a mail program's one click (RFC 8058)."""
        return _done() if await responses.unsubscribe(session, token) else _unknown()

    return routes
