"""An order far from what this customer usually spends.

Works on the logarithm of the order's total, per currency. The usual value is an exponentially weighted mean of the
customer's own orders (River's EWMean and EWVar, on packed numbers); the variance is shrunk towards the mean within-
customer variance of the population, n / (n + k), as in empirical Bayes. A flagged order does not teach the baseline;
three in a row in one direction are a lasting change and become the new usual.
"""

import math
from dataclasses import dataclass

from analytics.operators.base import (
    Finding,
    Kind,
    Level,
    Population,
    Reading,
    Reason,
    Standing,
    World,
    money_text,
    saturating,
)
from analytics.profile import DAY, Money, Profile

SCALE = 10_000
ALARM_Z = 3.5
MIN_ORDERS = 5
LASTING = 3
EPISODE_SECONDS = 30 * DAY
_ALPHA = 0.15
_PRIOR_WEIGHT = 6.0
_PRIOR_VAR = 0.20
_POPULATION_ALPHA = 0.002
_POPULATION_PRIOR = 20  # orders that the starting value counts for


@dataclass(frozen=True, slots=True)
class Deviation:
    """How far an order is from the usual, in standard deviations of its logarithm; positive is more."""

    z: float
    flagged: bool
    usual: float
    spread: float


def assess(money: Money, amount: int, population: Population) -> Deviation | None:
    """Scores an order before it is learned. None while fewer than five orders are known."""
    if money.count < MIN_ORDERS or amount <= 0:
        return None
    spread = _spread(money, population)
    z = (_log(amount) - money.mean) / spread
    return Deviation(z, abs(z) >= ALARM_Z, money.mean, spread)


def learn(money: Money, amount: int, deviation: Deviation | None, population: Population) -> bool:
    """Takes an order into the baseline. Returns True when a lasting change has just become the new usual."""
    if amount <= 0:
        return False
    x = _log(amount)
    if deviation is not None and deviation.flagged:
        return _learn_flagged(money, x, 1 if deviation.z > 0 else -1)
    money.streak = 0
    money.count += 1
    alpha = max(_ALPHA, 1.0 / money.count)
    off = x - money.mean
    money.mean += alpha * off
    if money.count > 1:
        money.var = (1 - alpha) * (money.var + alpha * off * off)
        within = population.within.get(money.currency, _PRIOR_VAR)
        population.orders += 1
        rate = max(_POPULATION_ALPHA, 1 / (_POPULATION_PRIOR + population.orders))
        population.within[money.currency] = within + rate * (min(off * off, 4.0) - within)
    return False


def _learn_flagged(money: Money, x: float, sign: int) -> bool:
    same = money.streak * sign > 0
    count = abs(money.streak) + 1 if same else 1
    money.streak_mean = money.streak_mean + (x - money.streak_mean) / count if same else x
    money.streak = sign * count
    if count < LASTING:
        return False
    money.mean, money.streak = money.streak_mean, 0
    money.count = max(MIN_ORDERS, money.count)
    return True


def explain(money: Money, amount: int, deviation: Deviation) -> Finding:
    """The words and numbers for a flagged order."""
    more = deviation.z > 0
    usual, spent = _amount_of(deviation.usual), amount / SCALE
    usual_text, spent_text = money_text(usual, money.currency), money_text(spent, money.currency)
    ratio = spent / usual if more else usual / max(spent, 1e-9)
    times = f"{ratio:.1f} times {'more' if more else 'less'} than usual"
    low, high = _band(deviation.usual, deviation.spread, money.currency)
    reasons = (
        Reason("ratio", f"This order is {times}.", 0.7),
        Reason("band", f"{money.count} earlier orders were nearly all between {low} and {high}.", 0.3),
    )
    step = ("thank", "Thank them and ask what changed") if more else ("ask", "Ask whether something was missing")
    return Finding(
        kind=Kind.SPEND_DEVIATION,
        direction="good" if more else "bad",
        severity="medium" if abs(deviation.z) > 2 * ALARM_Z else "low",
        score=saturating(abs(deviation.z), ALARM_Z),
        sentence=f"Spent {spent_text}; usually {usual_text}.",
        expected=Reading(round(usual, 2), money.currency, f"about {usual_text}"),
        observed=Reading(round(spent, 2), money.currency, spent_text),
        reasons=reasons,
        step=step,
        features={
            "z": deviation.z,
            "usual_log": deviation.usual,
            "spread_log": deviation.spread,
            "orders": money.count,
        },
    )


def standing(profile: Profile, world: World, now: float) -> Standing:
    """How the latest order compares, for the customer's page."""
    money = profile.main_money()
    last = next((o for o in reversed(profile.recent) if money and o.currency == money.currency), None)
    found = assess(money, last.amount, world.population) if money and last else None
    if money is None or last is None or found is None:
        count = money.count if money else 0
        evidence = f"{count} orders; {MIN_ORDERS} are needed"
        return Standing(Kind.SPEND_DEVIATION, "Spend", None, Level.UNKNOWN, False, evidence, (), now)
    low, high = _band(money.mean, found.spread, money.currency)
    reason = Reason(
        "band", f"Usually between {low} and {high}; last {money_text(last.amount / SCALE, money.currency)}.", 1.0
    )
    level = Level.ALARM if found.flagged else Level.WATCH if abs(found.z) > 2 else Level.OK
    evidence = f"{money.count} orders, enough"
    value = saturating(abs(found.z), ALARM_Z)
    return Standing(Kind.SPEND_DEVIATION, "Spend", value, level, True, evidence, (reason,), last.at)


def usual_spend(profile: Profile, population: Population) -> tuple[str, float, float, float] | None:
    """Currency, usual order value and its ordinary range (two standard deviations); None without evidence."""
    money = profile.main_money()
    if money is None or money.count < MIN_ORDERS:
        return None
    spread = _spread(money, population)
    usual, low, high = (_amount_of(money.mean + k * spread) for k in (0, -2, 2))
    return money.currency, usual, low, high


def _spread(money: Money, population: Population) -> float:
    prior = population.within.get(money.currency, _PRIOR_VAR)
    n = min(money.count, 1 / _ALPHA)
    variance = (n * money.var + _PRIOR_WEIGHT * prior) / (n + _PRIOR_WEIGHT)
    return math.sqrt(variance * (1 + 1 / n) + 1e-6)


def _band(usual: float, spread: float, currency: str) -> tuple[str, str]:
    return money_text(_amount_of(usual - 2 * spread), currency), money_text(_amount_of(usual + 2 * spread), currency)


def _log(amount: int) -> float:
    return math.log1p(amount / SCALE)


def _amount_of(log_amount: float) -> float:
    return math.expm1(log_amount)
