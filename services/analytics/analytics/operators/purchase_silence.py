"""A customer who buys to a rhythm has not bought for longer than that rhythm explains.

The rhythm (`rhythm`) gives the silence that this customer would reach by chance once in 200 years; a timer rings when
it is reached. Whoever buys like clockwork is missed soon; whoever buys at random is given time.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from analytics.events import Event, What
from analytics.operators.base import (
    Adopted,
    Clear,
    Finding,
    Kind,
    Level,
    Operator,
    Outcome,
    Raise,
    Reading,
    Reason,
    Standing,
    World,
    days_text,
    every_text,
    money_text,
    saturating,
)
from analytics.operators.evidence import normal_tail
from analytics.operators.rhythm import MIN_GAPS, Expected, RhythmPopulation, alarm_days, expected, learn_gap, usual_days
from analytics.operators.rhythm import Rhythm as Rhythm
from analytics.operators.rhythm import expected_next as next_order
from analytics.operators.rhythm import rhythm_of as rhythm_of
from analytics.operators.spend_words import usual_spend
from analytics.orders import DAY, Orders
from analytics.profile import NEVER, Profile

MAX_UPDATES: Final = 3
_HALF_Z: Final = 2.33  # the silence that one rhythm in a hundred shows scores one half
_RAREST: Final = 10_000
_LATEST_DAYS: Final = 365.0  # the silence of whom it takes longer than both to miss is told to nobody
_LATEST_GAPS: Final = 4.0


class PurchaseSilence(Operator):
    kind = Kind.PURCHASE_SILENCE
    takes = frozenset({What.ORDER})

    def learn(self, profile: Profile, event: Event, world: World) -> Sequence[Outcome]:
        orders = profile.of(Orders)
        renewed = orders.gap > 0 and learn_gap(profile, orders.gap, world.of(RhythmPopulation))
        profile.set_timer(self.kind, missed_at(profile))
        if self.kind not in profile.episodes:
            return ()
        why = "They ordered again; the second long gap in a row is the new usual." if renewed else "They ordered again."
        return (Clear(self.kind, why),)

    def ring(self, profile: Profile, due: float, world: World) -> Sequence[Outcome]:
        open_ = profile.episodes.get(self.kind)
        updates = 0 if open_ is None else open_.updates + 1
        silent = open_ is not None and open_.silent
        profile.set_timer(self.kind, NEVER if silent else next_update(profile, due, updates))
        return (Raise(explain(profile, world, due), again=True),)

    def merged(self, profile: Profile, world: World) -> None:
        rhythm = profile.of(Rhythm)
        rhythm.alarm = alarm_days(profile, world.of(RhythmPopulation))
        if self.kind not in profile.episodes:
            profile.set_timer(self.kind, missed_at(profile))

    def standing(self, profile: Profile, world: World, now: float) -> Standing | None:
        return standing(profile, world, now)

    def score_again(self, features: Mapping[str, Any], model: Adopted | None) -> float:
        found = Expected(features["mean_days"], features["shape"], features["gaps"])
        return saturating(found.z(features["silent_days"]), _HALF_Z)


def missed_at(profile: Profile) -> float:
    """When a silence since the last order is told; `NEVER` where there is no rhythm, or one so loose that by then
    nobody waits any more.
    """
    rhythm = profile.of(Rhythm)
    latest = max(_LATEST_DAYS, _LATEST_GAPS * usual_days(rhythm))
    return profile.of(Orders).last_at + rhythm.alarm * DAY if rhythm.alarm <= latest else NEVER


def next_update(profile: Profile, now: float, updates: int) -> float:
    """When to say it again while it lasts: after one more usual gap, then two, then four."""
    if updates >= MAX_UPDATES:
        return NEVER
    return now + max(1.0, usual_days(rhythm_of(profile))) * float(2**updates) * DAY


def explain(profile: Profile, world: World, now: float) -> Finding:
    """The words and numbers at the moment `now` of a silence."""
    orders, found = profile.of(Orders), _expected(profile, world)
    usual, silent = usual_days(rhythm_of(profile)), max(0.0, (now - orders.last_at) / DAY)
    spend = usual_spend(profile, world)
    spends = f" Usually spends {money_text(spend[1], spend[0])}." if spend else ""
    value = spend[1] if spend else 0.0
    z = found.z(silent)
    one_in = round(1.0 / max(normal_tail(z), 1e-9))
    seldom = f"about 1 of {one_in:,}" if one_in < _RAREST else f"less than 1 of {_RAREST:,}"
    reasons = (
        Reason("rhythm", f"{orders.count} orders so far, usually every {every_text(usual)}.", 0.6),
        Reason("threshold", f"A gap this long is seen in {seldom} in rhythms like this.", 0.4),
    )
    return Finding(
        kind=Kind.PURCHASE_SILENCE,
        direction="bad",
        severity="high" if orders.count >= 10 or value >= 200 else "medium",
        score=saturating(z, _HALF_Z),
        sentence=f"Orders every {every_text(usual)}; silent for {math.floor(silent)}.{spends}",
        expected=Reading(round(usual, 2), "days", f"an order every {every_text(usual)}"),
        observed=Reading(round(silent, 2), "days", f"{math.floor(silent)} days without an order"),
        reasons=reasons,
        step=("call", "Call them and ask how things are"),
        features={"mean_days": found.days, "shape": found.shape, "gaps": found.weight, "silent_days": silent},
    )


def standing(profile: Profile, world: World, now: float) -> Standing:
    """The silence so far, for the customer's page."""
    rhythm, kind, label = rhythm_of(profile), Kind.PURCHASE_SILENCE, "Purchase rhythm"
    if rhythm.gaps < MIN_GAPS:
        evidence = f"{rhythm.gaps} gaps between orders; {MIN_GAPS} are needed"
        return Standing(kind, label, None, Level.UNKNOWN, False, evidence, (), now)
    usual, silent = usual_days(rhythm), max(0.0, (now - profile.of(Orders).last_at) / DAY)
    z = _expected(profile, world).z(silent)
    level = Level.ALARM if silent >= rhythm.alarm else Level.WATCH if z > 1.6 else Level.OK
    text = f"Usually every {every_text(usual)}; the last order was {days_text(math.floor(silent))} ago."
    evidence = f"{rhythm.gaps} gaps between orders, enough"
    return Standing(kind, label, saturating(z, _HALF_Z), level, True, evidence, (Reason("rhythm", text, 1.0),), now)


def expected_next(profile: Profile, world: World) -> tuple[float, float, float] | None:
    """When the next order is expected, and the range of eight in ten; seconds since 1970."""
    return next_order(profile, world.of(RhythmPopulation))


def _expected(profile: Profile, world: World) -> Expected:
    return expected(rhythm_of(profile), *world.of(RhythmPopulation).of(profile.segment))
