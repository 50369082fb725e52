"""Learns what a year brings: the quasi-Poisson regression of `forecasts.year`, by Newton steps whose sums fade."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from analytics.forecasts.year import (
    CROWDS,
    FEATURES,
    MONTH,
    RATIOS,
    STRETCH,
    Ledger,
    YearModel,
    ahead,
    crowd,
    features,
    usual_order,
)
from analytics.operators import year_value

_BATCH, _FIRST_BATCH, _GROWS = 256, 32, 8  # batches are an eighth of what was learned, within bounds
_MEMORY = 0.99997  # what a line still counts after the next one
_LONG_MEMORY = 50_000.0  # lines everybody's usual order is the mean of
_MOST_ORDERS = 60.0  # usual orders that a stretch counts for at most
_MOST_RATE = 3.0
_HOLD, _HOLD_TILT = 1.0, 20.0  # precisions of the first weights
_FIRST_TILT = -0.3  # customers buy less the further ahead one looks
_PRIOR = 20.0  # lines a histogram's first guess stands for
_REACH_LINES = 200  # lines of an age, before forecasts are said to reach it
_MOST_CURRENCIES = 64

Floats = NDArray[np.float64]


class YearLearner:
    """Slopes, then tilts, in `weights`; a fading histogram of actual over expected for each crowd."""

    name: ClassVar[str] = year_value.MODEL
    publish_every: ClassVar[int] = 500

    def __init__(self) -> None:
        self.examples = 0
        self.everybody: dict[str, tuple[float, float]] = {}
        self.weights: Floats = np.zeros(2 * FEATURES)
        self.weights[FEATURES] = _FIRST_TILT
        self._curvature: Floats = np.zeros((2 * FEATURES,) * 2)
        self._prior: Floats = np.diag([_HOLD] * FEATURES + [_HOLD_TILT] * FEATURES)
        self._waiting: list[tuple[float, ...]] = []
        self._strayed: Floats = np.array([_first_guess(each) for each in range(len(CROWDS) + 1)])
        self._ages: dict[int, list[float]] = {}
        self._model = self.snapshot()

    def take(self, example: Mapping[str, Any]) -> None:
        """Judges what was expected of every ledger, then learns from the stretch that is over."""
        currency = str(example["currency"])
        lines = [tuple(map(float, line)) for line in example["lines"]]
        if not all(len(line) == 9 and all(map(math.isfinite, line)) and 0 <= line[0] < line[1] for line in lines):
            raise ValueError("no ledgers")
        if currency not in self.everybody and len(self.everybody) == _MOST_CURRENCIES:
            return
        for since, until, window, whole, *rest in lines:
            ledger = Ledger(*rest)
            everybody = self._everybody(currency, ledger)
            usual = usual_order(ledger, everybody)
            self._judge(ledger, usual, until, max(0.0, whole))
            orders = min(_MOST_ORDERS, max(0.0, window) / usual)
            self._waiting.append((orders, (until - since) / MONTH, ahead(since, until), *features(ledger)))
            self.examples += 1
        if len(self._waiting) >= min(_BATCH, max(_FIRST_BATCH, self.examples // _GROWS)):
            self._learn(np.array(self._waiting))
            self._waiting.clear()

    def figures(self) -> dict[str, Any]:
        """By days ahead: lines, expected and actual sums (currencies together), and the share within the bounds."""
        names = ("lines", "expected", "spent", "inside")
        return {
            "reach_days": self._model.reach,
            "by_days": {str(age): dict(zip(names, self._ages[age], strict=True)) for age in sorted(self._ages)},
        }

    def snapshot(self) -> YearModel:
        """The weights as they are."""
        everybody = {currency: mean for currency, (mean, _) in self.everybody.items()}
        reach = max((age for age, figures in self._ages.items() if figures[0] >= _REACH_LINES), default=0)
        slopes, tilts = self.weights.reshape(2, FEATURES).tolist()
        return YearModel(everybody, slopes, tilts, [_bounds(counts) for counts in self._strayed], float(reach))

    def _everybody(self, currency: str, ledger: Ledger) -> float:
        own = ledger.total / max(1.0, ledger.orders)
        mean, count = self.everybody.get(currency, (own, 0.0))
        count = min(_LONG_MEMORY, count + 1)
        mean += (own - mean) / count
        self.everybody[currency] = (mean, count)
        return mean

    def _judge(self, ledger: Ledger, usual: float, days: float, spent: float) -> None:
        orders = self._model.orders(ledger, days)
        expected, place = orders * usual, crowd(orders)
        low, high = self._model.bounds[place]
        age = round(days / STRETCH) * int(STRETCH)
        figures = self._ages.setdefault(age, [0.0] * 4) if age <= 7 * STRETCH else [0.0] * 4
        if self.examples >= year_value.MIN_EXAMPLES:
            inside = expected * low <= spent <= expected * high
            for at, number in enumerate((1.0, expected, spent, float(inside))):
                figures[at] += number
        ratio = spent / max(expected, 1e-9)
        counts = self._strayed[place]
        counts *= _MEMORY
        counts[min(len(RATIOS) - 1, int(np.searchsorted(RATIOS, ratio)))] += (days / 365.0) ** 2

    def _learn(self, batch: Floats) -> None:
        orders, months, far, x = batch[:, 0], batch[:, 1], batch[:, 2], batch[:, 3:]
        design = np.hstack((x, x * far[:, None]))
        mean = months * np.exp(np.minimum(_MOST_RATE, design @ self.weights))
        self._curvature = self._curvature * _MEMORY ** len(batch) + (design * mean[:, None]).T @ design
        step = np.linalg.solve(self._curvature + self._prior, design.T @ (orders - mean))
        self.weights += step / max(1.0, float(np.abs(step).max()))
        self._model = self.snapshot()


def _first_guess(place: int) -> Floats:
    """Nothing at all as often as a Poisson count says, else exponential about the mean."""
    middle = (0.05, *CROWDS)[place]
    none = math.exp(-middle)
    tails = np.exp(-(1 - none) * np.array([0.0, *RATIOS[1:-1], math.inf]))
    return _PRIOR * np.concatenate(([none], (1 - none) * -np.diff(tails)))


def _bounds(counts: Floats) -> tuple[float, float]:
    """Ratios that 80 % lie between: a tenth beyond either, or a fifth above where a tenth or more spend nothing."""
    if counts[0] >= 0.1 * counts.sum():
        return 0.0, _quantile(counts, 0.8)
    return _quantile(counts, 0.1), _quantile(counts, 0.9)


def _quantile(counts: Floats, share: float) -> float:
    """Linear within a bin."""
    reached = np.cumsum(counts) / counts.sum()
    at = int(np.searchsorted(reached, share))
    if at == 0:
        return 0.0
    part = (share - reached[at - 1]) / (reached[at] - reached[at - 1])
    return float(RATIOS[at - 1] + part * (RATIOS[at] - RATIOS[at - 1]))
