"""Learns when customers order again: the piecewise rates of `forecasts.gaps`, by Newton steps on a fading log-
likelihood.

Each example is a stretch of days after an order, at whose end an order came or did not (a Poisson likelihood for the
pieces it touches). Rates of neighbouring pieces and classes are tied to each other, so that what was not seen yet
goes on like what was. The second derivatives of all examples, faded, make the step of the next batch (as in an
extended Kalman filter), so one pass is enough.
"""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from analytics.forecasts.gaps import (
    CLASSES,
    EDGES,
    FEATURES,
    LEAST,
    MIDDLES,
    MOST,
    PIECES,
    GapModel,
    Habit,
    Remaining,
    scaled,
    seen,
)
from analytics.learners.intervals import Judged, is_judged
from analytics.operators import purchase_timing

_BATCH, _FIRST_BATCH, _GROWS = 256, 32, 8  # batches are an eighth of what was learned, within bounds
_MEMORY = 0.9999  # what an example still counts after the next gap that was closed
_FIRST_GAP, _FIRST_COUNT = math.log(14.0), 20.0  # the usual gap before any was seen, and the gaps it stands for
_FIRST_RATE = 0.4
_LONG_MEMORY = 50_000.0  # gaps the usual gap is the mean of
_SMOOTH, _ALIKE, _HOLD, _FLAT = 1.0, 0.5, 0.5, 100.0  # precisions: next piece, next class, first rate, features
_TURN = 0.6180339887498949  # spreads the moments at which a forecast is judged evenly over the gaps

Floats = NDArray[np.float64]


class TimingLearner:
    """Rates by class and piece, slopes and tilts of the features: `weights` in this order."""

    name: ClassVar[str] = purchase_timing.MODEL
    publish_every: ClassVar[int] = 500

    def __init__(self) -> None:
        self.examples, self.gaps = 0, 0
        self.usual, self._usual_of = _FIRST_GAP, _FIRST_COUNT
        self.weights: Floats = np.zeros(CLASSES * PIECES + 2 * FEATURES)
        self.weights[: CLASSES * PIECES] = math.log(_FIRST_RATE)
        self._curvature: Floats = np.zeros((len(self.weights),) * 2)
        self._waiting: list[tuple[float, ...]] = []
        self._turn = 0.0
        self._model = self.snapshot()
        self.at_order, self.in_silence = Judged(), Judged()

    def take(self, example: Mapping[str, Any]) -> None:
        """Forecasts a gap that was closed, judges the forecast, then learns."""
        habit = Habit(*example["habit"])
        told, until, weight = float(example["from"]), float(example["to"]), float(example["weight"])
        bought = bool(example["bought"])
        if not (0 <= told < until and weight > 0) or not all(map(math.isfinite, (*habit, until, weight))):
            raise ValueError("no stretch of days")
        gap, steadiness, x = seen(habit, self.usual)
        if bought:
            self._judge(habit, until)
            self.gaps += 1
        self._waiting.append((scaled(told, gap), scaled(until, gap), bought, weight, steadiness, *x))
        self.examples += 1
        if bought:
            self._usual_of = min(_LONG_MEMORY, self._usual_of + 1)
            self.usual += (math.log(until) - self.usual) / self._usual_of
        if len(self._waiting) >= min(_BATCH, max(_FIRST_BATCH, self.examples // _GROWS)):
            self._learn(np.array(self._waiting))
            self._waiting.clear()

    def figures(self) -> dict[str, Any]:
        """Days: progressive mean absolute error beside that of the customer's own mean gap, and coverage."""
        return {
            "gaps": self.gaps,
            **{f"{name}_at_order": value for name, value in self.at_order.figures().items()},
            **{f"{name}_in_silence": value for name, value in self.in_silence.figures().items()},
        }

    def snapshot(self) -> GapModel:
        """The rates as they are."""
        rates = self.weights[: CLASSES * PIECES].reshape(CLASSES, PIECES).tolist()
        features = self.weights[CLASSES * PIECES :].tolist()
        return GapModel(self.usual, rates, features[:FEATURES], features[FEATURES:])

    def _judge(self, habit: Habit, days: float) -> None:
        """At the order that began the gap, and once more somewhere within it."""
        if self.examples < purchase_timing.MIN_EXAMPLES or not is_judged(self.gaps):
            return
        own = habit.span if habit.gaps else math.exp(self.usual)
        self._turn = (self._turn + _TURN) % 1.0
        silent = self._turn * days
        for judged, passed in ((self.at_order, 0.0), (self.in_silence, silent)):
            found: Remaining = self._model.remaining(habit, passed)
            judged.note(days - passed, found, max(0.0, own - passed), habit.gaps)

    def _learn(self, batch: Floats) -> None:
        since, until, bought, weight, kind = batch.T[:5]
        x, steadiness = batch[:, 5:], kind.astype(np.intp)
        edges = np.array(EDGES)
        spent = np.minimum(edges[1:], until[:, None]) - np.maximum(edges[:-1], since[:, None])
        passed = np.maximum(spent, 0.0) * weight[:, None]
        came = np.zeros_like(passed)
        piece = np.clip(np.searchsorted(edges, until) - 1, 0, PIECES - 1)
        came[np.arange(len(batch)), piece] = bought * weight
        expected = self._rates(steadiness, x) * passed
        slope, bend = _derivatives(expected, came - expected, steadiness, x)
        self._curvature *= _MEMORY ** float(bought @ weight)
        self._curvature += bend
        step = np.linalg.solve(self._curvature + _PRIOR, slope)
        self.weights += step / max(1.0, float(np.abs(step).max()))
        self._model = self.snapshot()

    def _rates(self, steadiness: NDArray[np.intp], x: Floats) -> Floats:
        bases = self.weights[: CLASSES * PIECES].reshape(CLASSES, PIECES)[steadiness]
        slopes, tilts = self.weights[CLASSES * PIECES :].reshape(2, FEATURES)
        rates: Floats = bases + (x @ slopes)[:, None] + (x @ tilts)[:, None] * np.array(MIDDLES)
        return np.exp(np.clip(rates, LEAST, MOST))


def _derivatives(expected: Floats, off: Floats, steadiness: NDArray[np.intp], x: Floats) -> tuple[Floats, Floats]:
    """First and (negative) second derivatives of the log-likelihood by the weights. Arrays are (examples, pieces)."""
    rows, middles = CLASSES * PIECES, np.array(MIDDLES)
    first = np.zeros(rows + 2 * FEATURES)
    second = np.zeros((len(first), len(first)))
    tilted = expected * middles
    first[rows:] = np.concatenate((x.T @ off.sum(axis=1), x.T @ (off @ middles)))
    moments = [np.einsum("i,ij,ik->jk", m.sum(axis=1), x, x) for m in (expected, tilted, tilted * middles)]
    second[rows:, rows:] = np.block([[moments[0], moments[1]], [moments[1], moments[2]]])
    for kind in range(CLASSES):
        mine = steadiness == kind
        own = slice(kind * PIECES, (kind + 1) * PIECES)
        first[own] = off[mine].sum(axis=0)
        second[own, own] = np.diag(expected[mine].sum(axis=0))
        second[own, rows:] = np.hstack((expected[mine].T @ x[mine], tilted[mine].T @ x[mine]))
    second[rows:, :rows] = second[:rows, rows:].T
    return first, second


def _prior() -> Floats:
    """The precision of the weights before anything was seen."""
    rows = CLASSES * PIECES
    found = np.diag([_HOLD] * rows + [_FLAT] * (2 * FEATURES))
    along = [(i, i + 1, _SMOOTH) for i in range(rows - 1) if (i + 1) % PIECES]
    across = [(i, i + PIECES, _ALIKE) for i in range(rows - PIECES)]
    for one, other, tie in along + across:
        found[[one, other], [one, other]] += tie
        found[[one, other], [other, one]] -= tie
    return found


_PRIOR = _prior()
