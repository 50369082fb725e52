"""report.json: what a replay found, in numbers. Made of the log and the settings alone, so it is the same each time."""

from pathlib import Path
from typing import Any

import numpy as np
import orjson

from heed.replay.driver import Driver
from heed.replay.options import Columns, Exclusion, Settings
from heed.replay.reading import Log
from heed.replay.results import Results
from heed.replay.rows import DAY

SETTLED_DAY = 140  # from this day of the log on, models are judged that have had time to learn
REPORT_FILE, TIMINGS_FILE = "report.json", "timings.json"


def report_of(
    file: Path,
    columns: Columns,
    exclusions: tuple[Exclusion, ...],
    settings: Settings,
    log: Log,
    driver: Driver,
    results: Results,
) -> dict[str, Any]:
    """All of it; see docs/replay.md for what each figure means."""
    return {
        "log": _log(file, log),
        "settings": {
            "columns": columns.named(),
            "exclude": [{"column": e.column, "values": list(e.values)} for e in exclusions],
            "score_every_days": settings.score_every,
            "horizon_days": settings.horizon,
            "warm_up_days": settings.warm_up,
            "currency": settings.currency,
        },
        "churn": _churn(log, settings, results),
        "scores": {
            "rows": results.scored_rows,
            "customers_with_enough_evidence": results.last_enough,
            "segments": dict(sorted(results.last_segments.items())),
        },
        "alerts": _alerts(log, settings, results),
        "models": {name: {"examples": x.examples, **x.figures()} for name, x in sorted(driver.learners.items())},
    }


def write_json(path: Path, content: dict[str, Any]) -> None:
    """With sorted keys, so that the same content is the same file."""
    options = orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
    path.write_bytes(orjson.dumps(content, option=options) + b"\n")


def _log(file: Path, log: Log) -> dict[str, Any]:
    return {
        "file": file.name,
        "rows": log.rows,
        "excluded": log.excluded,
        "refused": len(log.refused.rows),
        "refused_because": dict(sorted(log.refused.counts().items())),
        "events": len(log),
        "orders": int((log.amount >= 0).sum()),
        "returns": int((log.amount < 0).sum()),
        "customers": len(log.customers),
        "first_at": _moment(log.time.min()) if len(log) else None,
        "last_at": _moment(log.time.max()) if len(log) else None,
        "days": (log.end - log.start) // DAY,
    }


def _churn(log: Log, settings: Settings, results: Results) -> dict[str, Any]:
    warm = log.start + settings.warm_up * DAY
    judge = results.judge
    return {
        "label": f"no order within {settings.horizon} days",
        f"from_day_{SETTLED_DAY}": judge.pooled(log.start + (SETTLED_DAY + 1) * DAY),
        "after_warm_up": judge.pooled(warm),
        "by_moment": judge.progress(warm),
    }


def _alerts(log: Log, settings: Settings, results: Results) -> dict[str, Any]:
    alerts = results.alerts
    raised = sum(alerts.raised.values())
    after = int((log.time >= log.start + settings.warm_up * DAY).sum())
    return {
        "events_after_warm_up": after,
        "raised": raised,
        "raised_per_1000_events": round(1000 * raised / after, 4) if after else None,
        "raised_by_kind": dict(sorted(alerts.raised.items())),
        "steps": dict(sorted(alerts.steps.items())),
        "customers": len(alerts.customers),
        "events_flagged": results.flagged,
        "system_alarms": alerts.alarms,
        "over_time": alerts.over_time(),
        "examples": alerts.examples(),
    }


def _moment(time: np.int64) -> str:
    return f"{np.datetime64(int(time), 'us').astype('datetime64[s]')}Z"
