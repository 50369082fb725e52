"""Logistic regression that keeps what it knows as a normal distribution over its weights, and learns in batches.

Each batch is one Laplace step (Spiegelhalter and Lauritzen, 1990; sequentially as in Kalman filters): the last
posterior is the prior, Newton's method finds the new mode, the Hessian there is the new precision. The examples of a
week share the weather, the holidays and the newsletter: they get a common nuisance effect of their own that is
integrated out, so that ten thousand customers of one week do not teach ten thousand times over. The effect belongs to
the week, not to the batch: it stays open until the next one, so that it matters little in how many batches the
examples of a week come.
"""

import math
from dataclasses import dataclass

import numpy as np

from analytics.learners.batch import Floats, Week

_STEPS = 8
_SMALLEST_STEP = 1e-3
_ENOUGH = 1e-4  # relative gain of the objective below which the mode is found


@dataclass
class Posterior:
    """`mean` (k) and `precision` (k, k) of the weights, the first of which is the bias; `prior` to forget towards.

    `shared` is what is known together with the effect of the `week` that is still open: mean and precision of one more.
    """

    mean: Floats
    precision: Floats
    prior: Floats
    week: float = math.nan
    shared: tuple[Floats, Floats] | None = None

    @classmethod
    def start(cls, mean: Floats, precision: Floats) -> "Posterior":
        """From a mean and the precisions (k) of each weight."""
        return cls(mean.copy(), np.diag(precision), np.diag(precision))

    def learn(self, week: Week, common: float, kept: float) -> None:
        """One batch: `common` is the spread of what those of the week share, `kept` the part of what it knows that is
        known a week later.
        """
        self._forget(kept**week.gone)
        k, ones = len(self.mean), np.ones(len(week.x))
        rows = np.column_stack((ones, week.x, ones))
        mean, precision = self._open(common, week.number)
        found = _mode(rows, week.label, week.weight, mean, precision)
        p = sigmoid(rows @ found)
        precision = precision + (rows * (week.weight * p * (1.0 - p))[:, None]).T @ rows
        self.week, self.shared, self.mean = week.number, (found, precision), found[:k]
        effect = precision[:k, k]
        self.precision = precision[:k, :k] - np.outer(effect, effect) / precision[k, k]

    def _forget(self, kept: float) -> None:
        """Knows only this part of what it knew."""
        self.precision = kept * self.precision + (1.0 - kept) * self.prior

    def _open(self, common: float, week: float) -> tuple[Floats, Floats]:
        """What is known beforehand, with the effect of this week as the last."""
        if self.shared is not None and self.week == week:
            return self.shared
        k = len(self.mean)
        mean, precision = np.append(self.mean, 0.0), np.zeros((k + 1, k + 1))
        precision[:k, :k], precision[k, k] = self.precision, 1.0 / common**2
        return mean, precision

    def odds(self, x: Floats) -> Floats:
        """Log-odds of x (n, k)."""
        found: Floats = self.mean[0] + x @ self.mean[1:]
        return found


def sigmoid(z: Floats) -> Floats:
    found: Floats = 1.0 / (1.0 + np.exp(-np.clip(z, -35.0, 35.0)))
    return found


def _mode(rows: Floats, y: Floats, weight: Floats, prior: Floats, precision: Floats) -> Floats:
    """Newton's method with halved steps; never further than where the objective falls."""
    mode, loss = prior, _loss(rows, y, weight, prior, prior, precision)
    for _ in range(_STEPS):
        p = sigmoid(rows @ mode)
        gradient = rows.T @ (weight * (y - p)) - precision @ (mode - prior)
        hessian = (rows * (weight * p * (1.0 - p))[:, None]).T @ rows + precision
        step, size = np.linalg.solve(hessian, gradient), 1.0
        while size > _SMALLEST_STEP:
            tried = mode + size * step
            lower = _loss(rows, y, weight, tried, prior, precision)
            if lower <= loss:
                break
            size /= 2.0
        else:
            break
        gain, mode, loss = loss - lower, tried, lower
        if gain < _ENOUGH * (1.0 + abs(loss)) * 0.01:
            break
    return mode


def _loss(rows: Floats, y: Floats, weight: Floats, mode: Floats, prior: Floats, precision: Floats) -> float:
    z, off = rows @ mode, mode - prior
    return float(weight @ (np.logaddexp(0.0, z) - y * z) + 0.5 * off @ precision @ off)
