"""The stream of alerts that an open page listens to."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Annotated

import orjson
from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import StreamingResponse
from fastapi.sse import format_sse_event

from console.clients.sales import Alert
from console.pages.alerts import Wanted, told
from console.pages.visit import Visit, Visiting
from console.stream import AlertStream, Beat, Refusal
from console.views.alerts import AlertFilter

routes = APIRouter()

_SESSION_CHECK_SECONDS = 60.0


@routes.get("/alerts/stream")
async def stream(
    visit: Visiting,
    wanted: Wanted,
    resume: Annotated[str | None, Header(alias="last-event-id")] = None,
    last_event_id: Annotated[int | None, Query(ge=0)] = None,
) -> Response:
    last_id = int(resume) if resume and resume.isdecimal() else last_event_id
    headers = {"X-Accel-Buffering": "no"}
    return StreamingResponse(_body(visit, wanted, last_id), media_type="text/event-stream", headers=headers)


async def _body(visit: Visit, wanted: AlertFilter, last_id: int | None) -> AsyncGenerator[bytes]:
    site = visit.site
    alerts = AlertStream(lambda: site.clients_of(visit.visitor).sales, site.pulse, last_id)
    checked = time.monotonic()
    yield format_sse_event(retry=1000, event="beat", data_str="{}")
    async with aclosing(alerts.events()) as incoming:
        async for event in incoming:
            yield await _wire(visit, wanted, event)
            if time.monotonic() - checked > _SESSION_CHECK_SECONDS:
                checked = time.monotonic()
                if await site.accounts.visitor(visit.session) is None:
                    yield format_sse_event(event="signed-out", data_str="{}")
                    return


async def _wire(visit: Visit, wanted: AlertFilter, event: Alert | Beat | Refusal) -> bytes:
    if isinstance(event, Refusal):
        return format_sse_event(event="refused", data_str=orjson.dumps({"detail": event.detail}).decode())
    if isinstance(event, Beat):
        return format_sse_event(event="beat", data_str=orjson.dumps({"connected": event.connected}).decode())
    at_present = replace(visit, now=visit.site.clock.now())
    body = orjson.dumps(await told(at_present, wanted, event)).decode()
    return format_sse_event(event="alert", id=str(event.seq), data_str=body)
