"""An order far from what this customer usually spends, or a spell of them.

Each order is judged by two hypotheses, as a hidden Markov model with two states: usual (the customer's own
distribution, see `spend_baseline`) and spell, in which every other order is unusual (broadly: a few times more or less
than usual). The score of an order is the probability that it is unusual, given it and all before it; so what came just
before counts, and fades with time and orders. An alarm is raised on the evidence of Shiryaev and Roberts for a spell.
What is unusual does not teach. A change that lasts becomes the new usual.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from analytics.events import Event, What
from analytics.operators import spend_words as words
from analytics.operators.base import NOTHING, Adopted, Clear, Kind, Level, Noted, Operator, Outcome, Raise, Standing
from analytics.operators.base import World as World
from analytics.operators.evidence import CAP, DAY, YEAR_DAYS
from analytics.operators.spend_baseline import MIN_ORDERS, Baseline, Group, Predicted, Shape, Spend, SpendPopulation
from analytics.orders import SCALE, Orders
from analytics.profile import NEVER, Profile

ALARM_YEARS = 50.0  # of evidence; false alarms are several times rarer than one in so many customer-years (measured)
_SHARE = 0.5  # of a spell's orders are unusual
_ENTERED = 0.2 / YEAR_DAYS  # spells a day, as prior
_ENTERED_MOST = 0.05
_SPELL_DAYS, _SPELL_ORDERS = 14.0, 8.0  # what came before fades by the slower of the two
_ODDS_MOST = 50.0
_DOUBT = 0.05  # for teaching, a spell is never held less likely than this
_FACTOR, _FACTOR_VAR = 1.3, 0.64  # logarithm of a usual factor of an unusual order, and its variance
_FALL = 0.7  # how steeply the density of larger factors falls
_MORE = (math.log(0.6), math.log(0.4))  # more than usual is a little likelier than less
_HALF_NORMAL = math.sqrt(math.pi / 2)
_RATIO_MOST = 30.0
CHANGE_ORDERS, CHANGE_DAYS = 4, 20.0  # unusual for so many orders and so long, most of them: the new usual
CALM_DAYS = 7.0  # since the last unusual order, with a usual one after it: over
EPISODE_DAYS = 30.0  # or two usual gaps: over where no further order came
_UNKNOWN = (Noted(Kind.SPEND_DEVIATION, 0.0, False),)
_STUDY_ALL = 2_000  # studied orders until which each one is; then each eighth
_LEAST = 1e-9


class Judged(NamedTuple):
    """An order by what was known before: the unusual's probability before it, the log likelihood ratio against usual,
    the probability that it is unusual; the logarithm of the usual amount, and the variance about it.
    """

    prior: float
    log_ratio: float
    probability: float
    usual: float
    var: float


class SpendDeviation(Operator):
    kind = Kind.SPEND_DEVIATION
    takes = frozenset({What.ORDER})

    def learn(self, profile: Profile, event: Event, world: World) -> Sequence[Outcome]:
        population, currency = world.of(SpendPopulation), event.currency
        baseline = profile.of(Spend).of(currency)
        if baseline is None or event.amount <= 0:
            return _UNKNOWN
        amount = event.amount / SCALE
        log, group = math.log(amount), group_of(population, currency, profile.segment)
        shape = population.shape(currency)
        if baseline.count < MIN_ORDERS:
            baseline.at = max(baseline.at, event.time)
            baseline.learn(log, amount, 1.0, group)
            _teach(population, profile.segment, currency, log, amount)
            return _UNKNOWN
        judged, weight = _judge(baseline, log, amount, event.time, group, shape)
        unusual = judged.probability >= 0.5
        studied = shape.studied
        if studied < _STUDY_ALL or baseline.orders == 0 and int(event.time) % 8 == 0:
            _study(population, profile.segment, baseline, log, amount, weight, group)
        if not unusual:
            baseline.learn(log, amount, weight, group)
            _teach(population, profile.segment, currency, log, amount)
        noted = Noted(self.kind, judged.probability, unusual)
        if not baseline.orders and not unusual:
            return (noted,)
        return (noted, *self._follow(profile, event, baseline, judged, log, amount))
