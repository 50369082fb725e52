"""The Jinja environment: escaping always, names that must exist, filters in the visitor's time zone."""

import hashlib
from collections.abc import Callable
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from console.views import wording

_PACKAGE = Path(__file__).parent
STATIC = _PACKAGE / "static"
VENDOR = {"htmx.js": "htmx.org/dist/htmx.min.js", "echarts.js": "echarts/dist/echarts.common.min.js"}


def environment(node_modules: Path) -> Environment:
    env = Environment(
        loader=FileSystemLoader(_PACKAGE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    env.filters.update(
        words=wording.words,
        money=wording.money,
        number=wording.number,
        brief=wording.brief,
        percent=wording.percent,
        initials=wording.initials,
        days=wording.days,
        ago=_ago,
        clock=_clock,
        day=_day,
    )
    env.globals["static"] = versioned(node_modules)
    return env


def versioned(node_modules: Path) -> Callable[[str], str]:
    """Addresses that change with the file, so that browsers may keep it for ever. `vendor/…` is one of VENDOR."""

    @cache
    def address(name: str) -> str:
        vendor = VENDOR.get(name.removeprefix("vendor/"))
        path = node_modules / vendor if vendor else STATIC / name
        version = hashlib.sha256(path.read_bytes()).hexdigest()[:10] if path.is_file() else "0"
        return f"/static/{name}?v={version}"

    return address


def _zone(context: Context) -> ZoneInfo:
    zone: ZoneInfo = context["zone"]
    return zone


def _time(moment: datetime, text: str, title: str, kind: str) -> Markup:
    iso = moment.isoformat()
    return Markup('<time datetime="{}" title="{}" data-time="{}">{}</time>').format(iso, title, kind, text)


@pass_context
def _ago(context: Context, moment: datetime | None) -> Any:
    """`4 min ago`, the exact moment on hover; the browser keeps it true."""
    if moment is None:
        return "—"
    return _time(moment, wording.ago(moment, context["now"]), wording.absolute(moment, _zone(context)), "ago")


@pass_context
def _clock(context: Context, moment: datetime) -> Any:
    title = wording.absolute(moment, _zone(context))
    return _time(moment, wording.clock_time(moment, _zone(context)), title, "clock")


@pass_context
def _day(context: Context, moment: datetime | None) -> Any:
    if moment is None:
        return "—"
    title = wording.absolute(moment, _zone(context))
    return _time(moment, wording.short_date(moment, _zone(context)), title, "day")
