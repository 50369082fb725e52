"""An order far from what this customer usually spends.

Works on the logarithm of the order's total, per currency. The usual value is an exponentially weighted mean of the
customer's own orders (River's EWMean and EWVar, on packed numbers); the variance is shrunk towards the mean within-
customer variance of the population, n / (n + k), as in empirical Bayes. A flagged order does not teach the baseline;
three in a row in one direction are a lasting change and become the new usual.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from struct import Struct
from typing import Any, ClassVar

from analytics.events import Event, What
from analytics.operators.base import (
    NOTHING,
    Adopted,
    Clear,
    Finding,
    Kind,
    Level,
    Noted,
    Operator,
    Outcome,
    Raise,
    Reading,
    Reason,
    Standing,
    World,
    money_text,
    saturating,
)
from analytics.orders import DAY, SCALE, Orders
from analytics.profile import NEVER, Profile
from analytics.sections import Section

ALARM_Z = 3.5
MIN_ORDERS = 5
LASTING = 3
EPISODE_SECONDS = 30 * DAY
_ALPHA = 0.15
_PRIOR_WEIGHT = 6.0
_PRIOR_VAR = 0.20
_POPULATION_ALPHA = 0.002
_POPULATION_PRIOR = 20  # orders that the starting value counts for
_MAX_CURRENCIES = 6
_BASELINE = Struct("<3sI2dbd")
_WITHIN = Struct("<3sd")


@dataclass(slots=True)
class Baseline:
    """The usual order in one currency, in log units. `streak` counts flagged orders in a row (sign: direction),
    `streak_mean` is their mean log amount.
    """

    currency: str
    count: int = 0
    mean: float = 0.0
    var: float = 0.0
    streak: int = 0
    streak_mean: float = 0.0


@dataclass(slots=True)
class Spend(Section):
    """A customer's baselines by currency."""

    NUMBER: ClassVar[int] = 10

    baselines: dict[str, Baseline] = field(default_factory=dict)

    def of(self, currency: str) -> Baseline | None:
        """None where a seventh currency would make the profile unbounded."""
        found = self.baselines.get(currency)
        if found is None and len(self.baselines) < _MAX_CURRENCIES:
            found = self.baselines[currency] = Baseline(currency)
        return found

    def pack(self) -> bytes:
        return b"".join(
            _BASELINE.pack(b.currency.encode(), b.count, b.mean, b.var, b.streak, b.streak_mean)
            for b in self.baselines.values()
        )

    @classmethod
    def unpack(cls, packed: bytes) -> "Spend":
        found = (Baseline(code.decode(), *rest) for code, *rest in _BASELINE.iter_unpack(packed))
        return cls({baseline.currency: baseline for baseline in found})

    def merge(self, other: "Spend") -> None:
        for theirs in other.baselines.values():
            ours = self.of(theirs.currency)
            if ours is not None:
                ours.mean = _weighted(ours.mean, ours.count, theirs.mean, theirs.count)
                ours.var = _weighted(ours.var, ours.count, theirs.var, theirs.count)
                ours.count += theirs.count


@dataclass(slots=True)
class SpendPopulation(Section):
    """`within` is the mean squared deviation of a log amount from its own customer's mean, by currency."""

    NUMBER: ClassVar[int] = 11

    orders: int = 0
    within: dict[str, float] = field(default_factory=dict)

    def pack(self) -> bytes:
        rows = (_WITHIN.pack(code.encode(), value) for code, value in self.within.items())
        return b"".join((self.orders.to_bytes(8, "little"), *rows))

    @classmethod
    def unpack(cls, packed: bytes) -> "SpendPopulation":
        within = {code.decode(): value for code, value in _WITHIN.iter_unpack(packed[8:])}
        return cls(int.from_bytes(packed[:8], "little"), within)


class SpendDeviation(Operator):
    kind = Kind.SPEND_DEVIATION
    takes = frozenset({What.ORDER})

    def learn(self, profile: Profile, event: Event, world: World) -> Sequence[Outcome]:
        baseline, population = profile.of(Spend).of(event.currency), world.of(SpendPopulation)
        if baseline is None:
            return NOTHING
        deviation = assess(baseline, event.amount, population)
        lasting = learn(baseline, event.amount, deviation, population)
        if deviation is None:
            return NOTHING
        noted = Noted(self.kind, abs(deviation.z), deviation.flagged)
        if deviation.flagged and not lasting:
            profile.set_timer(self.kind, event.time + EPISODE_SECONDS)
            return noted, Raise(explain(baseline, event.amount, deviation))
        if self.kind not in profile.episodes:
            return (noted,)
        profile.set_timer(self.kind, NEVER)
        why = "Three orders in a row: this is the new usual." if lasting else "The next order was as usual."
        return noted, Clear(self.kind, why)

    def ring(self, profile: Profile, due: float, world: World) -> Sequence[Outcome]:
        return (Clear(self.kind, "No further order in 30 days."),)

    def standing(self, profile: Profile, world: World, now: float) -> Standing | None:
        return standing(profile, world, now)

    def score_again(self, features: Mapping[str, Any], model: Adopted | None) -> float:
        return saturating(abs(features["z"]), ALARM_Z)


@dataclass(frozen=True, slots=True)
class Deviation:
    """How far an order is from the usual, in standard deviations of its logarithm; positive is more."""

    z: float
    flagged: bool
    usual: float
    spread: float


def assess(money: Baseline, amount: int, population: SpendPopulation) -> Deviation | None:
    """Scores an order before it is learned. None while fewer than five orders are known."""
    if money.count < MIN_ORDERS or amount <= 0:
        return None
    spread = _spread(money, population)
    z = (_log(amount) - money.mean) / spread
    return Deviation(z, abs(z) >= ALARM_Z, money.mean, spread)


def learn(money: Baseline, amount: int, deviation: Deviation | None, population: SpendPopulation) -> bool:
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


def _learn_flagged(money: Baseline, x: float, sign: int) -> bool:
    same = money.streak * sign > 0
    count = abs(money.streak) + 1 if same else 1
    money.streak_mean = money.streak_mean + (x - money.streak_mean) / count if same else x
    money.streak = sign * count
    if count < LASTING:
        return False
    money.mean, money.streak = money.streak_mean, 0
    money.count = max(MIN_ORDERS, money.count)
    return True


def explain(money: Baseline, amount: int, deviation: Deviation) -> Finding:
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
    money = main_baseline(profile)
    recent = profile.of(Orders).recent()
    last = next((o for o in reversed(recent) if money and o.currency == money.currency), None)
    found = assess(money, last.amount, world.of(SpendPopulation)) if money and last else None
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


def main_baseline(profile: Profile) -> Baseline | None:
    """The one of the currency most orders were in."""
    account = profile.of(Orders).main_account()
    return profile.of(Spend).baselines.get(account.currency) if account else None


def usual_spend(profile: Profile, world: World) -> tuple[str, float, float, float] | None:
    """Currency, usual order value and its ordinary range (two standard deviations); None without evidence."""
    money = main_baseline(profile)
    if money is None or money.count < MIN_ORDERS:
        return None
    spread = _spread(money, world.of(SpendPopulation))
    usual, low, high = (_amount_of(money.mean + k * spread) for k in (0, -2, 2))
    return money.currency, usual, low, high


def _spread(money: Baseline, population: SpendPopulation) -> float:
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


def _weighted(a: float, n: int, b: float, m: int) -> float:
    return math.fsum((a * n, b * m)) / (n + m) if n + m else 0.0
