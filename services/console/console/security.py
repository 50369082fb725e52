"""What keeps pages safe: a content policy with nonces, form tokens, cookies."""

import hashlib
import hmac
import secrets

from fastapi import Request, Response
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SESSION_COOKIE = "heed_session"
VISITOR_COOKIE = "heed_visitor"  # stands in for the session on the sign-in form
CSRF_FIELD, CSRF_HEADER = "csrf", "x-csrf-token"

_POLICY = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class PageSecurity:
    """Gives each request a nonce and each answer its policy; what is not static is never cached."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        nonce = secrets.token_urlsafe(16)
        scope["heed.nonce"] = nonce

        async def reply(message: Message) -> None:
            if message["type"] == "http.response.start":
                secure(MutableHeaders(scope=message), nonce)
            await send(message)

        await self._app(scope, receive, reply)


def secure(headers: MutableHeaders, nonce: str) -> None:
    """Sets what every answer carries."""
    headers["Content-Security-Policy"] = _POLICY.format(nonce=nonce)
    headers.update(_HEADERS)
    headers.setdefault("Cache-Control", "no-store")


def csrf_token(cookie: str) -> str:
    """The token of a session's forms: only who can read the cookie can make it, and it does not tell the cookie."""
    return hmac.new(cookie.encode(), b"heed form", hashlib.sha256).hexdigest()


async def csrf_holds(request: Request, cookie: str | None) -> bool:
    """Whether this request was sent by a page of ours, opened by the holder of the cookie."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    given = request.headers.get(CSRF_HEADER) or (await request.form()).get(CSRF_FIELD)
    if not cookie or not isinstance(given, str):
        return False
    return hmac.compare_digest(given.encode(), csrf_token(cookie).encode())


def set_cookie(request: Request, response: Response, name: str, value: str, max_age: float | None = None) -> None:
    response.set_cookie(
        name,
        value,
        max_age=int(max_age) if max_age else None,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
        path="/",
    )
