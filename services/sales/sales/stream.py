"""`GET /v1/alerts/stream`: server-sent events that resume where they were cut off."""

from collections.abc import AsyncIterator
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Header, Query
from prometheus_client import Gauge
from sse_starlette.event import ServerSentEvent
from sse_starlette.sse import EventSourceResponse, SendTimeoutError
from starlette.types import Receive, Scope, Send

from common.auth import require
from common.failures import TransientError
from common.problems import Problem
from sales.feed import Feed

log = structlog.get_logger()

STREAMS = Gauge("heed_alert_streams", "Streams of alerts that are open")

_PING_SECONDS = 15
_SEND_SECONDS = 30.0
_RETRY_MILLISECONDS = 1_000


class AlertStream(EventSourceResponse):
    """Ends well at a shutdown, and for a client that takes nothing for `_SEND_SECONDS`: both resume elsewhere."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with STREAMS.track_inprogress():
            try:
                await super().__call__(scope, receive, send)
            except SendTimeoutError:
                log.info("stream ended: the client takes nothing")
                return
            if self.active:  # cut short by a shutdown, the body still has to end
                await send({"type": "http.response.body", "body": b"", "more_body": False})


def router(feed: Feed) -> APIRouter:
    routes = APIRouter(prefix="/v1/alerts", tags=["alerts"])

    @routes.get(
        "/stream",
        dependencies=[Depends(require("sales", "manager", "service"))],
        response_class=EventSourceResponse,
        responses={200: {"content": {"text/event-stream": {}}, "description": "alert and ping events"}},
    )
    async def stream(
        last_event_id: Annotated[str | None, Header()] = None,
        resume: Annotated[str | None, Query(alias="last_event_id")] = None,
    ) -> AlertStream:
        last = _position(last_event_id or resume, await feed.newest())
        return AlertStream(
            _events(feed, last), ping=_PING_SECONDS, ping_message_factory=_ping, send_timeout=_SEND_SECONDS
        )

    return routes


def _position(given: str | None, newest: int) -> int:
    """Where to go on: now without an id; also with one of a future that a restored database does not know."""
    if not given:
        return newest
    if not (given.isascii() and given.isdecimal() and len(given) < 20):
        raise Problem(422, "Last-Event-ID is not one of ours; start again without it.")
    return min(int(given), newest)


def _ping() -> ServerSentEvent:
    return ServerSentEvent("{}", event="ping")


async def _events(feed: Feed, last: int) -> AsyncIterator[bytes]:
    # The first ping carries an id, so that who is cut off before the first alert can resume as well.
    yield ServerSentEvent("{}", event="ping", id=str(last), retry=_RETRY_MILLISECONDS).encode()
    try:
        while True:
            for change in await feed.after(last):
                yield change.event
                last = change.seq
            await feed.wait(last)
    except TransientError:
        log.info("stream ended: the log cannot be read", last=last)
