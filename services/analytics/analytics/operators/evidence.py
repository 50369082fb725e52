"""How evidence that something is not as usual adds up, and when it is enough.

Shiryaev (1963) and Roberts (1966): R ← (R · fade + time passed) · likelihood ratio, in years. While all is as usual R
grows by the time passed at most (the ratio has mean one), so it reaches A years less than once in A customer-years,
however often a customer is tested: the false alarms of a kind are limited per customer and year, not per event.
"""

import math
from statistics import NormalDist
from typing import Final

DAY: Final = 86_400.0
YEAR_DAYS: Final = 365.25
ALARM_YEARS: Final = 50.0  # measured, false alarms are rarer by far than the bound
FALSE_ALARMS: Final = 0.005  # a customer and year, where an alarm is one tail probability and nothing adds up
CAP: Final = 80 * ALARM_YEARS  # so that what was enough for long can still come down
_MOST_DAYS: Final = 60.0  # a pause adds no more: it is not known to have been as usual
_BELIEVED: Final = 10.0  # years of evidence at which an observation teaches half
_MOST_RATIO: Final = 60.0
_NORMAL = NormalDist()
_ROOT_HALF: Final = math.sqrt(0.5)


def grown(evidence: float, days: float, fade: float, log_ratio: float) -> float:
    """The evidence in years after `days` and one more observation of this log likelihood ratio."""
    days = days if days < _MOST_DAYS else _MOST_DAYS
    years = days / YEAR_DAYS if days > 0.0 else 0.0
    found = (evidence * fade + years) * math.exp(log_ratio if log_ratio < _MOST_RATIO else _MOST_RATIO)
    return found if found < CAP else CAP


def teaching(evidence: float) -> float:
    """The weight with which an observation teaches the usual: less, the more speaks against it being usual. Gently, for
    what is left out whenever it points one way leaves a mean that points the other.
    """
    return _BELIEVED / (_BELIEVED + evidence)


def certainty(evidence: float) -> float:
    """Evidence as a score: one half at the alarm, towards 1 beyond."""
    return evidence / (evidence + ALARM_YEARS)


def normal_tail(z: float) -> float:
    """P(Z > z)."""
    return 0.5 * math.erfc(z * _ROOT_HALF)


def normal_quantile(tail: float) -> float:
    """The z that is exceeded with this probability."""
    return -_NORMAL.inv_cdf(min(max(tail, 1e-300), 0.999999))


def shrunk(own: float, weight: float, shared: float, prior: float) -> float:
    """Empirical Bayes: what `weight` observations say, leaning on what is shared as on `prior` observations."""
    return (own * weight + shared * prior) / (weight + prior)


def weighted(a: float, n: float, b: float, m: float) -> float:
    """The mean of two means, the same whichever comes first."""
    return math.fsum((a * n, b * m)) / (n + m) if n + m else 0.0
