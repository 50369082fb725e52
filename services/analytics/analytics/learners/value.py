"""Learns what the next order is worth: the quantiles of `forecasts.amounts`.

Quantile regression in one pass, by iteratively reweighted least squares whose sums fade: an example weighs as much as
its quantile's loss bends at the weights known when it comes. The median's loss is counted in money, not in
logarithms: a large order's miss costs more. Bounds are moved after every batch by what they missed.
"""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from analytics.forecasts.amounts import FEATURES, GROUPS, SHARES, AmountModel, Purse, features, group
from analytics.learners.intervals import Judged, is_judged
from analytics.operators import purchase_value

_BATCH, _FIRST_BATCH, _GROWS = 128, 32, 8  # batches are an eighth of what was learned, within bounds
_MEMORY = 0.9999  # what an example still counts after the next one
_LONG_MEMORY = 50_000.0  # orders the usual order is the mean of
_HOLD = 5.0  # how many examples the first weights (the customer's own mean) stand for
_LEAST_MISS = 0.4  # of the mean miss; smaller ones weigh no more than this one
_CLIP = 4.0  # of the logarithm of how much more than usual an order costs to miss
_FIRST_MOVE = 0.1  # while nothing is known, bounds are wide
_STEP, _FASTEST = 0.06, 3.0  # of the mean miss: by which a missed bound moves, and at most in a batch
_MISSED = 0.09  # beyond either bound: a version is used for a while, and what it says is old when the order comes
_MOST_WEEKS = 8.0
_MOST_CURRENCIES = 64
_TURN = 0.6180339887498949  # spreads the moments of silence evenly over the gaps

Floats = NDArray[np.float64]


class ValueLearner:
    """Weights by quantile; each example teaches at the order before it and, after a week, once within the silence."""

    name: ClassVar[str] = purchase_value.MODEL
    publish_every: ClassVar[int] = 500

    def __init__(self) -> None:
        self.examples = 0
        self.usual: dict[str, tuple[float, float]] = {}
        self.weights: Floats = np.zeros((len(SHARES), FEATURES))
        self.weights[:, 1] = 1.0
        self._squares: Floats = np.stack([np.eye(FEATURES) * _HOLD] * len(SHARES))
        self._products: Floats = self._squares[:, :, 1].copy()
        self._moved: Floats = np.full((GROUPS, 2), _FIRST_MOVE)
        self._miss = 0.5
        self._waiting: list[tuple[float, ...]] = []
        self._turn = 0.0
        self._model = self.snapshot()
        self.at_order = Judged()

    def take(self, example: Mapping[str, Any]) -> None:
        """Forecasts an order from those before it, judges the forecast, then learns."""
        purse, currency = Purse(*example["purse"]), str(example["currency"])
        silent, amount, weight = (float(example[name]) for name in ("silent", "amount", "weight"))
        if purse.orders < 1 or silent < 0 or weight <= 0 or not all(map(math.isfinite, (*purse, silent, amount))):
            raise ValueError("no orders")
        if currency not in self.usual and len(self.usual) == _MOST_CURRENCIES:
            return
        x = math.log1p(max(0.0, amount))
        usual, _ = self.usual.setdefault(currency, (purse.mean, 0.0))
        self._judge(purse, currency, amount)
        self._turn = (self._turn + _TURN) % 1.0
        self._wait(purse, usual, 0.0, x, weight)
        weeks = silent // 7.0
        if weeks:
            self._wait(purse, usual, self._turn * silent, x, weight * min(_MOST_WEEKS, weeks))
        self.examples += 1
        self._note(currency, x)
        if len(self._waiting) >= min(_BATCH, max(_FIRST_BATCH, self.examples // _GROWS)):
            self._learn(np.array(self._waiting))
            self._waiting.clear()

    def figures(self) -> dict[str, Any]:
        """Progressive, all currencies together, in units of each: beside the customer's own mean, and coverage."""
        return {"orders": self.at_order.count.total(), **self.at_order.figures()}

    def snapshot(self) -> AmountModel:
        """The weights as they are."""
        usual = {currency: mean for currency, (mean, _) in self.usual.items()}
        return AmountModel(usual, self.weights.tolist(), self._moved.tolist())

    def _judge(self, purse: Purse, currency: str, amount: float) -> None:
        if self.examples < purchase_value.MIN_EXAMPLES or not is_judged(self.examples):
            return
        found = self._model.next_order(purse, currency, 0.0)
        if found is not None:
            self.at_order.note(amount, found, purse.total / purse.orders, purse.orders - 1)

    def _wait(self, purse: Purse, usual: float, silent: float, x: float, weight: float) -> None:
        self._waiting.append((x - usual, weight, group(purse.orders, silent), *features(purse, usual, silent)))

    def _note(self, currency: str, x: float) -> None:
        mean, count = self.usual[currency]
        count = min(_LONG_MEMORY, count + 1)
        self.usual[currency] = (mean + (x - mean) / count, count)

    def _learn(self, batch: Floats) -> None:
        y, weight, groups, x = batch[:, 0], batch[:, 1], batch[:, 2].astype(np.intp), batch[:, 3:]
        said = x @ self.weights.T
        self._move(y, weight, groups, said)
        missed = np.abs(y - said[:, 1])
        self._miss += 0.02 * float(np.average(missed, weights=weight) - self._miss)
        kept = _MEMORY ** len(batch)
        for at, share in enumerate(SHARES):
            off = y - said[:, at]
            bend = weight * np.where(off > 0, share, 1 - share) / np.maximum(np.abs(off), _LEAST_MISS * self._miss)
            if share == 0.5:
                bend *= np.exp(np.clip(said[:, at], -_CLIP, _CLIP))
            self._squares[at] = self._squares[at] * kept + (x * bend[:, None]).T @ x
            self._products[at] = self._products[at] * kept + x.T @ (bend * y)
            ridge = 1e-5 * np.trace(self._squares[at]) / FEATURES
            self.weights[at] = np.linalg.solve(self._squares[at] + ridge * np.eye(FEATURES), self._products[at])
        self._model = self.snapshot()

    def _move(self, y: Floats, weight: Floats, groups: NDArray[np.intp], said: Floats) -> None:
        """A bound that was missed moves out, one that was not moves in."""
        moved = self._moved[groups]
        missed = np.stack((y < said[:, 0] - moved[:, 0], y > said[:, 2] + moved[:, 1]), axis=1) - _MISSED
        for one in range(GROUPS):
            mine = groups == one
            known = float(weight[mine].sum())
            if known:
                surplus = np.average(missed[mine], axis=0, weights=weight[mine])
                self._moved[one] += self._miss * min(_FASTEST, _STEP * known) * surplus
