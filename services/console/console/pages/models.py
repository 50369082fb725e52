"""Models: what each has learned and how well it does; managers choose the version that is scored with."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Path, Response

from console.clients import Forbidden, NotFound
from console.clients.analytics.models import Model
from console.pages.visit import Changing, Visit, Visiting, part, see
from console.views.figures import contenders, matches, told
from console.views.models import (
    calibration,
    calibration_chart,
    progress_chart,
    use_of,
    verdict,
)

routes = APIRouter(prefix="/models")

Name = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_]{0,60}$")]
SAID = {
    "pinned": "Pinned: this version is scored with until the pin is taken off",
    "unpinned": "The pin is off: the newest version is scored with again",
    "rolled-back": "Rolled back, and pinned there until the pin is taken off",
}
DECIDES = frozenset({"admin", "manager"})


@routes.get("")
async def show(visit: Visiting) -> Response:
    found = await part(visit.clients.analytics.models())
    judged = [_judged(model, parts=False) for model in (found.value.items if found.value else [])]
    return visit.render("models/page.html", found=found, judged=judged)


@routes.get("/{name}")
async def one(visit: Visiting, name: Name, done: str | None = None) -> Response:
    versions = (await visit.clients.analytics.versions(name)).items
    if not versions:
        raise NotFound("Analytics", "There is no such model.")
    used = next((model for model in versions if model.in_use), versions[0])
    return visit.render(
        "models/model.html",
        versions=versions,
        use=use_of(versions),
        progress=progress_chart(versions),
        decides=bool(visit.visitor.roles & DECIDES),
        done=SAID.get(done or ""),
        **_judged(used, parts=True),
    )


@routes.post("/{name}/pin")
async def pin(visit: Changing, name: Name, version: Annotated[int, Form(ge=1)]) -> Response:
    _must_decide(visit)
    await visit.clients.analytics.pin(name, version)
    return see(f"/models/{name}", done="pinned")


@routes.post("/{name}/unpin")
async def unpin(visit: Changing, name: Name) -> Response:
    _must_decide(visit)
    await visit.clients.analytics.unpin(name)
    return see(f"/models/{name}", done="unpinned")


@routes.post("/{name}/roll-back")
async def roll_back(visit: Changing, name: Name) -> Response:
    _must_decide(visit)
    await visit.clients.analytics.roll_back(name)
    return see(f"/models/{name}", done="rolled-back")


def _judged(model: Model, *, parts: bool) -> dict[str, Any]:
    """A version with what a page draws of it."""
    return {
        "model": model,
        "verdict": verdict(model),
        "figures": told(model, parts=parts),
        "matches": matches(model),
        "contenders": contenders(model),
        "points": calibration(model.calibration),
        "curve": calibration_chart(model.calibration),
    }


def _must_decide(visit: Visit) -> None:
    """Analytics asks the same; here it spares a call."""
    if not visit.visitor.roles & DECIDES:
        raise Forbidden("Analytics", "This needs the role of a manager.")
