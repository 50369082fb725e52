"""Preferences: the visitor's time zone, and what this browser may do when an alert arrives."""

from typing import Annotated
from zoneinfo import available_timezones

from fastapi import APIRouter, Form, Response

from common.problems import Problem
from console.pages.visit import Changing, Visiting, see

routes = APIRouter(prefix="/preferences")


@routes.get("")
async def show(visit: Visiting, done: str | None = None) -> Response:
    zones = sorted(zone for zone in available_timezones() if "/" in zone and not zone.startswith("Etc/"))
    return visit.render("preferences.html", zones=["UTC", *zones], done="Saved" if done else None)


@routes.post("")
async def save(visit: Changing, time_zone: Annotated[str, Form(max_length=64)]) -> Response:
    if time_zone not in available_timezones():
        raise Problem(422, "This is not a time zone of the list.")
    await visit.site.accounts.set_time_zone(visit.visitor, time_zone)
    return see("/preferences", done="saved")
