"""The alert budget: which alerts are put before their owner at once, and which wait for room in the owner's day.

Each owner has a number of places. An admitted alert takes one for a day; while none is free nothing more is admitted,
but for what must not wait. What an alert is *worth* decides: its own merit (severity, score, the value at stake,
direction) times how often alerts of its kind proved right. The threshold moves: it is the quantile of the worth of
the owner's recent alerts that as many exceed in a day as there are places; with fewer alerts than places it is
nought. Pure: moments come in as arguments.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Self

from sales.domain.alerts import Severity

MOST_PLACES = 200  # that an owner's day can have
DAY = timedelta(days=1)
HISTORY = timedelta(days=14)  # of alerts, for the threshold
LABELS = timedelta(days=90)  # of outcomes, for the precision

PRIOR_RIGHT, PRIOR_WRONG = 4.0, 1.0  # of a kind that nobody has judged: a Beta prior with the mean 0.8
OWN_PRIOR = 5.0  # how many judgements of an owner's own everybody's count for
TRUSTED = 0.5  # a kind that is right less often may take only its share of the places
GUARANTEED_STAKE = 0.8  # four times the usual value
_NEUTRAL = 0.5
_GRAVITY = {Severity.HIGH: 1.0, Severity.MEDIUM: 0.5, Severity.LOW: 0.25}
_GOOD_NEWS = 0.5
_KEPT_FREE = 6  # one place of so many is kept for what exceeds the threshold

Judged = tuple[int, int]  # how many alerts were right and how many false


@dataclass(frozen=True)
class Precision:
    """How often alerts of a kind proved right, and on how many of the owner's own judgements that rests."""

    value: float = PRIOR_RIGHT / (PRIOR_RIGHT + PRIOR_WRONG)
    right: int = 0
    wrong: int = 0


@dataclass(frozen=True)
class Case:
    """What of an alert its worth depends on. `value` is what the customer spent lately, in `currency`."""

    kind: str
    severity: Severity
    good: bool
    score: float | None
    value: float | None
    currency: str | None


@dataclass(frozen=True)
class Past:
    """An earlier alert of an owner."""

    kind: str
    merit: float
    created_at: datetime


@dataclass(frozen=True)
class Policy:
    """An owner's threshold, and what it rests on. `usual` is the median value at stake, by currency."""

    threshold: float = 0.0
    reserve: int = 0
    precisions: Mapping[str, Precision] = field(default_factory=dict)
    usual: Mapping[str, float] = field(default_factory=dict)

    def precision(self, kind: str) -> Precision:
        return self.precisions.get(kind, _UNJUDGED)

    def stake(self, case: Case) -> float:
        """The value at stake against the usual one, 0 to 1; one half when either is unknown."""
        usual = self.usual.get(case.currency or "", 0.0)
        if case.value is None or case.value <= 0 or usual <= 0:
            return _NEUTRAL
        return case.value / (case.value + usual)

    def merit(self, case: Case) -> float:
        """What an alert is worth by itself, 0 to 1."""
        score = _NEUTRAL if case.score is None else case.score
        news = _GOOD_NEWS if case.good else 1.0
        return _GRAVITY[case.severity] * news * (1 + score) / 2 * (1 + self.stake(case)) / 2

    def worth(self, kind: str, merit: float) -> float:
        """What it counts for, given how often its kind is right."""
        return merit * self.precision(kind).value

    def guaranteed(self, case: Case) -> bool:
        """Whether it must not wait: something grave about a customer of far more than the usual value."""
        return case.severity is Severity.HIGH and not case.good and self.stake(case) >= GUARANTEED_STAKE

    def leave_free(self, kind: str, merit: float, per_day: int) -> int:
        """How many of the places this alert has to leave free.

        What is below the threshold leaves the reserve; a kind that is mostly wrong leaves the more, the less it is
        trusted.
        """
        trust = min(1.0, self.precision(kind).value / TRUSTED)
        reserve = 0 if self.worth(kind, merit) >= self.threshold else self.reserve
        return max(reserve, math.floor(per_day * (1 - trust)))

    def stored(self) -> dict[str, Any]:
        """As JSON."""
        precisions = {kind: [p.value, p.right, p.wrong] for kind, p in self.precisions.items()}
        return {
            "threshold": self.threshold,
            "reserve": self.reserve,
            "precisions": precisions,
            "usual": dict(self.usual),
        }

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Self:
        """From what `stored` gave; from nothing, that of an owner who is new."""
        if not stored:
            return cls()
        precisions = {kind: Precision(*numbers) for kind, numbers in stored["precisions"].items()}
        return cls(stored["threshold"], stored["reserve"], precisions, stored["usual"])


_UNJUDGED = Precision()


def policy(
    past: Sequence[Past],
    precisions: Mapping[str, Precision],
    usual: Mapping[str, float],
    per_day: int,
    now: datetime,
) -> Policy:
    """The threshold by an owner's recent alerts, those that waited among them."""
    judged = Policy(precisions=precisions, usual=usual)
    expected = alerts_per_day([one.created_at for one in past], now)
    if not per_day or expected <= per_day:
        return judged
    worths = sorted((judged.worth(one.kind, one.merit) for one in past), reverse=True)
    last = max(1, math.floor(len(worths) * per_day / expected))
    return Policy(worths[last - 1], math.ceil(per_day / _KEPT_FREE), precisions, usual)


def alerts_per_day(moments: Sequence[datetime], now: datetime) -> float:
    """What to expect of a day: the mean rate, and at least what the last day brought."""
    if not moments:
        return 0.0
    days = max(1.0, (now - min(moments)) / DAY)
    return max(len(moments) / days, float(sum(moment > now - DAY for moment in moments)))


def precisions(own: Mapping[str, Judged], everybody: Mapping[str, Judged]) -> Mapping[str, Precision]:
    """How often each kind is right for an owner: posterior means under a Beta prior.

    What the others judged is the prior of the owner's own judgements, and weighs `OWN_PRIOR` of them.
    """
    return {kind: _precision(own.get(kind, (0, 0)), judged) for kind, judged in everybody.items()}


def _precision(own: Judged, everybody: Judged) -> Precision:
    right, wrong = everybody[0] - own[0] + PRIOR_RIGHT, everybody[1] - own[1] + PRIOR_WRONG
    others = right / (right + wrong)
    return Precision((own[0] + OWN_PRIOR * others) / (sum(own) + OWN_PRIOR), *own)


def value_at_stake(orders: Sequence[tuple[str, str]]) -> tuple[float, str] | None:
    """What (total, currency) pairs, oldest first, add up to in the currency of the last one; None when unknown."""
    if not orders:
        return None
    currency = orders[-1][1]
    value = sum(_amount(total) for total, in_currency in orders if in_currency == currency)
    return (value, currency) if 0 < value < math.inf else None


def _amount(total: str) -> float:
    try:
        amount = Decimal(total)
    except InvalidOperation:
        return 0.0
    return float(amount) if amount.is_finite() else 0.0
