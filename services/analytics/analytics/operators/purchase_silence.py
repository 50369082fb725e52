"""A customer who buys to a rhythm has not bought for longer than that rhythm explains.

The logarithm of the days between distinct days with an order is taken as normal (log-normal gaps, as in Platzer and
Reutterer's regular-purchase models); mean and variance are exponentially weighted, the variance shrunk towards the
population's. A timer rings at the gap that about one honest customer in a hundred exceeds.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Any, ClassVar

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
    money_text,
    saturating,
)
from analytics.operators.spend_deviation import usual_spend
from analytics.orders import DAY, Orders
from analytics.profile import NEVER, Profile
from analytics.sections import Section

ALARM_Z = 2.33
MIN_GAPS = 3
MAX_UPDATES = 3
_ALPHA = 0.2
_PRIOR_WEIGHT = 4.0
_POPULATION_ALPHA = 0.002
_POPULATION_PRIOR = 20  # gaps that the starting value counts for
_LEAST_RATIO = 1.8
_LEAST_DAYS = 2.0


@dataclass(slots=True)
class Rhythm(Section):
    """Mean and variance of the logarithm of a customer's gaps in days."""

    NUMBER: ClassVar[int] = 12
    LAYOUT: ClassVar[Struct] = Struct("<2dI")

    mean: float = 0.0
    var: float = 0.0
    gaps: int = 0

    def merge(self, other: "Rhythm") -> None:
        total = self.gaps + other.gaps
        if total:
            self.mean = math.fsum((self.mean * self.gaps, other.mean * other.gaps)) / total
            self.var = math.fsum((self.var * self.gaps, other.var * other.gaps)) / total
            self.gaps = total


@dataclass(slots=True)
class RhythmPopulation(Section):
    """The mean squared deviation of a log gap from its own customer's mean, and the gaps it was learned from."""

    NUMBER: ClassVar[int] = 13
    LAYOUT: ClassVar[Struct] = Struct("<dI")

    gap_var: float = 0.35
    gaps: int = 0


class PurchaseSilence(Operator):
    kind = Kind.PURCHASE_SILENCE
    takes = frozenset({What.ORDER})

    def learn(self, profile: Profile, event: Event, world: World) -> Sequence[Outcome]:
        gap = profile.of(Orders).gap
        if gap > 0:
            learn_gap(profile.of(Rhythm), gap, world.of(RhythmPopulation))
        profile.set_timer(self.kind, alarm_at(profile, world))
        return (Clear(self.kind, "They ordered again."),) if self.kind in profile.episodes else ()

    def ring(self, profile: Profile, due: float, world: World) -> Sequence[Outcome]:
        open_ = profile.episodes.get(self.kind)
        updates = 0 if open_ is None else open_.updates + 1
        silent = open_ is not None and open_.silent
        profile.set_timer(self.kind, NEVER if silent else next_update(profile, due, updates))
        return (Raise(explain(profile, world, due), again=True),)

    def merged(self, profile: Profile, world: World) -> None:
        if self.kind not in profile.episodes:
            profile.set_timer(self.kind, alarm_at(profile, world))

    def standing(self, profile: Profile, world: World, now: float) -> Standing | None:
        return standing(profile, world, now)

    def score_again(self, features: Mapping[str, Any], model: Adopted | None) -> float:
        z = (math.log(max(features["silent_days"], 1e-3)) - features["gap_mean_log"]) / features["gap_sd_log"]
        return saturating(z, ALARM_Z)


def learn_gap(rhythm: Rhythm, days: float, population: RhythmPopulation) -> None:
    """Takes the days between two distinct days with an order into the rhythm."""
    x = math.log(days)
    rhythm.gaps += 1
    alpha = max(_ALPHA, 1.0 / rhythm.gaps)
    off = x - rhythm.mean
    rhythm.mean += alpha * off
    if rhythm.gaps > 1:
        rhythm.var = (1 - alpha) * (rhythm.var + alpha * off * off)
        population.gaps += 1
        rate = max(_POPULATION_ALPHA, 1 / (_POPULATION_PRIOR + population.gaps))
        population.gap_var += rate * (min(off * off, 4.0) - population.gap_var)


def alarm_at(profile: Profile, world: World) -> float:
    """When silence becomes remarkable; infinity while the rhythm is unknown."""
    if rhythm_of(profile).gaps < MIN_GAPS:
        return NEVER
    return profile.of(Orders).last_at + _alarm_days(profile, world) * DAY


def next_update(profile: Profile, now: float, updates: int) -> float:
    """When to say it again while it lasts: after one more usual gap, then two, then four."""
    if updates >= MAX_UPDATES:
        return NEVER
    return now + max(1.0, math.exp(rhythm_of(profile).mean)) * float(2**updates) * DAY


def explain(profile: Profile, world: World, now: float) -> Finding:
    """The words and numbers at the moment `now` of a silence."""
    usual, silent = math.exp(rhythm_of(profile).mean), (now - profile.of(Orders).last_at) / DAY
    spend = usual_spend(profile, world)
    spends = f" Usually spends {money_text(spend[1], spend[0])}." if spend else ""
    value = spend[1] if spend else 0.0
    reasons = (
        Reason("rhythm", f"{profile.of(Orders).count} orders so far, usually every {days_text(usual)}.", 0.6),
        Reason("threshold", "A gap this long is seen in about 1 of 100 rhythms like this.", 0.4),
    )
    return Finding(
        kind=Kind.PURCHASE_SILENCE,
        direction="bad",
        severity="high" if profile.of(Orders).count >= 10 or value >= 200 else "medium",
        score=saturating(_z(profile, world, silent), ALARM_Z),
        sentence=f"Orders every {days_text(usual)}; silent for {math.floor(silent)}.{spends}",
        expected=Reading(round(usual, 2), "days", f"an order every {days_text(usual)}"),
        observed=Reading(round(silent, 2), "days", f"{math.floor(silent)} days without an order"),
        reasons=reasons,
        step=("call", "Call them and ask how things are"),
        features={"gap_mean_log": rhythm_of(profile).mean, "gap_sd_log": _sd(profile, world), "silent_days": silent},
    )


def standing(profile: Profile, world: World, now: float) -> Standing:
    """The silence so far, for the customer's page."""
    if rhythm_of(profile).gaps < MIN_GAPS:
        evidence = f"{rhythm_of(profile).gaps} gaps between orders; {MIN_GAPS} are needed"
        return Standing(Kind.PURCHASE_SILENCE, "Purchase rhythm", None, Level.UNKNOWN, False, evidence, (), now)
    usual, silent = math.exp(rhythm_of(profile).mean), max(0.0, (now - profile.of(Orders).last_at) / DAY)
    z = _z(profile, world, silent)
    level = Level.ALARM if silent >= _alarm_days(profile, world) else Level.WATCH if z > 1.3 else Level.OK
    text = f"Usually every {days_text(usual)}; the last order was {days_text(math.floor(silent))} ago."
    evidence = f"{rhythm_of(profile).gaps} gaps between orders, enough"
    value = saturating(z, ALARM_Z)
    reasons = (Reason("rhythm", text, 1.0),)
    return Standing(Kind.PURCHASE_SILENCE, "Purchase rhythm", value, level, True, evidence, reasons, now)


def expected_next(profile: Profile, world: World) -> tuple[float, float, float] | None:
    """When the next order is expected, and the range of eight in ten; seconds since 1970."""
    if rhythm_of(profile).gaps < MIN_GAPS:
        return None
    sd = _sd(profile, world)
    at, low, high = (
        profile.of(Orders).last_at + math.exp(rhythm_of(profile).mean + k * sd) * DAY for k in (0.0, -1.28, 1.28)
    )
    return at, low, high


def _alarm_days(profile: Profile, world: World) -> float:
    usual = math.exp(rhythm_of(profile).mean)
    quantile = math.exp(rhythm_of(profile).mean + ALARM_Z * _sd(profile, world))
    return max(quantile, _LEAST_RATIO * usual, _LEAST_DAYS)


def _sd(profile: Profile, world: World) -> float:
    n = min(rhythm_of(profile).gaps, 1 / _ALPHA)
    variance = (n * rhythm_of(profile).var + _PRIOR_WEIGHT * world.of(RhythmPopulation).gap_var) / (n + _PRIOR_WEIGHT)
    return math.sqrt(variance * (1 + 1 / n))


def _z(profile: Profile, world: World, silent_days: float) -> float:
    return (math.log(max(silent_days, 1e-3)) - rhythm_of(profile).mean) / _sd(profile, world)


def rhythm_of(profile: Profile) -> Rhythm:
    return profile.of(Rhythm)
