"""The sales service: alerts and leads."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from typing import Any

import httpx
from pydantic import Field, ValidationError

from console.clients.analytics.customers import Measure, PastOrder, Reason, Step
from console.clients.base import Answer, Person, Unavailable, Upstream
from console.clients.eventstream import events

# Sales says something at least every 15 s.
STREAM_TIMEOUT = httpx.Timeout(20.0, connect=2.0)


class Alert(Answer):
    id: str
    seq: int | None = None
    status: str
    kind: str
    direction: str = "bad"
    severity: str
    customer: Person
    sentence: str
    expected: Measure | None = None
    observed: Measure | None = None
    score: float | None = None
    reasons: list[Reason] = Field(default_factory=list)
    recent_orders: list[PastOrder] = Field(default_factory=list)
    suggested_step: Step | None = None
    owner: Person | None = None
    created_at: datetime
    surfaced: bool = True
    due_at: datetime | None = None
    snoozed_until: datetime | None = None
    resolved_at: datetime | None = None
    outcome: str | None = None
    note: str | None = None
    model_version: str | None = None
    trigger_id: str | None = None
    cleared_at: datetime | None = None

    @property
    def waits(self) -> bool:
        """Whether it waits for room in its owner's day."""
        return self.status == "open" and not self.surfaced


class AlertPage(Answer):
    """`seq` is where the stream has to resume so that it misses nothing of what this page shows.

    `waiting` counts what waits of this owner and kind, whatever the page shows.
    """

    items: list[Alert]
    next: str | None = None
    seq: int | None = None
    waiting: int = 0


class OwnerBudget(Answer):
    """`admitted_today` of `budget` alerts were shown to the owner within 24 hours; a budget of nought is no limit."""

    owner: Person
    budget: int
    admitted_today: int = 0
    waiting: int = 0


class Budgets(Answer):
    items: list[OwnerBudget]


class Touch(Answer):
    at: datetime | None = None
    source: str | None = None
    form: str | None = None
    message: str | None = None


class Lead(Answer):
    id: str
    customer: str | None = None
    name: str | None = None
    email: str | None = None
    phone: str | None = None
    company: str | None = None
    message: str | None = None
    source: str | None = None
    status: str
    reason: str | None = None
    owner: Person | None = None
    created_at: datetime
    respond_by: datetime | None = None
    responded_at: datetime | None = None
    touches: list[Touch] = Field(default_factory=list)

    @property
    def title(self) -> str:
        return self.name or self.email or self.phone or "Unnamed lead"


class LeadPage(Answer):
    items: list[Lead]
    next: str | None = None


class Owner(Answer):
    id: str
    name: str
    email: str | None = None
    active: bool = True


class Owners(Answer):
    items: list[Owner]


class SalesClient(Upstream):
    label = "Sales"

    async def alerts(
        self,
        status: str,
        owner: str | None = None,
        kind: str | None = None,
        cursor: str | None = None,
        *,
        surfaced: bool | None = None,
        limit: int | None = None,
    ) -> AlertPage:
        """`surfaced`: only what is before people, or only what waits; None: both."""
        shown = None if surfaced is None else str(surfaced).lower()
        wanted = {"status": status, "owner": owner, "kind": kind, "surfaced": shown, "cursor": cursor, "limit": limit}
        return await self._get("/v1/alerts", AlertPage, **wanted)

    async def alert_budgets(self, owner: str | None) -> Budgets:
        return await self._get("/v1/alert-budget", Budgets, owner=owner)

    async def alert(self, alert_id: str) -> Alert:
        return await self._get(f"/v1/alerts/{alert_id}", Alert)

    async def change_alert(self, alert_id: str, action: str, body: dict[str, Any]) -> Alert:
        """`action` is acknowledge, snooze, resolve or reopen."""
        return await self._send("POST", f"/v1/alerts/{alert_id}/{action}", Alert, body)

    async def alert_stream(self, last_id: int | None) -> AsyncGenerator[Alert | None]:
        """Alerts as they change, from after `last_id` on; None for a sign of life.

        Raises Unavailable when it ends.
        """
        headers = self._headers | ({"Last-Event-ID": str(last_id)} if last_id is not None else {})
        request = self._http.stream("GET", f"{self._url}/v1/alerts/stream", headers=headers, timeout=STREAM_TIMEOUT)
        try:
            async with request as response:
                if response.status_code != 200:
                    await response.aread()
                    self._check(response)
                yield None
                async with aclosing(events(response.aiter_lines())) as incoming:
                    async for event in incoming:
                        yield Alert.model_validate_json(event.data) if event.name == "alert" else None
        except (httpx.HTTPError, ValidationError) as error:
            raise Unavailable(self.label, "The stream of alerts broke off.") from error
        raise Unavailable(self.label, "The stream of alerts ended.")

    async def leads(self, query: str | None, status: str | None, owner: str | None, cursor: str | None) -> LeadPage:
        return await self._get("/v1/leads", LeadPage, q=query or None, status=status, owner=owner, cursor=cursor)

    async def lead(self, lead_id: str) -> Lead:
        return await self._get(f"/v1/leads/{lead_id}", Lead)

    async def change_lead(self, lead_id: str, status: str, reason: str | None) -> Lead:
        body = {"status": status} | ({"reason": reason} if reason else {})
        return await self._send("PATCH", f"/v1/leads/{lead_id}", Lead, body)

    async def owners(self) -> Owners:
        return await self._get("/v1/owners", Owners)

    async def announce_owner(self, owner_id: str, name: str, email: str) -> None:
        await self._send("PUT", f"/v1/owners/{owner_id}", Answer, {"name": name, "email": email, "active": True})
