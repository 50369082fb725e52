"""How likely an order is unusual: a hidden Markov model with two states, usual and spell.

While usual, orders follow the customer's own distribution. In a spell every other order is unusual: its logarithm lies
about a factor of a few above or below the usual, broadly, with an exponential tail. The odds of being in a spell are
carried from order to order (forward recursion of Baum's) and fade by the slower of time and orders: for a customer
with many orders a day a spell lasts a fortnight, for one with ten a year some orders.
"""

import math
from typing import NamedTuple

from analytics.operators.evidence import CAP, DAY, YEAR_DAYS
from analytics.operators.spend_baseline import Baseline, Group, Predicted, Shape

_SHARE = 0.5  # of a spell's orders are unusual
_ENTERED = 0.2 / YEAR_DAYS  # spells a day, as prior
_ENTERED_MOST = 0.05
_SPELL_DAYS, _SPELL_ORDERS = 14.0, 8.0
_PAUSE_DAYS = 60.0  # a longer pause is no longer known to have been as usual
_ODDS_MOST = 50.0
_DOUBT = 0.05  # for teaching, a spell is never held less likely than this
_FACTOR, _FACTOR_VAR = 1.3, 0.64  # logarithm of an unusual order's factor, and its variance
_FALL = 0.7  # how steeply the density of larger factors falls
_MORE, _LESS = math.log(0.6), math.log(0.4)  # more than usual is a little likelier than less
_HALF_NORMAL = math.sqrt(math.pi / 2)
_RATIO_MOST = 30.0


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
    unusual = spell * _SHARE * math.exp(log_ratio)
    return unusual / (unusual + 1.0 - spell * _SHARE)


def judge(baseline: Baseline, log: float, amount: float, at: float, group: Group, shape: Shape) -> Judged:
    """Scores an order and carries the odds and the evidence for a spell on."""
    density, usual, var = _usual(baseline, log, amount, group, shape)
    log_ratio = min(_unusual_density(log - usual, var) - density, _RATIO_MOST)
    days = max(0.0, at - baseline.at) / DAY
    fade = math.exp(-min(days / _SPELL_DAYS, 1.0 / _SPELL_ORDERS))
    odds = baseline.odds
    spell = odds / (1.0 + odds) * fade
    spell += (1.0 - spell / fade) * min(_ENTERED * days, _ENTERED_MOST)
    found = probability(spell, log_ratio)
    mixed = _SHARE * math.exp(log_ratio) + 1.0 - _SHARE
    baseline.odds = min(spell * mixed / (1.0 - spell), _ODDS_MOST)
    years = min(days, _PAUSE_DAYS) / YEAR_DAYS
    baseline.evidence = min((baseline.evidence * fade + years) * mixed, CAP)
    baseline.at = max(baseline.at, at)
    teaches = 1.0 - (found if spell > _DOUBT else probability(_DOUBT, log_ratio))
    return Judged(spell, log_ratio, found, usual, var, teaches)


def usual(baseline: Baseline, group: Group, shape: Shape) -> tuple[float, float]:
    """The logarithm of the usual amount and the variance about it."""
    log = math.log(max(baseline.raw_mean, 1e-9))
    _, found, var = _usual(baseline, log, baseline.raw_mean, group, shape)
    return found, var


def _usual(baseline: Baseline, log: float, amount: float, group: Group, shape: Shape) -> tuple[float, float, float]:
    """The log density of the order's logarithm, and the logarithm of the usual amount with the variance about it."""
    weight = shape.log_weight
    if weight == 1.0:
        own = baseline.on_log(log, group)
        return own.log_density(shape.tail), own.mean, own.var
    raw = baseline.on_raw(log, amount, group)
    density, mean, var = raw.log_density(shape.raw_tail), math.log(raw.mean), raw.var / (raw.mean * raw.mean)
    if weight == 0.0:
        return density, mean, var
    own = baseline.on_log(log, group)
    mixed = _mixed(weight, own.log_density(shape.tail), density)
    rest = 1.0 - weight
    return mixed, weight * own.mean + rest * mean, weight * own.var + rest * var


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


def study(baseline: Baseline, log: float, amount: float, group: Group, shape: Shape) -> tuple[Predicted, Predicted]:
    """What both scales say of an order that is about to teach the population."""
    on_log, on_raw = baseline.on_log(log, group), baseline.on_raw(log, amount, group)
    shape.study(on_log, on_raw)
    return on_log, on_raw
