"""Alerts: what was noticed, and what was done about it."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Query, Response
from fastapi.responses import JSONResponse

from common.clock import rfc3339
from console.clients import UpstreamError
from console.clients.sales import Alert, OwnerBudget
from console.domain import local_path
from console.pages.visit import Changing, Id, Visit, Visiting, part, see
from console.views.alerts import KINDS, OUTCOMES, SNOOZES, STATUSES, AlertFilter, row, snooze_until

routes = APIRouter(prefix="/alerts")

SAID = {
    "acknowledge": "Acknowledged",
    "snooze": "Snoozed",
    "resolve": "Resolved",
    "reopen": "Opened again",
    "take": "Acknowledged: it is yours",
}


def wanted(
    visit: Visiting,
    status: Literal["open", "acknowledged", "snoozed", "resolved", "all"] = "open",
    kind: Annotated[str | None, Query(pattern=f"^({'|'.join(KINDS)})$")] = None,
    owner: Literal["me"] | None = None,
    more: Literal["1"] | None = None,
) -> AlertFilter:
    waiting = more is not None and status == "open"
    return AlertFilter(status, kind, visit.visitor.id if owner else None, waiting)


Wanted = Annotated[AlertFilter, Depends(wanted)]
Back = Annotated[str | None, Form()]


@routes.get("")
async def show(
    visit: Visiting, wanted: Wanted, cursor: str | None = None, done: str | None = None, alert: str | None = None
) -> Response:
    asked = visit.clients.sales.alerts(wanted.status, wanted.owner, wanted.kind, cursor, surfaced=wanted.surfaced)
    found = await part(asked)
    items = found.value.items if found.value else []
    names = await visit.names(*(item.customer.id for item in items if not item.customer.name))
    return visit.render(
        "alerts/page.html",
        found=found,
        wanted=wanted,
        waiting=found.value.waiting if found.value and wanted.surfaced else 0,
        budgets=await _budgets(visit, wanted) if wanted.more else [],
        rows=[row(item, names, visit.now) for item in items],
        last_seq=_resume_from(found.value.seq if found.value else None, items),
        statuses=STATUSES,
        kinds=KINDS,
        outcomes=OUTCOMES,
        snoozes=SNOOZES,
        done=SAID.get(done or ""),
        done_alert=alert if done and done != "reopen" else None,
        older=bool(cursor),
    )


async def _budgets(visit: Visit, wanted: AlertFilter) -> list[OwnerBudget]:
    """Of those for whom something waits."""
    found = await part(visit.clients.sales.alert_budgets(wanted.owner))
    return [one for one in found.value.items if one.waiting] if found.value else []


@routes.get("/more")
async def more(visit: Visiting, wanted: Wanted) -> Response:
    """The line that says how much waits, for the page's script."""
    found = await part(visit.clients.sales.alerts("open", wanted.owner, wanted.kind, limit=1))
    return visit.render("alerts/more.html", wanted=wanted, waiting=found.value.waiting if found.value else 0)


def _resume_from(told: int | None, items: list[Alert]) -> int:
    if told is not None:
        return told
    return max((item.seq for item in items if item.seq is not None), default=0)


@routes.post("/{alert_id}/acknowledge")
async def acknowledge(visit: Changing, wanted: Wanted, alert_id: Id, back: Back = None) -> Response:
    return await _change(visit, wanted, alert_id, "acknowledge", {}, back)


@routes.post("/{alert_id}/snooze")
async def snooze(
    visit: Changing,
    wanted: Wanted,
    alert_id: Id,
    until: Annotated[Literal["hour", "tomorrow", "week"], Form()],
    back: Back = None,
) -> Response:
    moment = snooze_until(until, visit.now, visit.visitor.zone)
    return await _change(visit, wanted, alert_id, "snooze", {"until": rfc3339(moment)}, back)


@routes.post("/{alert_id}/resolve")
async def resolve(
    visit: Changing,
    wanted: Wanted,
    alert_id: Id,
    outcome: Annotated[Literal["contacted", "recovered", "lost", "no_action", "false_alarm"], Form()],
    note: Annotated[str, Form(max_length=5000)] = "",
    back: Back = None,
) -> Response:
    body = {"outcome": outcome} | ({"note": note.strip()} if note.strip() else {})
    return await _change(visit, wanted, alert_id, "resolve", body, back)


@routes.post("/{alert_id}/reopen")
async def reopen(visit: Changing, wanted: Wanted, alert_id: Id, back: Back = None) -> Response:
    return await _change(visit, wanted, alert_id, "reopen", {}, back)


@routes.post("/{alert_id}/take")
async def take(visit: Changing, alert_id: Id) -> Response:
    """The suggested step: acknowledges and shows the customer, with the ways to reach them."""
    alert = await visit.clients.sales.alert(alert_id)
    if alert.status == "open":
        alert = await visit.clients.sales.change_alert(alert_id, "acknowledge", {})
    return see(f"/customers/{alert.customer.id}", done="take", alert=alert_id)


async def _change(
    visit: Visit, wanted: AlertFilter, alert_id: str, action: str, body: dict[str, str], back: str | None
) -> Response:
    """With script: the changed row as JSON; without: back to the page, which offers to undo."""
    scripted = "application/json" in visit.request.headers.get("accept", "")
    try:
        alert = await visit.clients.sales.change_alert(alert_id, action, body)
    except UpstreamError as error:
        if not scripted:
            raise
        return JSONResponse({"problem": f"{error.service}: {error.detail}"}, status_code=502)
    if scripted:
        return JSONResponse(await told(visit, wanted, alert) | {"said": SAID[action]})
    page = local_path(back)
    joined = "&" if "?" in page else "?"
    return see(f"{page}{joined}done={action}&alert={alert_id}")


async def told(visit: Visit, wanted: AlertFilter, alert: Alert) -> dict[str, object]:
    """An alert as the page's script takes it: its row, and whether the page's filter shows it."""
    names = {} if alert.customer.name else await visit.names(alert.customer.id)
    made = row(alert, names, visit.now)
    values = {"wanted": wanted, "outcomes": OUTCOMES, "snoozes": SNOOZES}
    return {
        "id": alert.id,
        "seq": alert.seq,
        "shown": wanted.shows(alert),
        "status": alert.status,
        "title": f"{made.name}: {alert.sentence}",
        "html": visit.fragment("alerts/row.html", row=made, **values),
    }
