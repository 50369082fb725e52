"""Watch for…: standing queries, written, checked while one types, tried on the last days, ended."""

import asyncio
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Form, Query, Response

from console.clients import Forbidden, Refused
from console.clients.analytics.queries import DryRun, RuleCheck
from console.pages.visit import Changing, Id, Part, Visit, Visiting, part, see
from console.views import rule as rules

routes = APIRouter(prefix="/watch")

WRITES = frozenset({"admin", "manager", "marketing"})
SAID = {
    "saved": "Saved. It speaks as soon as it knows what was before",
    "ended": "It is not watched for any more",
}
Severity = Literal["high", "medium", "low"]
Direction = Literal["bad", "good"]
_LONGEST_RULE, _LONGEST_NAME = 4_000, 120


@dataclass(frozen=True)
class Draft:
    """What stands in the editor."""

    name: str = ""
    rule: str = ""
    severity: Severity = "medium"
    direction: Direction = "bad"
    days: int = 30


def written(
    name: Annotated[str, Form(max_length=_LONGEST_NAME)] = "",
    rule: Annotated[str, Form(max_length=_LONGEST_RULE)] = "",
    severity: Annotated[Severity, Form()] = "medium",
    direction: Annotated[Direction, Form()] = "bad",
    days: Annotated[int, Form(ge=1, le=400)] = 30,
) -> Draft:
    return Draft(name.strip(), rules.cleaned(rule), severity, direction, days)


Drafted = Annotated[Draft, Depends(written)]


@routes.get("")
async def show(visit: Visiting, ended: Literal["1"] | None = None, cursor: str | None = None) -> Response:
    found = await part(visit.clients.analytics.queries(ended=ended is not None, cursor=cursor))
    queries = [query for query in (found.value.items if found.value else []) if bool(query.ended_at) == bool(ended)]
    people = await visit.site.accounts.names(query.created_by for query in queries)
    return visit.render(
        "watch/page.html", found=found, queries=queries, people=people, ended=ended, writes=_writes(visit)
    )


@routes.get("/new")
async def blank(
    visit: Visiting,
    rule: Annotated[str, Query(max_length=_LONGEST_RULE)] = "",
    name: Annotated[str, Query(max_length=_LONGEST_NAME)] = "",
) -> Response:
    draft = Draft(name=name, rule=rules.cleaned(rule))
    checked = await part(visit.clients.analytics.check(draft.rule)) if draft.rule else None
    return _editor(visit, draft, checked=checked)


@routes.post("/check")
async def check(visit: Changing, draft: Drafted) -> Response:
    """What the rule means, or what is wrong with it and where."""
    checked = await part(visit.clients.analytics.check(draft.rule)) if draft.rule.strip() else None
    if visit.wants_fragment:
        return visit.render("watch/checked.html", **_checked(draft, checked))
    return _editor(visit, draft, checked=checked)


@routes.post("/try")
async def dry_run(visit: Changing, draft: Drafted) -> Response:
    """What the rule would have said in the last days."""
    checked, tried = await _tried(visit, draft)
    names = await visit.names(*(item.customer for item in tried.value.items)) if tried and tried.value else {}
    if visit.wants_fragment:
        return visit.render("watch/tried.html", **_trial(visit, tried, names), **_checked(draft, checked))
    return _editor(visit, draft, checked=checked, tried=tried, names=names)


@routes.post("")
async def save(visit: Changing, draft: Drafted) -> Response:
    _must_write(visit)
    checked = await visit.clients.analytics.check(draft.rule)
    if not checked.ok or not draft.name:
        problem = "" if draft.name else "Give the rule a name: its alerts begin with it."
        return _editor(visit, draft, checked=Part(checked), problem=problem, status=422)
    wanted = {"name": draft.name, "rule": draft.rule, "severity": draft.severity, "direction": draft.direction}
    try:
        saved = await visit.clients.analytics.save_query(wanted)
    except Refused as error:
        return _editor(visit, draft, checked=Part(checked), problem=error.detail, status=422)
    return see(f"/watch/{saved.id}", done="saved")


@routes.get("/{query_id}")
async def one(visit: Visiting, query_id: Id, done: str | None = None) -> Response:
    analytics = visit.clients.analytics
    query, told = await asyncio.gather(analytics.query(query_id), part(analytics.told_by_queries()))
    items = [trigger for trigger in (told.value.items if told.value else []) if trigger.rule == query.id]
    names, people = await asyncio.gather(
        visit.names(*(trigger.customer for trigger in items)), visit.site.accounts.names([query.created_by])
    )
    return visit.render(
        "watch/rule.html",
        query=query,
        told=told,
        items=items,
        names=names,
        people=people,
        draft=Draft(rule=query.rule),
        days=rules.DAYS,
        writes=_writes(visit),
        done=SAID.get(done or ""),
    )


@routes.post("/{query_id}/end")
async def end(visit: Changing, query_id: Id) -> Response:
    _must_write(visit)
    await visit.clients.analytics.end_query(query_id)
    return see(f"/watch/{query_id}", done="ended")


async def _tried(visit: Visit, draft: Draft) -> tuple[Part[RuleCheck], Part[DryRun] | None]:
    """Of a rule that is wrong only the check."""
    checked = await part(visit.clients.analytics.check(draft.rule))
    if checked.value is None:
        return checked, Part(None, checked.problem)
    if not checked.value.ok:
        return checked, None
    return checked, await part(visit.clients.analytics.dry_run(draft.rule, draft.days))


def _editor(
    visit: Visit,
    draft: Draft,
    *,
    checked: Part[RuleCheck] | None = None,
    tried: Part[DryRun] | None = None,
    names: dict[str, str] | None = None,
    problem: str = "",
    status: int = 200,
) -> Response:
    page = visit.render(
        "watch/editor.html",
        problem=problem,
        days=rules.DAYS,
        examples=rules.EXAMPLES,
        writes=_writes(visit),
        **_checked(draft, checked),
        **_trial(visit, tried, names or {}),
    )
    page.status_code = status
    return page


def _checked(draft: Draft, checked: Part[RuleCheck] | None) -> dict[str, Any]:
    errors = checked.value.errors if checked and checked.value else []
    return {
        "draft": draft,
        "checked": checked,
        "errors": [(error.detail, rules.excerpt(draft.rule, error.position)) for error in errors],
    }


def _trial(visit: Visit, tried: Part[DryRun] | None, names: dict[str, str]) -> dict[str, Any]:
    trial, zone = tried.value if tried else None, visit.visitor.zone
    return {
        "tried": tried,
        "names": names,
        "bars": rules.firings(trial, zone) if trial else [],
        "span": rules.span(trial, zone) if trial else None,
    }


def _writes(visit: Visit) -> bool:
    return bool(visit.visitor.roles & WRITES)


def _must_write(visit: Visit) -> None:
    """Analytics asks the same; here it spares a call."""
    if not _writes(visit):
        raise Forbidden("Analytics", "This needs the role of a manager or of marketing.")
