"""The six services the console calls, made up: they answer as docs/interfaces.md says, from one invented shop.

`World` is what they know. A test breaks a service (`down`), cuts the streams (`cut`) or raises an alert.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import orjson
from fastapi import APIRouter, FastAPI, Header, Query, Request
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.exceptions import HTTPException

from tests.console import machinery, shop, upstream_analytics, watch

Json = dict[str, Any]
SERVICES = ("lead_capture", "contact", "campaign", "sales", "ticketing", "analytics")


class World:
    """The state of all services, and how they misbehave."""

    def __init__(self) -> None:
        self.down: set[str] = set()
        self.alerts: dict[str, Json] = {alert["id"]: alert for alert in shop.alerts()}
        self.contacts: dict[str, Json] = {contact["id"]: contact for contact in shop.contacts()}
        self.leads: dict[str, Json] = {lead["id"]: lead for lead in shop.leads()}
        self.tickets: dict[str, Json] = {ticket["id"]: ticket for ticket in shop.tickets()}
        self.owners: dict[str, Json] = {}
        self.calls: list[tuple[str, str, str]] = []  # service, method, path
        self.tokens: list[str] = []
        self.changes: list[Json] = []
        self.seq = len(self.alerts)
        self.refuse_stream = False
        self.queries: dict[str, Json] = {query["id"]: query for query in watch.queries()}
        self.pins: dict[str, int] = {}  # model → the version that is held on to
        self._generation = 0

    def change(self, alert: Json, **fields: Any) -> Json:
        """A new state of an alert, told to the streams."""
        self.seq += 1
        changed = alert | fields | {"seq": self.seq}
        self.alerts[alert["id"]] = changed
        self.changes.append(changed)
        return changed

    def raise_alert(self, customer: int = 0, **fields: Any) -> Json:
        fresh = shop.alert(f"live-{self.seq + 1}", customer, datetime.now(UTC)) | fields
        return self.change(fresh)

    def cut(self) -> None:
        """Ends every open stream."""
        self._generation += 1

    async def stream(self, last_id: int) -> AsyncIterator[bytes]:
        generation, told = self._generation, last_id
        yield b"event: ping\ndata: {}\n\n"
        while generation == self._generation and "sales" not in self.down:
            for change in [change for change in self.changes if change["seq"] > told]:
                told = change["seq"]
                yield f"event: alert\nid: {told}\ndata: {orjson.dumps(change).decode()}\n\n".encode()
            await asyncio.sleep(0.02)


def build(world: World) -> FastAPI:
    """One application; each service under its own path."""
    app = FastAPI()
    parts = {
        "sales": _sales(world),
        "contact": _contact(world),
        "analytics": upstream_analytics.routes(world),
        "ticketing": _ticketing(world),
        "campaign": _campaign(),
        "lead_capture": _capture(),
    }
    app.include_router(_leads(world), prefix="/sales")
    for service, routes in parts.items():
        app.include_router(routes, prefix=f"/{service}")

    @app.get("/{service}/{probe}")
    async def health(service: str, probe: str) -> Json:
        if probe not in ("livez", "readyz"):
            raise HTTPException(404, f"no {probe} in {service}")
        return {"status": "ready"}

    @app.middleware("http")
    async def misbehave(request: Request, call_next: Any) -> Any:
        service = request.url.path.split("/")[1]
        world.calls.append((service, request.method, request.url.path.removeprefix(f"/{service}")))
        world.tokens.append(request.headers.get("authorization", ""))
        if service in world.down:
            return JSONResponse({"detail": "Not ready. database: connection refused"}, 503)
        return await call_next(request)

    return app


def _page(items: list[Json], limit: int, cursor: str | None) -> Json:
    start = int(cursor or 0)
    following = str(start + limit) if start + limit < len(items) else None
    return {"items": items[start : start + limit], "next": following}


def _found(records: dict[str, Json], key: str) -> Json:
    if key not in records:
        raise HTTPException(404, "There is no such record here.")
    return records[key]


def _sales(world: World) -> APIRouter:
    routes = APIRouter(prefix="/v1")

    @routes.get("/alerts")
    async def alerts(
        status: str,
        surfaced: str = "all",
        owner: str | None = None,
        kind: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Json:
        all_of_these = [
            alert
            for alert in sorted(world.alerts.values(), key=lambda alert: alert["created_at"], reverse=True)
            if (owner is None or alert["owner"]["id"] == owner) and kind in (None, alert["kind"])
        ]
        wanted = [
            alert
            for alert in all_of_these
            if status in ("all", alert["status"]) and surfaced in ("all", str(alert["surfaced"]).lower())
        ]
        waiting = sum(alert["status"] == "open" and not alert["surfaced"] for alert in all_of_these)
        return _page(wanted, limit, cursor) | {"seq": world.seq, "waiting": waiting}

    @routes.get("/alert-budget")
    async def budget(owner: str | None = None) -> Json:
        waiting = [alert["owner"]["id"] for alert in world.alerts.values() if not alert["surfaced"]]
        people = [person for person in shop.OWNERS if owner in (None, person["id"])]
        used = {"budget": 20, "admitted_today": 20}
        return {"items": [{"owner": person, "waiting": waiting.count(person["id"])} | used for person in people]}

    @routes.get("/alerts/stream")
    async def stream(last_event_id: int = Header(default=0)) -> StreamingResponse:
        if world.refuse_stream:
            raise HTTPException(403, "This needs one of these roles: sales.")
        return StreamingResponse(world.stream(last_event_id), media_type="text/event-stream")

    @routes.get("/alerts/{key}")
    async def alert(key: str) -> Json:
        return _found(world.alerts, key)

    @routes.post("/alerts/{key}/{action}")
    async def act(key: str, action: str, body: Json) -> Json:
        states = {"acknowledge": "acknowledged", "snooze": "snoozed", "resolve": "resolved", "reopen": "open"}
        until, outcome = body.get("until"), body.get("outcome")
        found = _found(world.alerts, key)
        changed = world.change(found, status=states[action], snoozed_until=until, outcome=outcome, surfaced=True)
        return changed | {"seq": found["seq"]}  # as in sales, its new place in the stream comes after the answer

    return routes


def _leads(world: World) -> APIRouter:
    routes = APIRouter(prefix="/v1")

    @routes.get("/leads")
    async def leads(q: str = "", status: str | None = None, owner: str | None = None) -> Json:
        wanted = [
            lead
            for lead in world.leads.values()
            if q.lower() in f"{lead['name']} {lead['email']} {lead['company']}".lower()
            and status in (None, lead["status"])
            and (owner is None or lead["owner"]["id"] == owner)
        ]
        return _page(wanted, 50, None)

    @routes.get("/leads/{key}")
    async def lead(key: str) -> Json:
        return _found(world.leads, key)

    @routes.patch("/leads/{key}")
    async def change_lead(key: str, body: Json) -> Any:
        if body["status"] == "disqualified" and not body.get("reason"):
            return JSONResponse({"detail": "A lead is disqualified with a reason."}, 422)
        world.leads[key] = _found(world.leads, key) | body
        return world.leads[key]

    @routes.put("/owners/{key}")
    async def owner(key: str, body: Json) -> Json:
        world.owners[key] = body
        return {"id": key} | body

    return routes


def _contact(world: World) -> APIRouter:
    routes = APIRouter(prefix="/v1/contacts")

    @routes.get("")
    async def contacts(q: str = "", limit: int = 50, cursor: str | None = None) -> Json:
        wanted = [
            contact
            for contact in world.contacts.values()
            if q.lower() in f"{contact['name']} {contact['email']} {contact['company']}".lower()
        ]
        return _page(wanted, limit, cursor)

    @routes.get("/lookup")
    async def lookup(ids: str) -> Json:
        known = [world.contacts[key] for key in ids.split(",") if key in world.contacts]
        return {"items": {contact["id"]: {"name": contact["name"], "email": contact["email"]} for contact in known}}

    @routes.get("/{key}")
    async def contact(key: str) -> Json:
        return _found(world.contacts, key)

    @routes.get("/{key}/timeline")
    async def timeline(key: str, kind: str | None = None, limit: int = 50, cursor: str | None = None) -> Json:
        _found(world.contacts, key)
        return _page([entry for entry in shop.timeline(key) if kind in (None, entry["kind"])], limit, cursor)

    return routes


def _ticketing(world: World) -> APIRouter:
    routes = APIRouter(prefix="/v1/tickets")

    @routes.get("")
    async def tickets(
        q: str = "",
        status: str | None = None,
        customer: str | None = None,
        assignee: str | None = Query(default=None),
    ) -> Json:
        wanted = [
            ticket
            for ticket in world.tickets.values()
            if q.lower() in f"{ticket['number']} {ticket['subject']}".lower()
            and status in (None, ticket["status"])
            and customer in (None, ticket["customer"])
            and (assignee is None or (ticket["assignee"] or {}).get("id") == assignee)
        ]
        return _page(wanted, 50, None)

    @routes.get("/{key}")
    async def ticket(key: str) -> Json:
        return _found(world.tickets, key)

    @routes.post("", status_code=201)
    async def open_ticket(body: Json) -> Json:
        new = shop.ticket(f"t-{len(world.tickets) + 1}", 0, body["subject"]) | {"customer": body["customer"]}
        world.tickets[new["id"]] = new
        return new

    @routes.post("/{key}/replies", status_code=201)
    async def reply(key: str, body: Json) -> Json:
        found = _found(world.tickets, key)
        said = {"id": f"r-{len(found['replies']) + 1}", "name": "Dana Demo", "at": shop.ago(minutes=0)} | body
        world.tickets[key] = found | {"replies": [*found["replies"], said]}
        return world.tickets[key]

    @routes.patch("/{key}")
    async def change(key: str, body: Json) -> Json:
        world.tickets[key] = _found(world.tickets, key) | body
        return world.tickets[key]

    return routes


def _campaign() -> APIRouter:
    routes = APIRouter(prefix="/v1")

    @routes.get("/journeys")
    async def journeys() -> Json:
        return {"items": machinery.journeys()}

    @routes.get("/messages")
    async def messages(contact: str | None = None, limit: int = 50) -> Json:
        wanted = [message for message in machinery.messages() if contact in (None, message["contact"])]
        return _page(wanted, limit, None)

    return routes


def _capture() -> APIRouter:
    routes = APIRouter(prefix="/v1")

    @routes.get("/status")
    async def status() -> Json:
        return {"spooled": 0, "ticking": True}

    return routes
