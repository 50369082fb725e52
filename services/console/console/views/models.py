"""How well models do: whether they help, whether probabilities come true, which version is in use."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from console.clients.analytics.models import CalibrationBin, Model
from console.views.figures import matches, number_of


@dataclass(frozen=True)
class Point:
    """A bin of predictions: places in a square of 100 by 100, y downwards."""

    x: float
    y: float
    r: float
    said: str


def calibration(bins: Sequence[CalibrationBin]) -> list[Point]:
    """Bins without examples are left out; the area of a point is its share of the examples."""
    total = sum(b.count for b in bins)
    return [
        Point(
            round(b.predicted * 100, 1),
            round(100 - b.observed * 100, 1),
            round(1.6 + 6 * (b.count / total) ** 0.5, 1),
            f"Predicted {b.predicted:.0%}, came true {b.observed:.0%} ({b.count:,} examples)",
        )
        for b in bins
        if b.count > 0 and 0 <= b.predicted <= 1 and 0 <= b.observed <= 1
    ]


LEAST_EXAMPLES = 200
_RANGE_WANTED, _RANGE_OFF = 0.8, 0.05
_COUNTS = ("judged", "orders", "gaps")  # of what was judged, by the name the learner gives it


def verdict(model: Model) -> tuple[str, str]:
    """(level, words) for a model's health: whether it helps, and whether its numbers can be believed."""
    if model.examples < LEAST_EXAMPLES:
        return "unknown", "Not enough evidence yet"
    if model.auc is None and "auc" not in model.figures and model.figures:
        return _other(model)
    if model.auc is None:
        return "unknown", "Not enough evidence yet"
    if model.auc < 0.6:
        return "alarm", "Hardly better than guessing"
    off = calibration_error(model.calibration)
    if off is not None and off > 0.1:
        return "watch", f"Sorts customers, but is off by {off:.0%} on average"
    return "ok", "Healthy"


def _other(model: Model) -> tuple[str, str]:
    """Of a model that gives no probabilities: held against its rivals, and its ranges against what came."""
    judged = next((count for name in _COUNTS if (count := number_of(model.figures, name)) is not None), None)
    if judged is not None and judged < LEAST_EXAMPLES:
        return "unknown", "Not enough evidence yet"
    for match in matches(model):
        best = next(rival for rival in match.rivals if rival.leads)
        if best is not match.rivals[0]:
            return "watch", f"No better than {best.label[0].lower()}{best.label[1:]}"
    for name in model.figures:
        held = number_of(model.figures, name) if name.startswith("coverage") else None
        if held is not None and abs(held - _RANGE_WANTED) > _RANGE_OFF:
            return "watch", f"Its 80 % ranges hold {held:.0%}"
    return "ok", "Healthy"


def calibration_error(bins: Sequence[CalibrationBin]) -> float | None:
    """Expected calibration error: mean |predicted - observed|, weighted by examples (Naeini et al., 2015)."""
    total = sum(b.count for b in bins)
    if not total:
        return None
    return sum(abs(b.predicted - b.observed) * b.count for b in bins) / total


def calibration_chart(bins: Sequence[CalibrationBin]) -> dict[str, Any]:
    """For the page's script, in per cent."""
    points = [[round(100 * b.predicted, 2), round(100 * b.observed, 2), b.count] for b in bins if b.count > 0]
    return {"kind": "calibration", "points": points}


def progress_chart(versions: Sequence[Model]) -> dict[str, Any] | None:
    """How the figures went from version to version, oldest first; None with fewer than two to join by a line."""
    placed = sorted(versions, key=lambda model: model.version)
    lines = []
    for name, label, lower in _PROGRESS:
        values = [number_of(model.figures, name) for model in placed]
        if sum(value is not None for value in values) > 1:
            lines.append({"name": label, "lower": lower, "values": values})
    if not lines:
        return None
    return {"kind": "progress", "versions": [model.version for model in placed], "lines": lines[:2]}


_PROGRESS = (
    ("auc", "AUC", False),
    ("brier", "Brier score", True),
    ("mae", "Mean error", True),
    ("mae_at_order", "Mean error after an order, days", True),
    ("mae_in_silence", "Mean error in between, days", True),
    ("hit_rate_10", "Bought one of ten offered", False),
    ("popular_hit_rate_10", "… of the ten most popular", False),
)


@dataclass(frozen=True)
class Use:
    """Which version is scored with. `version` is None when it is older than those listed."""

    version: int | None
    pinned: bool
    newest: int

    @property
    def said(self) -> str:
        if self.version is None:
            return f"An older version is in use; the newest is {self.newest}"
        if self.version == self.newest:
            return f"Version {self.version} is in use"
        return f"Version {self.version} is in use; the newest is {self.newest}"


def use_of(versions: Sequence[Model]) -> Use:
    """`versions` are newest first, and there is one at least."""
    used = next((model for model in versions if model.in_use), None)
    return Use(used.version if used else None, bool(used and used.pinned) or used is None, versions[0].version)
