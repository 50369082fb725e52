"""An order far from what this customer usually spends, or a spell of such orders.

The score of an order is the probability that it is unusual, given it and all before it (`spend_odds`); the alarm is
raised on the evidence of Shiryaev and Roberts for a spell, which limits false alarms per customer and year
(`evidence`). What is unusual does not teach; what is doubtful teaches in part. A change that lasts becomes the new
usual, and that is said.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from analytics.events import Event, What
from analytics.operators.base import NOTHING, Adopted, Clear, Kind, Noted, Operator, Outcome, Raise, Standing, World
from analytics.operators.evidence import ALARM_YEARS
from analytics.operators.spend_baseline import MIN_ORDERS, Baseline, Group, Shape, SpendPopulation
from analytics.operators.spend_baseline import Spend as Spend
from analytics.operators.spend_odds import Judged, judge, probability
from analytics.operators.spend_words import explain, standing
from analytics.operators.spend_words import main_baseline as main_baseline
from analytics.operators.spend_words import usual_spend as usual_spend
from analytics.orders import DAY, SCALE, Orders
from analytics.profile import NEVER, Profile

CHANGE_ORDERS: Final = 4  # so many unusual, for so long, half of all or more: the new usual
CHANGE_DAYS: Final = 20.0
CALM_DAYS: Final = 7.0  # since the last unusual order, and a usual one after it: over
EPISODE_DAYS: Final = 30.0  # the longer of these without any order: over
EPISODE_GAPS: Final = 2.0
_UNKNOWN = (Noted(Kind.SPEND_DEVIATION, 0.0, False),)
_STUDY_ALL: Final = 2_000  # orders that are all studied for the population; then each eighth


class SpendDeviation(Operator):
    kind = Kind.SPEND_DEVIATION
    takes = frozenset({What.ORDER})

    def learn(self, profile: Profile, event: Event, world: World) -> Sequence[Outcome]:
        currency = event.currency
        baseline = profile.of(Spend).of(currency)
        if baseline is None or event.amount <= 0:
            return _UNKNOWN
        amount, population, segment = event.amount / SCALE, world.of(SpendPopulation), profile.segment
        log, everybody = math.log(amount), population.group(currency, 0)
        group = everybody if segment == 0 else population.group(currency, segment).over(everybody)
        if baseline.count < MIN_ORDERS:
            baseline.at = max(baseline.at, event.time)
            baseline.learn(log, amount, 1.0, group)
            _note(population, everybody, currency, segment, log, amount)
            return _UNKNOWN
        shape = population.shape(currency)
        judged = judge(baseline, log, amount, event.time, group, shape)
        unusual = judged.probability >= 0.5
        if shape.studied < _STUDY_ALL or everybody.count % 8 == 0:
            population.study(baseline, segment, group, log, amount, judged.teaches)
        noted = Noted(self.kind, judged.probability, unusual)
        if not unusual:
            baseline.learn(log, amount, judged.teaches, group)
            _note(population, everybody, currency, segment, log, amount)
            if not baseline.orders:
                return (noted,)
        _count(baseline, event.time, unusual, log, amount)
        return (noted, *self._run(profile, event, baseline, judged, shape))

    def _run(
        self, profile: Profile, event: Event, baseline: Baseline, judged: Judged, shape: Shape
    ) -> Sequence[Outcome]:
        """An order of a run that an unusual one began."""
        if _changed(baseline, event.time):
            _adopt(baseline)
            return self._end(profile, f"{CHANGE_ORDERS} orders or more like these: this is the new usual.")
        if judged.probability < 0.5:
            if event.time - baseline.unusual_at < CALM_DAYS * DAY:
                return NOTHING
            _forget(baseline)
            return self._end(profile, "The orders since were as usual.")
        if baseline.evidence < ALARM_YEARS and self.kind not in profile.episodes:
            return NOTHING
        gap = profile.of(Orders).mean_gap_days() or 0.0
        profile.set_timer(self.kind, event.time + max(EPISODE_DAYS, EPISODE_GAPS * gap) * DAY)
        return (Raise(explain(baseline, event.amount, judged, shape)),)

    def _end(self, profile: Profile, why: str) -> Sequence[Outcome]:
        if self.kind not in profile.episodes:
            return NOTHING
        profile.set_timer(self.kind, NEVER)
        return (Clear(self.kind, why),)

    def ring(self, profile: Profile, due: float, world: World) -> Sequence[Outcome]:
        for baseline in profile.of(Spend).baselines.values():
            _forget(baseline)
        return (Clear(self.kind, "No further order since."),)

    def standing(self, profile: Profile, world: World, now: float) -> Standing | None:
        return standing(profile, world, now)

    def score_again(self, features: Mapping[str, Any], model: Adopted | None) -> float:
        return probability(features["spell"], features["log_ratio"])


def _count(baseline: Baseline, at: float, unusual: bool, log: float, amount: float) -> None:
    if not baseline.orders:
        baseline.since, baseline.run_mean, baseline.run_raw = at, 0.0, 0.0
    baseline.orders = min(baseline.orders + 1, 65_535)
    baseline.run_mean += (log - baseline.run_mean) / baseline.orders
    baseline.run_raw += (amount - baseline.run_raw) / baseline.orders
    if unusual:
        baseline.unusual = min(baseline.unusual + 1, 65_535)
        baseline.unusual_at = max(baseline.unusual_at, at)


def _changed(baseline: Baseline, at: float) -> bool:
    """Whether the run has lasted, by orders and by time, and most of it was unusual."""
    enough = baseline.unusual >= CHANGE_ORDERS and at - baseline.since >= CHANGE_DAYS * DAY
    return enough and 2 * baseline.unusual >= baseline.orders


def _adopt(baseline: Baseline) -> None:
    """The run becomes the new usual; its spread is not known yet, so the group's stands in."""
    baseline.mean, baseline.raw_mean = baseline.run_mean, baseline.run_raw
    baseline.var = baseline.raw_var = 0.0
    baseline.count = float(MIN_ORDERS)
    baseline.odds = 0.0
    _forget(baseline)


def _forget(baseline: Baseline) -> None:
    """The run is over."""
    baseline.orders = baseline.unusual = 0
    baseline.evidence = 0.0


def _note(
    population: SpendPopulation, everybody: Group, currency: str, segment: int, log: float, amount: float
) -> None:
    everybody.note(log, amount)
    if segment:
        population.group(currency, segment).note(log, amount)
