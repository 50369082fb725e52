"""report.html: the report to look at. One file that needs no other, no script and no network."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from heed.replay import pictures
from heed.replay.pictures import Series
from heed.replay.report import SETTLED_DAY

PAGE_FILE = "report.html"


def write_page(path: Path, report: Mapping[str, Any]) -> None:
    """The same report is the same page."""
    environment = Environment(
        loader=PackageLoader("heed.replay", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {"n": _whole, "f": _figure, "words": _words}
    judged = report["churn"][f"from_day_{SETTLED_DAY}"]
    page = environment.get_template("page.html.j2").render(
        **report,
        judged=judged or report["churn"]["after_warm_up"],
        since=f"day {SETTLED_DAY}" if judged else "the warm-up",
        pictures=_pictures(report, judged or report["churn"]["after_warm_up"]),
        examples=[_example(example) for example in report["alerts"]["examples"]],
    )
    path.write_text(page, encoding="utf-8")


def _pictures(report: Mapping[str, Any], judged: Mapping[str, Any] | None) -> dict[str, Markup]:
    moments, spans = report["churn"]["by_moment"], report["alerts"]["over_time"]
    found = {
        "events": pictures.bars([s["from"] for s in spans], [s["events"] for s in spans], "Events over time", "quiet"),
        "alerts": pictures.bars(
            [s["from"] for s in spans],
            [1000 * s["raised"] / s["events"] if s["events"] else 0.0 for s in spans],
            "Alerts raised per 1,000 events over time",
        ),
    }
    if judged and moments:
        days = [m["as_of"] for m in moments]
        found["auc"] = pictures.lines(
            days, _progress(moments, "auc"), "AUC over time", level=judged["auc_of_recency_alone"]
        )
        found["brier"] = pictures.lines(days, _progress(moments, "brier"), "Brier score over time")
        found["calibration"] = pictures.reliability(judged["calibration"], "What was predicted against what came")
    return found


def _progress(moments: Sequence[Mapping[str, Any]], name: str) -> list[Series]:
    return [
        Series([m[name] for m in moments], "faint", dots=True),
        Series([m[f"{name}_so_far"] for m in moments], "line"),
    ]


def _example(data: Mapping[str, Any]) -> dict[str, Any]:
    orders = [(datetime.fromisoformat(o["at"]), float(o["total"])) for o in data["recent_orders"]]
    time = datetime.fromisoformat(data["time"])
    say = f"The last {len(orders)} orders before the alert"
    picture = pictures.rhythm(orders, time, say, good=data["direction"] == "good") if orders else None
    return {**data, "day": f"{time:%d %B %Y}", "picture": picture}


def _whole(value: int) -> str:
    return f"{value:,}"


def _figure(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def _words(slug: str) -> str:
    return slug.replace("_", " ")
