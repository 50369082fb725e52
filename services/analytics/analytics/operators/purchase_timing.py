"""When a customer orders next.

Nothing is alerted here. Every gap between two days with an order teaches the learner of gaps, and so does silence: a
week without an order is told while it lasts, or the learner would know quick buyers only. What it publishes says, for
any customer and moment, how many days remain if the customer orders again, and between which bounds.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple, cast

from analytics.events import Event, What
from analytics.forecasts.gaps import GapModel, Habit
from analytics.operators.base import NOTHING, Example, Kind, Operator, Outcome, Scored, World
from analytics.operators.purchase_habits import Habits, teaching_weight
from analytics.orders import DAY, Orders
from analytics.profile import WEEKLY, Profile

MODEL: Final = "purchase_timing"
MIN_EXAMPLES: Final = 200
MIN_GAPS: Final = 2  # of the customer's own, for enough evidence
_SHORTEST: Final = 0.05  # days; a shorter gap over midnight is one visit
_LONGEST: Final = 3_650.0


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
        habits = profile.of(Habits)
        days = min(_LONGEST, max(_SHORTEST, (event.time - orders.previous_at) / DAY))
        outcomes = _closed(profile, habits, orders, days, world)
        habits.note_gap(days)
        return outcomes

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


def habit(habits: Habits, orders: Orders, last_at: float) -> Habit:
    """What the model asks of a customer whose gaps end with the order at `last_at`."""
    busy = max(1.0, orders.count / orders.days)
    gaps = habits.gaps
    span = max(_SHORTEST, (last_at - orders.first_at) / DAY / gaps) if gaps else 0.0
    return Habit(gaps, habits.gap_mean, habits.gap_fresh, habits.gap_last, habits.gap_spread, span, busy)


def forecast(profile: Profile, world: World, now: float) -> NextAt | None:
    """The next order, if there is one. None before the first order and while the model has learned too little."""
    orders, adopted = profile.get(Orders), world.models.get(MODEL)
    if orders is None or not orders.days or adopted is None or adopted.examples < MIN_EXAMPLES:
        return None
    habits, model = profile.of(Habits), cast("GapModel", adopted.model)
    silent = min(_LONGEST, max(0.0, (now - orders.last_at) / DAY))
    days, low, high = model.remaining(habit(habits, orders, orders.last_at), silent)
    enough = habits.gaps >= MIN_GAPS
    evidence = f"{orders.days} days with an order" + ("" if enough else f"; {MIN_GAPS + 1} are needed")
    return NextAt(now + days * DAY, now + low * DAY, now + high * DAY, enough, evidence)


def _closed(profile: Profile, habits: Habits, orders: Orders, days: float, world: World) -> Sequence[Outcome]:
    """The stretch from the last scoring moment to the order that closes a gap. Where scoring had stopped, the silence
    was not told in full, and an order at its end would count for too much.
    """
    plan, weight = world.plan, teaching_weight(habits.gaps, orders.phase)
    due = profile.timers.get(WEEKLY)
    if not weight or due is None or days * DAY > plan.stop_after:
        return NOTHING
    told = max(0.0, (due - plan.score_every - orders.previous_at) / DAY)
    if told >= days:
        return NOTHING
    found = habit(habits, orders, orders.previous_at)
    return (_example(found, orders.previous_at, told, days, weight, True),)


def _silence(profile: Profile, orders: Orders, now: float, world: World) -> Sequence[Outcome]:
    """What was not bought since the last scoring moment. Of long silences a sample is told, counted as often as it
    stands for: the first two weeks in full, up to eight weeks every fourth, then every thirteenth.
    """
    habits, week = profile.of(Habits), world.plan.score_every
    silent = (now - orders.last_at) / DAY
    every = 1 if silent < 14 else 4 if silent < 56 else 13
    weight = teaching_weight(habits.gaps, orders.phase) * every
    turn = orders.first_day + int(now / week)
    if not weight or turn % every or not 0 < silent <= _LONGEST:
        return NOTHING
    told = max(0.0, silent - week / DAY)
    return (_example(habit(habits, orders, orders.last_at), orders.last_at, told, silent, weight, False),)


def _example(habit: Habit, last_at: float, told: float, until: float, weight: int, bought: bool) -> Example:
    """Days `told` to `until` after the last order, at whose end an order came or did not."""
    data = {"habit": [*habit], "from": told, "to": until, "weight": weight, "bought": bought}
    return Example(MODEL, last_at + told * DAY, data)
