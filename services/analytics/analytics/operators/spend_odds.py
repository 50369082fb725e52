"""How likely an order is unusual: a hidden Markov model with two states, usual and spell.

While usual, orders follow the customer's own distribution. In a spell every other order is unusual: its logarithm lies
about a factor of a few above or below the usual, broadly, with an exponential tail. The odds of being in a spell are
carried from order to order (forward recursion of Baum's) and fade by the slower of time and orders: for a customer
with many orders a day a spell lasts a fortnight, for one with ten a year some orders.
"""

import math
from typing import Final, NamedTuple

from analytics.operators.evidence import CAP, DAY, YEAR_DAYS
from analytics.operators.spend_baseline import Baseline, Group, Scale, Shape, log_density

_SHARE: Final = 0.5  # of a spell's orders are unusual
_ENTERED: Final = 0.2 / YEAR_DAYS  # spells a day, as prior
_ENTERED_MOST: Final = 0.05
_SPELL_DAYS: Final = 14.0  # what came before fades by the slower of the two
_BY_ORDERS: Final = 1.0 / 8.0
_ORDER_FADE: Final = math.exp(-_BY_ORDERS)
_PAUSE_DAYS: Final = 60.0  # a longer pause is no longer known to have been as usual
_ODDS_MOST: Final = 50.0
_DOUBT: Final = 0.05  # for teaching, a spell is never held less likely than this
_FACTOR: Final = 1.3  # logarithm of an unusual order's factor, and its variance
_FACTOR_VAR: Final = 0.64
_FALL: Final = 0.7  # how steeply the density of larger factors falls
_MORE: Final = math.log(0.6)  # more than usual is a little likelier than less
_LESS: Final = math.log(0.4)
_HALF_NORMAL: Final = math.sqrt(math.pi / 2)
_RATIO_MOST: Final = 30.0
LEAST_AMOUNT: Final = 1e-9


class Judged(NamedTuple):
    """An order by what was known before it: the probability of a spell, the log likelihood ratio of unusual to usual,
    the probability that the order is unusual; the logarithm of the usual amount and the variance about it.
    """

    spell: float
    log_ratio: float
    probability: float
    usual: float
    var: float
    teaches: float


def probability(spell: float, log_ratio: float) -> float:
    """That an order is unusual, given the probability of a spell and what the order itself says."""
    return _probability(spell, _SHARE * math.exp(log_ratio))


def _probability(spell: float, ratio: float) -> float:
    """`ratio`: of the likelihoods, times the share of a spell's orders that are unusual."""
    unusual = spell * ratio
    return unusual / (unusual + 1.0 - spell * _SHARE)


def judge(baseline: Baseline, log: float, amount: float, at: float, group: Group, shape: Shape) -> Judged:
    """Scores an order and carries the odds and the evidence for a spell on."""
    density, usual, var = _usual(baseline, log, amount, group, shape)
    log_ratio = min(_unusual_density(log - usual, var) - density, _RATIO_MOST)
    ratio = _SHARE * math.exp(log_ratio)
    days = (at - baseline.at) / DAY
    if days > 0.0:
        baseline.at = at
    else:
        days = 0.0
    by_time = days / _SPELL_DAYS
    fade = math.exp(-by_time) if by_time < _BY_ORDERS else _ORDER_FADE
    carried = baseline.odds / (1.0 + baseline.odds)
    entered = _ENTERED * days
    spell = carried * fade + (1.0 - carried) * (entered if entered < _ENTERED_MOST else _ENTERED_MOST)
    mixed = ratio + 1.0 - _SHARE
    baseline.odds = min(spell * mixed / (1.0 - spell), _ODDS_MOST)
    years = (days if days < _PAUSE_DAYS else _PAUSE_DAYS) / YEAR_DAYS
    baseline.evidence = min((baseline.evidence * fade + years) * mixed, CAP)
    found = _probability(spell, ratio)
    teaches = 1.0 - (found if spell > _DOUBT else _probability(_DOUBT, ratio))
    return Judged(spell, log_ratio, found, usual, var, teaches)


def variance(baseline: Baseline, group: Group, shape: Shape) -> float:
    """Of the logarithm of the next order, about the usual."""
    amount = max(baseline.raw_mean, LEAST_AMOUNT)
    return _usual(baseline, math.log(amount), amount, group, shape)[2]


def _usual(baseline: Baseline, log: float, amount: float, group: Group, shape: Shape) -> Scale:
    """The log density of the order's logarithm; the logarithm of the usual amount, and the variance about it."""
    weight = shape.log_weight
    if weight == 1.0:
        own = baseline.on_log(log, group)
        return log_density(own, shape.tail), own[0], own[1]
    raw = baseline.on_raw(amount, group)
    mean = max(raw[0], LEAST_AMOUNT)
    density, middle, var = log_density(raw, shape.raw_tail) + log, math.log(mean), raw[1] / (mean * mean)
    if weight == 0.0:
        return density, middle, var
    own = baseline.on_log(log, group)
    mixed, rest = _mixed(weight, log_density(own, shape.tail), density), 1.0 - weight
    return mixed, weight * own[0] + rest * middle, weight * own[1] + rest * var


def _mixed(weight: float, log_a: float, log_b: float) -> float:
    """The logarithm of weight · a + (1 − weight) · b."""
    most = max(log_a, log_b)
    return most + math.log(weight * math.exp(log_a - most) + (1.0 - weight) * math.exp(log_b - most))


def _unusual_density(off: float, var: float) -> float:
    """The log density of an unusual order at this distance from the usual: half a normal below the factor, an
    exponential beyond.
    """
    spread = _FACTOR_VAR + var
    beyond = abs(off) - _FACTOR
    peak = (_MORE if off > 0 else _LESS) - math.log(_HALF_NORMAL * math.sqrt(spread) + 1.0 / _FALL)
    return peak - (0.5 * beyond * beyond / spread if beyond < 0 else _FALL * beyond)
