"""The ASGI application in front of the administration's: capture routes here, everything else behind."""

import time
from functools import cache

import orjson
import structlog
from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Receive, Scope, Send

from common import metrics as common_metrics
from common import strictjson
from common.failures import BusyError, TransientError
from common.ids import new_id
from common.problems import Problem, problem_response
from lead_capture import metrics
from lead_capture.domain.segment import KINDS, order_type
from lead_capture.hot.answers import Answer, Pairs, send_answer, send_empty
from lead_capture.hot.call import Call
from lead_capture.hot.credentials import allow_in_the_open, presented_key
from lead_capture.hot.intake import Desk
from lead_capture.hot.leads import post_lead
from lead_capture.hot.orders import post_order
from lead_capture.hot.touchpoints import post_events
from lead_capture.keyring import WriteKey

log = structlog.get_logger()

LEADS, ORDERS = "/v1/leads", "/v1/orders"
SEGMENT = frozenset({f"/v1/{kind}" for kind in KINDS} | {"/v1/batch"})
PATHS = SEGMENT | {LEADS, ORDERS}

_LEAD_TYPES = ("application/json", "application/x-www-form-urlencoded")
_PREFLIGHT: Pairs = (
    (b"access-control-allow-methods", b"POST"),
    (b"access-control-allow-headers", b"authorization, content-type, content-encoding, idempotency-key"),
    (b"access-control-max-age", b"86400"),
    (b"vary", b"origin"),
)


class HotPath:
    """In front of the service's usual application, which keeps health, metrics and administration."""

    def __init__(self, app: ASGIApp, desk: Desk) -> None:
        self._app, self._desk = app, desk
        self._measured = cache(_measured)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] not in PATHS:
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = await self._answer(scope, receive, send)
        path = scope["path"]
        method = scope["method"] if scope["method"] in ("POST", "OPTIONS") else "other"
        answered, duration = self._measured(method, path, status)
        answered.inc()
        duration.observe(time.perf_counter() - started)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> int:
        call = Call.of(scope, receive)
        if scope["method"] == "OPTIONS":
            return await self._preflight(call, send)
        visit = Visit(self._desk, call)
        try:
            if scope["method"] != "POST":
                raise Problem(405, "Only POST is known here.", headers={"Allow": "POST, OPTIONS"})
            answer = await visit.answer()
        except Exception as error:
            return await self._refuse(_problem_of(error, call), visit, scope, receive, send)
        await send_answer(send, answer, visit.cors())
        return answer.status

    async def _preflight(self, call: Call, send: Send) -> int:
        origin = call.origin
        if origin is None or not self._desk.keyring.origin_known(origin):
            await send_empty(send, 403, ((b"vary", b"origin"),))
            return 403
        await send_empty(send, 204, ((b"access-control-allow-origin", origin.encode("latin-1")), *_PREFLIGHT))
        return 204

    async def _refuse(self, problem: Problem, visit: "Visit", scope: Scope, receive: Receive, send: Send) -> int:
        source = visit.key.source if visit.key else ""
        metrics.REFUSED.labels(source, problem.status).inc()
        request_id = visit.call.request_id or new_id()
        headers = {**(problem.headers or {}), "X-Request-Id": request_id}
        headers.update((name.decode(), value.decode("latin-1")) for name, value in visit.cors())
        response = problem_response(
            problem.status,
            problem.detail,
            instance=visit.call.path,
            request_id=request_id,
            errors=problem.errors,
            headers=headers,
        )
        await response(scope, receive, send)
        return problem.status


class Visit:
    """One POST on its way: who it is, what it brought, what is answered."""

    def __init__(self, desk: Desk, call: Call) -> None:
        self._desk, self.call = desk, call
        self.key: WriteKey | None = None

    def cors(self) -> Pairs:
        """Headers that let the page read the answer, when its origin may use the key."""
        origin = self.call.origin
        if origin is None or self.key is None or not self.key.lets(origin):
            return ()
        return ((b"access-control-allow-origin", origin.encode("latin-1")), (b"vary", b"origin"))

    async def answer(self) -> Answer:
        presented = presented_key(self.call.headers, self.call.query)
        if presented is not None:
            await self._enter(presented, in_the_open=b"authorization" not in self.call.headers)
        if self.call.path in SEGMENT:
            return await self._segment()
        return await self._native(self._known_key())

    async def _native(self, key: WriteKey) -> Answer:
        settings, path = self._desk.settings, self.call.path
        self._desk.keyring.spend(key, 1)
        types = _LEAD_TYPES if path == LEADS else _LEAD_TYPES[:1]
        if self.call.content_type not in types:
            raise Problem(415, f"Send {' or '.join(types)}.")
        limit = settings.event_limit_bytes if path == LEADS else settings.order_limit_bytes
        body = await self.call.body(limit, settings.request_timeout_seconds)
        return await (post_lead if path == LEADS else post_order)(self._desk, self.call, key, body)

    async def _segment(self) -> Answer:
        # SDKs label JSON as they like; what is parsed decides.
        settings = self._desk.settings
        body = await self.call.body(self._segment_limit(), settings.request_timeout_seconds)
        try:
            document = strictjson.decode(body)
        except Problem as error:
            raise Problem(400, error.detail) from None
        if self.key is None and isinstance(document, dict) and isinstance(document.get("writeKey"), str):
            await self._enter(document["writeKey"], in_the_open=False)  # as Segment's Node SDK does
        key = self._known_key()
        if len(body) > settings.batch_limit_bytes:
            _allow_one_large_order(document, settings.batch_limit_bytes)
        return await post_events(self._desk, self.call, key, document, checked=strictjson.is_plain(body))

    def _segment_limit(self) -> int:
        settings = self._desk.settings
        return settings.large_batch_limit_bytes if self.call.path == "/v1/batch" else settings.order_limit_bytes

    async def _enter(self, presented: str, *, in_the_open: bool) -> None:
        key = await self._desk.keyring.find(presented)
        self.key = allow_in_the_open(key) if in_the_open else key
        origin = self.call.origin
        if origin is not None and key.public and not key.lets(origin):
            raise Problem(403, "This write key is not for pages of this origin.")

    def _known_key(self) -> WriteKey:
        if self.key is None:
            raise Problem(401, "Send a write key: Basic user name or Bearer.", headers={"WWW-Authenticate": "Basic"})
        return self.key


def _measured(method: str, path: str, status: int) -> tuple[Counter, Histogram]:
    answered = common_metrics.HTTP_REQUESTS.labels(method, path, status)
    return answered, common_metrics.HTTP_DURATION.labels(method, path)


def _allow_one_large_order(document: object, limit: int) -> None:
    """A batch may be past its limit by one large order. Raises Problem 413."""
    events = document.get("batch") if isinstance(document, dict) else None
    orders = [e for e in events if isinstance(e, dict) and order_type(e)] if isinstance(events, list) else []
    try:
        allowed = limit + max((len(orjson.dumps(order)) for order in orders), default=0)
        too_large = len(orjson.dumps(document)) > allowed
    except orjson.JSONEncodeError:  # nested too deeply to be an order
        too_large = True
    if too_large:
        raise Problem(413, f"A batch is at most {limit} bytes, one large order left aside.")


def _problem_of(error: Exception, call: Call) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, BusyError):
        wait = str(max(1, round(error.retry_after)))
        return Problem(429, "Too much at once; slow down.", headers={"Retry-After": wait})
    if isinstance(error, TransientError):
        log.warning("answered 503", error=str(error))
        return Problem(503, "This cannot be kept safe for the moment; try again.", headers={"Retry-After": "2"})
    log.error("unexpected error", route=call.path, exc_info=error)
    return Problem(500, "Something broke on our side; the request id helps to find it.")
