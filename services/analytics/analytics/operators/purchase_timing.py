"""When a customer orders next.

Nothing is alerted here. Every gap between two days with an order teaches the learner of gaps, and so does silence: a
week without an order is told while it lasts, or the learner would know quick buyers only. What it publishes says, for
any customer and moment, how many days remain if the customer orders again, and between which bounds.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct
from typing import ClassVar, NamedTuple, cast

from analytics.events import Event, What
from analytics.forecasts.gaps import GapModel, Habit
from analytics.operators.base import NOTHING, Example, Kind, Operator, Outcome, Scored, World
from analytics.orders import DAY, Orders
from analytics.profile import Profile
from analytics.sections import Section

MODEL = "purchase_timing"
MIN_EXAMPLES = 200
MIN_GAPS = 2  # of the customer's own, for enough evidence
_FADING = 0.2
_SHORTEST = 0.05  # days; a shorter gap over midnight is one visit
_LONGEST = 3_650.0
_ALL, _EVERY = 8, 4  # gaps that all teach; after them every fourth, counted four times
_STALE = 5 * 7.0  # days without a scoring moment after which a silence was not told in full


@dataclass(slots=True)
class Pace(Section):
    """A customer's gaps in days, as logarithms: mean, fading mean, last, summed squared deviation. `told_at`: up to
    when the present silence was told to the learner.
    """

    NUMBER: ClassVar[int] = 50
    LAYOUT: ClassVar[Struct] = Struct("<I5d")

    gaps: int = 0
    mean: float = 0.0
    fresh: float = 0.0
    last: float = 0.0
    spread: float = 0.0
    told_at: float = 0.0

    def note(self, days: float) -> None:
        """Takes a gap in."""
        x = math.log(days)
        self.gaps += 1
        off = x - self.mean
        self.mean += off / self.gaps
        self.spread += off * (x - self.mean)
        self.fresh += max(_FADING, 1 / self.gaps) * (x - self.fresh)
        self.last = x

    def merge(self, other: "Pace") -> None:
        total = self.gaps + other.gaps
        if other.gaps:
            share, off = other.gaps / total, other.mean - self.mean
            self.spread += other.spread + off * off * share * self.gaps
            self.mean += off * share
            self.fresh += (other.fresh - self.fresh) * share
            self.last = self.last if self.gaps else other.last
            self.gaps = total
        self.told_at = max(self.told_at, other.told_at)


class NextAt(NamedTuple):
    """The next day with an order, in seconds since 1970: median and bounds of 80 %."""

    at: float
    low: float
    high: float
    enough: bool
    evidence: str


class PurchaseTiming(Operator):
    kind = Kind.PURCHASE_TIMING
    takes = frozenset({What.ORDER})
    model = MODEL

    def learn(self, profile: Profile, event: Event, world: World) -> Sequence[Outcome]:
        orders = profile.of(Orders)
        if not orders.gap > 0:
            return NOTHING
        pace = profile.of(Pace)
        days = min(_LONGEST, max(_SHORTEST, (event.time - orders.previous_at) / DAY))
        told = max(0.0, (pace.told_at - orders.previous_at) / DAY)
        weight = _weight(pace.gaps)
        taught = weight and 0 < days - told < _STALE
        outcomes = (_example(habit(pace, orders, orders.previous_at), orders.previous_at, told, days, weight, True),)
        pace.note(days)
        return outcomes if taught else NOTHING

    def weekly(self, profile: Profile, now: float, world: World) -> Sequence[Outcome]:
        orders = profile.of(Orders)
        if not orders.days:
            return NOTHING
        outcomes = _silence(profile, orders, now, world)
        found = forecast(profile, world, now)
        if found is not None:
            at, low, high, *_ = found
            values = {"expected_next_at": at, "expected_next_low": low, "expected_next_high": high}
            return (*outcomes, Scored(values))
        return outcomes


def habit(pace: Pace, orders: Orders, last_at: float) -> Habit:
    """What the model asks of a customer whose gaps end with the order at `last_at`."""
    busy = max(1.0, orders.count / orders.days)
    span = max(_SHORTEST, (last_at - orders.first_at) / DAY / pace.gaps) if pace.gaps else 0.0
    return Habit(pace.gaps, pace.mean, pace.fresh, pace.last, pace.spread, span, busy)


def forecast(profile: Profile, world: World, now: float) -> NextAt | None:
    """The next order, if there is one. None before the first order and while the model has learned too little."""
    orders, adopted = profile.get(Orders), world.models.get(MODEL)
    if orders is None or not orders.days or adopted is None or adopted.examples < MIN_EXAMPLES:
        return None
    pace, model = profile.of(Pace), cast("GapModel", adopted.model)
    silent = min(_LONGEST, max(0.0, (now - orders.last_at) / DAY))
    days, low, high = model.remaining(habit(pace, orders, orders.last_at), silent)
    enough = pace.gaps >= MIN_GAPS
    evidence = f"{orders.days} days with an order" + ("" if enough else f"; {MIN_GAPS + 1} are needed")
    return NextAt(now + days * DAY, now + low * DAY, now + high * DAY, enough, evidence)


def _weight(gaps: int) -> int:
    """How often the gap after so many counts; 0: it does not teach."""
    return 1 if gaps < _ALL else 0 if gaps % _EVERY else _EVERY


def _silence(profile: Profile, orders: Orders, now: float, world: World) -> Sequence[Outcome]:
    """What was not bought since the last scoring moment. Of long silences a sample is told, counted as often as it
    stands for: the first two weeks in full, up to eight weeks every fourth, then every thirteenth.
    """
    pace = profile.of(Pace)
    silent, told = (now - orders.last_at) / DAY, max(0.0, (pace.told_at - orders.last_at) / DAY)
    pace.told_at = now
    every = 1 if silent < 14 else 4 if silent < 56 else 13
    weight = _weight(pace.gaps) * every
    turn = orders.first_day + int(now / world.plan.score_every)
    if not weight or turn % every or not 0 < silent - told < _STALE or silent > _LONGEST:
        return NOTHING
    return (_example(habit(pace, orders, orders.last_at), orders.last_at, told, silent, weight, False),)


def _example(habit: Habit, last_at: float, told: float, until: float, weight: int, bought: bool) -> Example:
    """Days `told` to `until` after the last order, at whose end an order came or did not."""
    data = {"habit": [*habit], "from": told, "to": until, "weight": weight, "bought": bought}
    return Example(MODEL, last_at + told * DAY, data)
