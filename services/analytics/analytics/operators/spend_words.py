"""What is said of a customer's spending."""

import math
from typing import Final

from analytics.operators.base import Finding, Kind, Level, Reading, Reason, Standing, World, money_text
from analytics.operators.spend_baseline import MIN_ORDERS, Baseline, Group, Shape, Spend, SpendPopulation
from analytics.operators.spend_odds import LEAST_AMOUNT, Judged, probability, variance
from analytics.orders import SCALE, Orders
from analytics.profile import Profile

_LARGE_FACTOR: Final = 5.0
_SEVERAL: Final = 3


def explain(baseline: Baseline, amount: int, judged: Judged, shape: Shape) -> Finding:
    """The words and numbers for an unusual order."""
    own = own_usual(baseline, shape)
    normal, spent = math.exp(own), amount / SCALE
    more = spent > normal
    normal_text, spent_text = money_text(normal, baseline.currency), money_text(spent, baseline.currency)
    factor = spent / normal if more else normal / spent
    low, high = band(own, judged.var, baseline.currency)
    reasons = [
        Reason("ratio", f"This order is {factor:.1f} times {'more' if more else 'less'} than usual.", 0.6),
        Reason("band", f"{baseline.count:.0f} earlier orders were nearly all between {low} and {high}.", 0.3),
    ]
    if baseline.unusual > 1:
        reasons.append(Reason("run", f"{baseline.unusual} of the last {baseline.orders} orders were unusual.", 0.1))
    step = ("thank", "Thank them and ask what changed") if more else ("ask", "Ask whether something was missing")
    return Finding(
        kind=Kind.SPEND_DEVIATION,
        direction="good" if more else "bad",
        severity="medium" if factor >= _LARGE_FACTOR or baseline.unusual >= _SEVERAL else "low",
        score=judged.probability,
        sentence=f"Spent {spent_text}; usually {normal_text}.",
        expected=Reading(round(normal, 2), baseline.currency, f"about {normal_text}"),
        observed=Reading(round(spent, 2), baseline.currency, spent_text),
        reasons=reasons,
        step=step,
        features={
            "spell": judged.spell,
            "log_ratio": judged.log_ratio,
            "usual_log": judged.usual,
            "spread_log": math.sqrt(judged.var),
            "evidence_years": baseline.evidence,
            "orders": baseline.count,
        },
    )


def standing(profile: Profile, world: World, now: float) -> Standing:
    """How the latest order compares, for the customer's page."""
    kind, label = Kind.SPEND_DEVIATION, "Spend"
    baseline = main_baseline(profile)
    recent = profile.of(Orders).recent()
    last = next((o for o in reversed(recent) if baseline and o.currency == baseline.currency), None)
    if baseline is None or last is None or baseline.count < MIN_ORDERS:
        count = baseline.count if baseline else 0
        evidence = f"{count:.0f} orders; {MIN_ORDERS} are needed"
        return Standing(kind, label, None, Level.UNKNOWN, False, evidence, (), now)
    normal, var = _usual_of(baseline, profile, world)
    low, high = band(normal, var, baseline.currency)
    text = f"Usually between {low} and {high}; last {money_text(last.amount / SCALE, baseline.currency)}."
    spell = probability(baseline.odds / (1.0 + baseline.odds), 0.0) if baseline.orders else 0.0
    level = Level.ALARM if kind in profile.episodes else Level.WATCH if baseline.orders else Level.OK
    evidence = f"{baseline.count:.0f} orders, enough"
    return Standing(kind, label, spell, level, True, evidence, (Reason("band", text, 1.0),), last.at)


def main_baseline(profile: Profile) -> Baseline | None:
    """The one of the currency most orders were in."""
    account = profile.of(Orders).main_account()
    return profile.of(Spend).baselines.get(account.currency) if account else None


def usual_spend(profile: Profile, world: World) -> tuple[str, float, float, float] | None:
    """Currency, usual order value and its ordinary range (two standard deviations); None without evidence."""
    baseline = main_baseline(profile)
    if baseline is None or baseline.count < MIN_ORDERS:
        return None
    normal, var = _usual_of(baseline, profile, world)
    low, high = _range(normal, var)
    return baseline.currency, math.exp(normal), low, high


def band(normal: float, var: float, currency: str) -> tuple[str, str]:
    """The ordinary range in words."""
    low, high = _range(normal, var)
    return money_text(low, currency), money_text(high, currency)


def group_of(population: SpendPopulation, currency: str, segment: int) -> Group:
    """What a customer of this segment leans on."""
    everybody = population.group(currency, 0)
    return everybody if segment == 0 else population.group(currency, segment).over(everybody)


def own_usual(baseline: Baseline, shape: Shape) -> float:
    """The logarithm of what this customer usually spends, for people to read: orders are judged by a mean that leans on
    the other customers, but nobody ever spent that.
    """
    raw, weight = math.log(max(baseline.raw_mean, LEAST_AMOUNT)), shape.log_weight
    return weight * baseline.mean + (1.0 - weight) * raw


def _usual_of(baseline: Baseline, profile: Profile, world: World) -> tuple[float, float]:
    """The logarithm of the own usual, and the variance about it that orders are judged by."""
    population = world.of(SpendPopulation)
    shape, group = population.shape(baseline.currency), group_of(population, baseline.currency, profile.segment)
    return own_usual(baseline, shape), variance(baseline, group, shape)


def _range(normal: float, var: float) -> tuple[float, float]:
    """Two standard deviations of the logarithm about the usual."""
    spread = 2.0 * math.sqrt(var)
    return math.exp(normal - spread), math.exp(normal + spread)
