"""HTTP routes: requests in, use cases, answers out."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from sqlalchemy.ext.asyncio import AsyncSession

from common.application import Transaction
from common.auth import Caller, require
from common.problems import not_found
from sales.domain import LeadStatus
from sales.repository import alerts as alert_rows
from sales.repository import leads as lead_rows
from sales.repository import routing as routing_rows
from sales.repository.alerts import Wanted
from sales.repository.budget import Used
from sales.schemas import (
    Alert,
    AlertFilter,
    AlertPage,
    BudgetPage,
    Lead,
    LeadChange,
    LeadPage,
    Owner,
    OwnerBudget,
    OwnerChange,
    OwnerPage,
    Resolution,
    Snooze,
    Surfaced,
)
from sales.service.alerts import Alerts
from sales.service.budget import Budget
from sales.service.leads import Leads

_SEES = Depends(require("sales", "manager", "support", "marketing", "service"))
_SELLS = Depends(require("sales", "manager", "service"))
_ADMINISTERS = Depends(require("service"))

Id = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.:@+-]{1,100}$")]
Word = Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00]*$")]
Limit = Annotated[int, Query(ge=1, le=200)]


def alert_router(alerts: Alerts) -> APIRouter:
    routes = APIRouter(prefix="/v1/alerts", tags=["alerts"])

    @routes.get("", dependencies=[_SEES])
    async def list_alerts(
        session: Transaction,
        status: AlertFilter = "active",
        surfaced: Surfaced = "all",
        owner: Word = None,
        kind: Word = None,
        customer: Word = None,
        limit: Limit = 50,
        cursor: str | None = None,
    ) -> AlertPage:
        # The head first: whatever has its place by then is on the page.
        head = await alert_rows.stream_head(session)
        wanted, shown = Wanted(owner, kind, customer), None if surfaced == "all" else surfaced == "true"
        found = await alert_rows.search(
            session, status=status, surfaced=shown, wanted=wanted, limit=limit, cursor=cursor
        )
        waiting = await alert_rows.count_waiting(session, wanted)
        items = [Alert.of(row, seq) for row, seq in found.items]
        return AlertPage(items=items, next=found.next, seq=head, waiting=waiting)

    @routes.get("/{alert_id}", dependencies=[_SEES])
    async def show_alert(alert_id: Id, session: Transaction) -> Alert:
        return await _alert(session, alert_id)

    @routes.post("/{alert_id}/acknowledge", dependencies=[_SELLS])
    async def acknowledge(alert_id: Id, caller: Caller, session: Transaction) -> Alert:
        await alerts.acknowledge(session, alert_id, caller)
        return await _alert(session, alert_id)

    @routes.post("/{alert_id}/snooze", dependencies=[_SELLS])
    async def snooze(alert_id: Id, wish: Snooze, caller: Caller, session: Transaction) -> Alert:
        await alerts.snooze(session, alert_id, wish.until, caller)
        return await _alert(session, alert_id)

    @routes.post("/{alert_id}/resolve", dependencies=[_SELLS])
    async def resolve(alert_id: Id, resolution: Resolution, caller: Caller, session: Transaction) -> Alert:
        await alerts.resolve(session, alert_id, resolution.outcome, resolution.note, caller)
        return await _alert(session, alert_id)

    @routes.post("/{alert_id}/reopen", dependencies=[_SELLS])
    async def reopen(alert_id: Id, caller: Caller, session: Transaction) -> Alert:
        await alerts.reopen(session, alert_id, caller)
        return await _alert(session, alert_id)

    return routes


async def _alert(session: AsyncSession, alert_id: str) -> Alert:
    found = await alert_rows.find(session, alert_id)
    if found is None:
        raise not_found("alert")
    return Alert.of(*found)


def lead_router(leads: Leads) -> APIRouter:
    routes = APIRouter(prefix="/v1/leads", tags=["leads"])

    @routes.get("", dependencies=[_SEES])
    async def list_leads(
        session: Transaction,
        q: Word = None,
        status: LeadStatus | None = None,
        owner: Word = None,
        limit: Limit = 50,
        cursor: str | None = None,
    ) -> LeadPage:
        found = await lead_rows.search(session, text=q, status=status, owner=owner, limit=limit, cursor=cursor)
        return LeadPage(items=[Lead.of(row) for row in found.items], next=found.next)

    @routes.get("/{lead_id}", dependencies=[_SEES])
    async def show_lead(lead_id: Id, session: Transaction) -> Lead:
        row = await lead_rows.find(session, lead_id)
        if row is None:
            raise not_found("lead")
        return Lead.of(row)

    @routes.patch("/{lead_id}", dependencies=[_SELLS])
    async def change_lead(lead_id: Id, change: LeadChange, caller: Caller, session: Transaction) -> Lead:
        return Lead.of(await leads.change(session, lead_id, change.status, change.reason, caller))

    return routes


def owner_router(budget: Budget) -> APIRouter:
    routes = APIRouter(prefix="/v1", tags=["owners"])

    @routes.get("/alert-budget", dependencies=[_SEES])
    async def show_budgets(session: Transaction, owner: Word = None) -> BudgetPage:
        used = await budget.used(session)
        rows = [row for row in await routing_rows.owners(session) if owner in (None, row.id) and row.active]
        return BudgetPage(items=[OwnerBudget.of(row, budget.per_day, used.get(row.id, Used(0, 0))) for row in rows])

    @routes.get("/owners", dependencies=[_SEES])
    async def list_owners(session: Transaction) -> OwnerPage:
        rows = await routing_rows.owners(session)
        return OwnerPage(items=[Owner.model_validate(row, from_attributes=True) for row in rows])

    @routes.put("/owners/{owner_id}", dependencies=[_ADMINISTERS])
    async def put_owner(owner_id: Id, owner: OwnerChange, session: Transaction) -> Owner:
        await routing_rows.put_owner(session, owner_id, owner.name, owner.email, owner.active)
        return Owner(id=owner_id, **owner.model_dump())

    return routes
