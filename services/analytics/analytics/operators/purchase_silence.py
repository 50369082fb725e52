"""A customer who buys to a rhythm has not bought for longer than that rhythm explains.

The logarithm of the days between distinct days with an order is taken as normal (log-normal gaps, as in Platzer and
Reutterer's regular-purchase models); mean and variance are exponentially weighted, the variance shrunk towards the
population's. A timer rings at the gap that about one honest customer in a hundred exceeds.
"""

import math

from analytics.operators.base import (
    Finding,
    Kind,
    Level,
    Population,
    Reading,
    Reason,
    Standing,
    World,
    days_text,
    money_text,
    saturating,
)
from analytics.operators.spend_deviation import usual_spend
from analytics.profile import DAY, NEVER, Profile

ALARM_Z = 2.33
MIN_GAPS = 3
MAX_UPDATES = 3
_ALPHA = 0.2
_PRIOR_WEIGHT = 4.0
_POPULATION_ALPHA = 0.002
_POPULATION_PRIOR = 20  # gaps that the starting value counts for
_LEAST_RATIO = 1.8
_LEAST_DAYS = 2.0


def learn_gap(profile: Profile, days: float, population: Population) -> None:
    """Takes the days between two distinct days with an order into the rhythm."""
    x = math.log(days)
    profile.gaps += 1
    alpha = max(_ALPHA, 1.0 / profile.gaps)
    off = x - profile.gap_mean
    profile.gap_mean += alpha * off
    if profile.gaps > 1:
        profile.gap_var = (1 - alpha) * (profile.gap_var + alpha * off * off)
        population.gaps += 1
        rate = max(_POPULATION_ALPHA, 1 / (_POPULATION_PRIOR + population.gaps))
        population.gap_var += rate * (min(off * off, 4.0) - population.gap_var)


def due(profile: Profile, population: Population) -> float:
    """When silence becomes remarkable; infinity while the rhythm is unknown."""
    if profile.gaps < MIN_GAPS:
        return NEVER
    return profile.last_order_at + _alarm_days(profile, population) * DAY


def next_update(profile: Profile, now: float, updates: int) -> float:
    """When to say it again while it lasts: after one more usual gap, then two, then four."""
    if updates >= MAX_UPDATES:
        return NEVER
    return now + max(1.0, math.exp(profile.gap_mean)) * float(2**updates) * DAY


def explain(profile: Profile, population: Population, now: float) -> Finding:
    """The words and numbers at the moment `now` of a silence."""
    usual, silent = math.exp(profile.gap_mean), (now - profile.last_order_at) / DAY
    spend = usual_spend(profile, population)
    spends = f" Usually spends {money_text(spend[1], spend[0])}." if spend else ""
    value = spend[1] if spend else 0.0
    reasons = (
        Reason("rhythm", f"{profile.orders} orders so far, usually every {days_text(usual)}.", 0.6),
        Reason("threshold", "A gap this long is seen in about 1 of 100 rhythms like this.", 0.4),
    )
    return Finding(
        kind=Kind.PURCHASE_SILENCE,
        direction="bad",
        severity="high" if profile.orders >= 10 or value >= 200 else "medium",
        score=saturating(_z(profile, population, silent), ALARM_Z),
        sentence=f"Orders every {days_text(usual)}; silent for {math.floor(silent)}.{spends}",
        expected=Reading(round(usual, 2), "days", f"an order every {days_text(usual)}"),
        observed=Reading(round(silent, 2), "days", f"{math.floor(silent)} days without an order"),
        reasons=reasons,
        step=("call", "Call them and ask how things are"),
        features={"gap_mean_log": profile.gap_mean, "gap_sd_log": _sd(profile, population), "silent_days": silent},
    )


def standing(profile: Profile, world: World, now: float) -> Standing:
    """The silence so far, for the customer's page."""
    if profile.gaps < MIN_GAPS:
        evidence = f"{profile.gaps} gaps between orders; {MIN_GAPS} are needed"
        return Standing(Kind.PURCHASE_SILENCE, "Purchase rhythm", None, Level.UNKNOWN, False, evidence, (), now)
    usual, silent = math.exp(profile.gap_mean), max(0.0, (now - profile.last_order_at) / DAY)
    z = _z(profile, world.population, silent)
    level = Level.ALARM if silent >= _alarm_days(profile, world.population) else Level.WATCH if z > 1.3 else Level.OK
    text = f"Usually every {days_text(usual)}; the last order was {days_text(math.floor(silent))} ago."
    evidence = f"{profile.gaps} gaps between orders, enough"
    value = saturating(z, ALARM_Z)
    reasons = (Reason("rhythm", text, 1.0),)
    return Standing(Kind.PURCHASE_SILENCE, "Purchase rhythm", value, level, True, evidence, reasons, now)


def expected_next(profile: Profile, population: Population) -> tuple[float, float, float] | None:
    """When the next order is expected, and the range of eight in ten; seconds since 1970."""
    if profile.gaps < MIN_GAPS:
        return None
    sd = _sd(profile, population)
    at, low, high = (profile.last_order_at + math.exp(profile.gap_mean + k * sd) * DAY for k in (0.0, -1.28, 1.28))
    return at, low, high


def _alarm_days(profile: Profile, population: Population) -> float:
    usual = math.exp(profile.gap_mean)
    quantile = math.exp(profile.gap_mean + ALARM_Z * _sd(profile, population))
    return max(quantile, _LEAST_RATIO * usual, _LEAST_DAYS)


def _sd(profile: Profile, population: Population) -> float:
    n = min(profile.gaps, 1 / _ALPHA)
    variance = (n * profile.gap_var + _PRIOR_WEIGHT * population.gap_var) / (n + _PRIOR_WEIGHT)
    return math.sqrt(variance * (1 + 1 / n))


def _z(profile: Profile, population: Population, silent_days: float) -> float:
    return (math.log(max(silent_days, 1e-3)) - profile.gap_mean) / _sd(profile, population)
