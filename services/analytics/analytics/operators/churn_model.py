"""A version of the churn model: logistic regressions on what a customer's buying looks like, by hand and quick.

`Projected` knows the chance of a purchase within one week, learned from what happened in the week after a scoring
moment. What a customer's numbers will be after k more weeks of silence is known now; so the probability of buying
nothing in eight weeks is the product of eight weekly ones along the path of silence (a discrete-time hazard model:
Cox 1972, Singer and Willett 1993). The sum of the logarithms is taken at three Gauss-Legendre points.
`Direct` predicts the horizon at once. None is frozen: what is pickled and compiled is put together again number by
number.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from operator import mul
from typing import Final

from analytics.operators.buying import State, fading

FEATURES = (
    "silence",
    "tenure",
    "order_days",
    "silence_by_gap",
    "silence_by_rate",
    "rate",
    "recent_14",
    "recent_28",
    "recent_112",
    "spend",
    "pieces",
    "lines",
    "order_days_by_silence",
    "order_days_by_tenure",
    "own_rhythm",
    "web",
    "mail",
    "tickets",
    "returns",
)
CONTENDERS = ("projected", "direct", "plain")  # the first is the champion
Phi = tuple[float, ...]

_LONGEST_GAP: Final = 9.0  # log days
_USUAL_GAP: Final = 30.0  # days; what a customer without gaps leans on
_OWN_MEAN: Final = 3.4  # log days; of a customer's own rhythm before it has shown
_OWN_MEAN_WEIGHT: Final = 2.0
_OWN_VAR: Final = 0.7
_OWN_VAR_WEIGHT: Final = 3.0
_FAR: Final = 2.0  # standard deviations beyond which an own rhythm says nothing more
_WEB: Final = 7.0  # half-lives in days, as in Activity
_MAIL: Final = 30.0
_TICKETS: Final = 14.0
_RETURNS: Final = 60.0
_GAUSS = ((-math.sqrt(0.6), 5 / 18), (0.0, 8 / 18), (math.sqrt(0.6), 5 / 18))  # Legendre on [-1, 1], weights for 1
_ROOT: Final = math.sqrt(0.5)
_LEAST: Final = 1e-6
_MOST: Final = 1.0 - 1e-6
_PARTS: Final = 32  # of the way from the average customer to this one


def phi(state: State, ahead: float = 0.0) -> Phi:
    """The values of FEATURES after `ahead` more days of silence. O(1)."""
    recency, tenure, days, r14, r28, r112, gap_mean, gap_var, spend, pieces, lines, web, mail, tickets, returns = state
    repeats = days - 1.0 if days > 1.0 else 0.0
    since = max(0.0, tenure - recency)  # days from the first order to the last
    if ahead:
        recency += ahead
        tenure += ahead
        slow, middle, fast = fading(ahead)
        r14, r28, r112 = r14 * fast, r28 * middle, r112 * slow
    silence, age, many = math.log1p(recency) - 3.0, math.log1p(tenure) - 4.5, math.log(max(1.0, days))
    gap = (repeats * math.exp(min(_LONGEST_GAP, gap_mean)) + _USUAL_GAP) / (repeats + 1.0) if repeats else _USUAL_GAP
    return (
        silence,
        age,
        many,
        math.log1p(recency / gap),
        min(10.0, (0.5 + repeats) * math.log((20.0 + tenure) / (20.0 + since))),
        math.log((repeats + 0.5) / (tenure + 20.0)) + 4.0,
        math.log1p(4.0 * r14) - 1.0,
        math.log1p(4.0 * r28) - 1.0,
        math.log1p(4.0 * r112) - 1.0,
        spend - 4.0,
        pieces - 2.0,
        lines - 2.0,
        many * silence,
        many * age,
        own_rhythm(recency, repeats, gap_mean, gap_var),
        math.log1p(web * math.exp2(-ahead / _WEB)) if web else 0.0,
        math.log1p(mail * math.exp2(-ahead / _MAIL)) if mail else 0.0,
        math.log1p(tickets * math.exp2(-ahead / _TICKETS)) if tickets else 0.0,
        math.log1p(returns * math.exp2(-ahead / _RETURNS)) if returns else 0.0,
    )


def own_rhythm(recency: float, repeats: float, gap_mean: float, gap_var: float) -> float:
    """Logarithm of the chance of a purchase within a week if the gaps are log-normal as the customer's own were."""
    mean = (repeats * gap_mean + _OWN_MEAN_WEIGHT * _OWN_MEAN) / (repeats + _OWN_MEAN_WEIGHT)
    deviation = math.sqrt((repeats * gap_var + _OWN_VAR_WEIGHT * _OWN_VAR) / (repeats + _OWN_VAR_WEIGHT))
    now = min(_FAR, (math.log(recency + 0.5) - mean) / deviation)
    week = math.log((recency + 7.5) / (recency + 0.5)) / deviation
    survival = math.erfc((now + week) * _ROOT) / math.erfc(now * _ROOT)
    return math.log(max(1e-4, 1.0 - survival))


@lru_cache(maxsize=64)
def points(days: float, step: float) -> tuple[tuple[float, float], ...]:
    """Where on the path of `days` of silence to look, as (days ahead, for how many steps it stands)."""
    steps = days / step
    middle, half = (steps - 1.0) / 2.0, steps / 2.0
    return tuple((max(0.0, (middle + side * half) * step), weight * steps) for side, weight in _GAUSS)


@dataclass
class Linear:
    """Log-odds = bias + weights · phi."""

    bias: float
    weights: Sequence[float]

    def odds(self, x: Phi) -> float:
        return self.bias + float(sum(map(mul, self.weights, x)))


@dataclass
class Projected:
    """`weekly` gives the log-odds of a purchase within `step` days; `level` is how the shop as a whole does now."""

    weekly: Linear
    level: float = 0.0
    step: float = 7.0

    def risk(self, state: State, days: float) -> float:
        """Probability of no purchase within `days`."""
        log_survival, bias, weights = 0.0, self.weekly.bias + self.level, self.weekly.weights
        for ahead, steps in points(days, self.step):
            log_survival -= steps * _softplus(bias + sum(map(mul, weights, phi(state, ahead))))
        return clipped(math.exp(log_survival))

    def contributions(self, state: State, days: float, centre: Phi) -> Phi:
        """What each feature adds to the log-odds of the risk, compared with the average customer; they add up.

        Aumann and Shapley's values: the gradient along the straight way from the average customer to this one.
        """
        here = [(steps, phi(state, ahead)) for ahead, steps in points(days, self.step)]
        bias, weights = self.weekly.bias + self.level, self.weekly.weights
        start = bias + sum(map(mul, weights, centre))
        ends = [bias + sum(map(mul, weights, x)) for _, x in here]
        slopes = [0.0] * len(here)
        for part in range(_PARTS):
            etas = [start + (part + 0.5) / _PARTS * (end - start) for end in ends]
            survival = -sum([steps * _softplus(eta) for (steps, _), eta in zip(here, etas, strict=True)])
            lost = -math.expm1(min(-1e-9, survival))
            for i, ((steps, _), eta) in enumerate(zip(here, etas, strict=True)):
                slopes[i] -= steps * _sigmoid(eta) / lost / _PARTS
        return tuple(
            w * math.fsum(slope * (x[j] - centre[j]) for slope, (_, x) in zip(slopes, here, strict=True))
            for j, w in enumerate(weights)
        )


@dataclass
class Direct:
    """Log-odds of no purchase within the horizon it learned."""

    linear: Linear

    def risk(self, state: State, days: float) -> float:
        del days
        return clipped(_sigmoid(self.linear.odds(phi(state))))

    def contributions(self, state: State, days: float, centre: Phi) -> Phi:
        """What each feature adds to the log-odds, compared with the average customer; exact."""
        del days
        return tuple(w * (x - c) for w, x, c in zip(self.linear.weights, phi(state), centre, strict=True))


@dataclass
class ChurnModel:
    """All contenders by name, the one that leads, and the average customer, compared with whom reasons are given."""

    contenders: dict[str, Projected | Direct]
    leader: str
    centre: Phi = field(default=(0.0,) * len(FEATURES))

    def risk(self, state: State, days: float) -> float:
        """Probability of no purchase within `days`, as the leader sees it."""
        return self.contenders[self.leader].risk(state, days)

    def risks(self, state: State, days: float) -> dict[str, float]:
        """As every contender sees it."""
        return {name: model.risk(state, days) for name, model in self.contenders.items()}

    def contributions(self, state: State, days: float) -> dict[str, float]:
        """Log-odds by feature."""
        found = self.contenders[self.leader].contributions(state, days, self.centre)
        return dict(zip(FEATURES, found, strict=True))


def clipped(probability: float) -> float:
    return min(_MOST, max(_LEAST, probability))


def _softplus(x: float) -> float:
    return x + math.log1p(math.exp(-x)) if x > 0 else math.log1p(math.exp(x))


def _sigmoid(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x)) if x > 0 else 1.0 - 1.0 / (1.0 + math.exp(x)) if x > -700 else 0.0
