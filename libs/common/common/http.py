"""The HTTP application of a service: health, metrics, problem documents, limits, request ids."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common import metrics, strictjson, telemetry
from common.failures import BusyError, InvalidError, TransientError
from common.ids import new_id
from common.problems import Problem, problem_response
from common.settings import ServiceSettings
from common.tokens import TokenVerifier

log = structlog.get_logger()

Check = Callable[[], Awaitable[None]]
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})
_METHODS = _BODY_METHODS | {"GET", "HEAD", "DELETE", "OPTIONS"}
_FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")
_READY_SECONDS = 3.0
_MAX_ERRORS = 50


def create_app(
    title: str, settings: ServiceSettings, *, checks: Mapping[str, Check], lifespan: Lifespan | None = None
) -> FastAPI:
    """`checks` decide /readyz: each returns when its part can be used and raises otherwise."""
    app = FastAPI(title=f"Heed {title}", lifespan=lifespan)
    app.state.verifier = TokenVerifier(settings.token_public_key) if settings.token_public_key else None
    _add_health(app, checks)
    _add_problems(app)
    app.add_middleware(Deadline, seconds=settings.request_timeout_seconds)
    app.add_middleware(BodyGuard, limit=settings.body_limit_bytes, seconds=settings.request_timeout_seconds)
    app.add_middleware(Observe)
    return app


def _add_health(app: FastAPI, checks: Mapping[str, Check]) -> None:
    @app.get("/livez", include_in_schema=False)
    async def livez() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> Response:
        answers = await asyncio.gather(*(_ask(check) for check in checks.values()))
        broken = {name: answer for name, answer in zip(checks, answers, strict=True) if answer}
        if broken:
            said = "; ".join(f"{name}: {why}" for name, why in broken.items())
            raise Problem(503, f"Not ready. {said}", headers={"Retry-After": "2"})
        return Response(b'{"status":"ready"}', media_type="application/json")

    @app.get("/metrics", include_in_schema=False)
    async def prometheus() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


async def _ask(check: Check) -> str | None:
    try:
        async with asyncio.timeout(_READY_SECONDS):
            await check()
    except Exception as error:  # a health check reports whatever is wrong
        return str(error) or type(error).__name__
    return None


def _add_problems(app: FastAPI) -> None:
    @app.exception_handler(Problem)
    async def problem(request: Request, error: Problem) -> Response:
        return _answer(request, error.status, error.detail, errors=error.errors, headers=error.headers)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        return _answer(request, error.status_code, str(error.detail), headers=error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        found = error.errors()
        if any(e["loc"] == ("body",) and e["type"] == "missing" for e in found):
            return _answer(request, 400, "The body is empty; send a JSON document.")
        errors = [{"pointer": _pointer(e["loc"]), "detail": e["msg"]} for e in found[:_MAX_ERRORS]]
        return _answer(request, 422, "The request does not have the form this route needs.", errors=errors)

    @app.exception_handler(InvalidError)
    async def unkeepable(request: Request, error: InvalidError) -> Response:
        log.info("answered 422", reason=error.reason)
        return _answer(request, 422, "The request holds a value that cannot be kept.")

    @app.exception_handler(TransientError)
    async def transient(request: Request, error: TransientError) -> Response:
        log.warning("answered 503", error=str(error))
        return _answer(
            request,
            503,
            "A part that is needed is away for the moment; try again.",
            headers={"Retry-After": "2"},
        )

    @app.exception_handler(BusyError)
    async def busy(request: Request, error: BusyError) -> Response:
        wait = str(max(1, round(error.retry_after)))
        return _answer(request, 429, "Too many requests; slow down.", headers={"Retry-After": wait})

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> Response:
        log.error("unexpected error", route=request.url.path, exc_info=error)
        # This answer is made outside of Observe, which names the request in the others.
        named = {"X-Request-Id": request.scope.get("heed.request_id", "")}
        return _answer(request, 500, "Something broke on our side; the request id helps to find it.", headers=named)


def _pointer(location: Sequence[str | int]) -> str:
    """RFC 6901, without the part (body, query) that FastAPI puts first."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in location[1:])


def _answer(request: Request, status: int, detail: str, **more: object) -> Response:
    request_id = request.scope.get("heed.request_id", "")
    return problem_response(status, detail, instance=request.url.path, request_id=request_id, **more)  # type: ignore[arg-type]


class Observe:
    """Gives each request an id (kept from `X-Request-Id` when sane), counts and times it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"").decode("latin-1")
        request_id = given if _REQUEST_ID.fullmatch(given) else new_id()
        scope["heed.request_id"] = request_id
        # Whoever calls may make up methods and paths; labels must not grow with that.
        method = scope["method"] if scope["method"] in _METHODS else "other"
        trace = {"traceparent": headers.get(b"traceparent", b"").decode("latin-1")}
        started, status = time.perf_counter(), 500

        async def reply(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        with (
            structlog.contextvars.bound_contextvars(correlation_id=request_id),
            telemetry.serving(method, scope["path"], trace),
        ):
            try:
                await self._app(scope, receive, reply)
            finally:
                route = getattr(scope.get("route"), "path", "other")
                metrics.HTTP_REQUESTS.labels(method, route, status).inc()
                metrics.HTTP_DURATION.labels(method, route).observe(time.perf_counter() - started)


class Deadline:
    """Ends a request whose answer has not begun in time with 503; an answer that streams may go on."""

    def __init__(self, app: ASGIApp, *, seconds: float) -> None:
        self._app, self._seconds = app, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False
        try:
            async with asyncio.timeout(self._seconds) as deadline:

                async def reply(message: Message) -> None:
                    nonlocal begun
                    if not begun:
                        begun = True
                        deadline.reschedule(None)
                    await send(message)

                await self._app(scope, receive, reply)
        except TimeoutError:
            if begun or not deadline.expired():
                raise
            detail = f"The answer took longer than {self._seconds:g} s; try again."
            response = problem_response(
                503,
                detail,
                instance=scope["path"],
                request_id=scope.get("heed.request_id", ""),
                headers={"Retry-After": "2"},
            )
            await response(scope, receive, send)


class BodyGuard:
    """Reads a body within its limits of size and time, and lets only JSON pass that the bus can carry."""

    def __init__(self, app: ASGIApp, *, limit: int, seconds: float) -> None:
        self._app, self._limit, self._seconds = app, limit, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in _BODY_METHODS:
            await self._app(scope, receive, send)
            return
        try:
            body = await self._checked_body(scope, receive)
        except Problem as error:
            response = problem_response(
                error.status,
                error.detail,
                instance=scope["path"],
                request_id=scope.get("heed.request_id", ""),
            )
            await response(scope, receive, send)
            return
        await self._app(scope, _replay(body, receive), send)

    async def _checked_body(self, scope: Scope, receive: Receive) -> bytes:
        headers = dict(scope["headers"])
        kind = headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()
        try:
            async with asyncio.timeout(self._seconds):
                body = await read_body(receive, self._limit)
        except TimeoutError:
            raise Problem(408, f"The body did not arrive within {self._seconds:g} s.") from None
        if body and kind not in _FORM_TYPES:
            if not (kind == "application/json" or kind.endswith("+json")):
                raise Problem(415, "Send application/json.")
            strictjson.parse(body)
        return body


async def read_body(receive: Receive, limit: int) -> bytes:
    """The whole body. Raises Problem 413 as soon as it is larger than `limit` bytes."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Problem(400, "The client went away before the body was complete.")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise Problem(413, f"The body is larger than {limit} bytes.")
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def replay() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
