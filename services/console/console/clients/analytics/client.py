"""Calls to the analytics service."""

from typing import Any
from urllib.parse import quote

from console.clients.analytics.customers import Profile, TriggerPage
from console.clients.analytics.decisions import DecisionPage, ExplainedDecision
from console.clients.analytics.models import Models
from console.clients.analytics.offers import BoughtWith, Offers
from console.clients.analytics.queries import DryRun, RuleCheck, StandingQueries, StandingQuery
from console.clients.analytics.runtime import Runtime
from console.clients.analytics.segments import Segments
from console.clients.base import Answer, Upstream

MOST_STEPS = 200
DRY_RUN_SECONDS = 40.0  # analytics gives itself twenty


class AnalyticsClient(Upstream):
    label = "Analytics"

    async def profile(self, customer: str) -> Profile:
        return await self._get(f"/v1/customers/{customer}", Profile)

    async def offers(self, customer: str, limit: int = 5) -> Offers:
        return await self._get(f"/v1/customers/{customer}/offers", Offers, limit=limit)

    async def bought_with(self, sku: str) -> BoughtWith:
        return await self._get(f"/v1/products/{quote(sku)}/bought-with", BoughtWith)

    async def segments(self) -> Segments:
        return await self._get("/v1/segments", Segments)

    async def runtime(self) -> Runtime:
        return await self._get("/v1/runtime", Runtime)

    # -- why --------------------------------------------------------------------------------------

    async def decisions(self, trigger: str) -> DecisionPage:
        """The steps of a trigger, newest first."""
        return await self._get("/v1/decisions", DecisionPage, trigger=trigger, limit=MOST_STEPS)

    async def decision(self, decision_id: str) -> ExplainedDecision:
        return await self._get(f"/v1/decisions/{decision_id}", ExplainedDecision)

    # -- models -----------------------------------------------------------------------------------

    async def models(self) -> Models:
        """The newest version of each."""
        return await self._get("/v1/models", Models)

    async def versions(self, name: str, limit: int = 30) -> Models:
        """Newest first."""
        return await self._get(f"/v1/models/{name}/versions", Models, limit=limit)

    async def pin(self, name: str, version: int) -> None:
        await self._send("PUT", f"/v1/models/{name}/pin", Answer, {"version": version})

    async def unpin(self, name: str) -> None:
        await self._call("DELETE", f"/v1/models/{name}/pin", Answer)

    async def roll_back(self, name: str) -> None:
        await self._call("POST", f"/v1/models/{name}/rollback", Answer)

    # -- standing queries -------------------------------------------------------------------------

    async def queries(self, *, ended: bool, cursor: str | None = None) -> StandingQueries:
        return await self._get("/v1/queries", StandingQueries, ended=str(ended).lower(), cursor=cursor)

    async def query(self, query_id: str) -> StandingQuery:
        return await self._get(f"/v1/queries/{query_id}", StandingQuery)

    async def check(self, rule: str) -> RuleCheck:
        return await self._send("POST", "/v1/queries/check", RuleCheck, {"rule": rule})

    async def dry_run(self, rule: str, days: int) -> DryRun:
        """Reads the log, so it may take a while."""
        body = {"rule": rule, "days": days}
        return await self._call("POST", "/v1/queries/dry-run", DryRun, json=body, timeout=DRY_RUN_SECONDS)

    async def save_query(self, wanted: dict[str, Any]) -> StandingQuery:
        return await self._send("POST", "/v1/queries", StandingQuery, wanted)

    async def end_query(self, query_id: str) -> None:
        await self._call("DELETE", f"/v1/queries/{query_id}", Answer)

    async def told_by_queries(self) -> TriggerPage:
        """What standing queries noticed, newest first."""
        return await self._get("/v1/triggers", TriggerPage, kind="standing_query", status="all", limit=200)
