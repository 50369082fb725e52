"""How well a model's probabilities come true."""

from collections.abc import Sequence
from dataclasses import dataclass

from console.clients.analytics.models import CalibrationBin, Model


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


def verdict(model: Model) -> tuple[str, str]:
    """(level, words) for a model's health: whether it sorts customers, and whether its numbers can be believed."""
    if model.examples < 200 or model.auc is None:
        return "unknown", "Not enough evidence yet"
    if model.auc < 0.6:
        return "alarm", "Hardly better than guessing"
    off = calibration_error(model.calibration)
    if off is not None and off > 0.1:
        return "watch", f"Sorts well, but is off by {off:.0%} on average"
    return "ok", "Healthy"


def calibration_error(bins: Sequence[CalibrationBin]) -> float | None:
    """Expected calibration error: mean |predicted - observed|, weighted by examples (Naeini et al., 2015)."""
    total = sum(b.count for b in bins)
    if not total:
        return None
    return sum(abs(b.predicted - b.observed) * b.count for b in bins) / total
