"""Why something was noticed: the decision behind an alert, and the same number computed again."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Response

from console.clients import NotFound
from console.pages.visit import Id, Visiting, part
from console.views.features import features
from console.views.why import ACTIONS, comparison, shown_step, weighed

routes = APIRouter(prefix="/why")

RULE = "standing_query"


@routes.get("/{trigger_id}")
async def show(visit: Visiting, trigger_id: Id, step: Annotated[str | None, Query(max_length=80)] = None) -> Response:
    """`step` is the id of a decision; without it the newest one that was scored."""
    steps = (await visit.clients.analytics.decisions(trigger_id)).items
    if not steps:
        raise NotFound("Analytics", "Nothing is stored of this.")
    chosen = shown_step(steps, step)
    decision, names = await asyncio.gather(
        part(visit.clients.analytics.decision(chosen.id)), visit.names(chosen.customer)
    )
    shown = decision.value or chosen
    return visit.render(
        "why/page.html",
        shown=shown,
        check=decision.value.check if decision.value else None,
        problem=decision.problem,
        name=names.get(chosen.customer) or "Unnamed customer",
        comparison=comparison(shown.expected, shown.observed, of_rule=shown.kind == RULE),
        reasons=weighed(shown.reasons, by_model=shown.model is not None),
        features=features(shown.features, shown.observed.unit if shown.observed else None),
        steps=list(reversed(steps)),
        over=steps[0].action == "cleared",
        actions=ACTIONS,
    )
