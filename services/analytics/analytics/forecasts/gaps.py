"""When somebody orders again: a hazard that is constant in pieces of logarithmic time.

Time since the last order counts in the customer's own usual gap g: u = log(t / g + 0.1). The rate of an order per
unit of u is exp(b[c, k] + x·slopes + m[k]·(x·tilts)) in piece k with middle m[k], for regularity class c (piecewise
exponential model: Friedman, Annals of Statistics 10, 1982). A rate that stays as it is in u is a Pareto tail in t, so
what lies beyond the history seen so far is extrapolated as in BG/NBD's mixture of customers, not as an exponential.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

CLASSES: Final = 3
_OFFSET: Final = 0.1
_RATIOS = (0.0, 0.1, 0.25, 0.45, 0.65, 0.85, 1.05, 1.3, 1.7, 2.3, 3.2, 4.5, 7.0, 11.0, 18.0, 30.0, 1e4)
EDGES = tuple(math.log(ratio + _OFFSET) for ratio in _RATIOS)
MIDDLES = tuple(min(4.0, (one + two) / 2) for one, two in pairwise(EDGES))
PIECES = len(MIDDLES)
FEATURES: Final = 7
LEAST: Final = -6.0  # of a logarithmic rate
MOST: Final = 3.5
_OWN: Final = 3.0  # gaps after which a customer's own count as much as everybody's
_SPREAD: Final = 0.5  # variance of log gaps that a customer without history is given
_STEADY: Final = 0.45  # standard deviations of log gaps between the classes
_IRREGULAR: Final = 0.8

# The days within which the order has to come for a number to be about it; customers slower than one order in 60 days
# are given as much longer.
WITHIN_MEDIAN: Final = 120.0
WITHIN_LOW: Final = 182.0
WITHIN_HIGH: Final = 300.0
_PACE: Final = 60.0
_SHARES = (0.1, 0.5, 0.9)  # low, median, high


class Habit(NamedTuple):
    """How many gaps between days with an order there were; mean, fading mean, last and summed squared deviation of
    their logarithms (gaps in days); `span` is the plain mean in days, `busy` the orders of a day with an order.
    """

    gaps: int
    mean: float
    fresh: float
    last: float
    spread: float
    span: float
    busy: float


class Seen(NamedTuple):
    """A habit as the model sees it: the usual gap in days, the regularity class, the features."""

    gap: float
    steadiness: int
    x: tuple[float, ...]


class Remaining(NamedTuple):
    """Days from now to the next order: the median, and the bounds that 80 % should fall between."""

    days: float
    low: float
    high: float


def seen(habit: Habit, usual: float) -> Seen:
    """`usual` is the mean logarithm of everybody's gaps, in days."""
    gaps, mean, fresh, last, spread, span, busy = habit
    own = gaps / (gaps + _OWN)
    off = (mean + fresh) / 2 - usual if gaps else 0.0
    pace = own * off
    deviation = math.sqrt((spread + 3 * _SPREAD) / (gaps + 3))
    x = (
        pace,
        pace * pace,
        own * (math.log(span) - mean) if gaps else 0.0,
        own * (last - mean) / 2 if gaps else 0.0,
        1.0 - own,
        math.log1p(gaps) / 2,
        own * math.log(busy),
    )
    return Seen(math.exp(usual + pace), (deviation >= _STEADY) + (deviation >= _IRREGULAR), x)


def scaled(days: float, gap: float) -> float:
    """Days since the last order as the model counts them."""
    return math.log(days / gap + _OFFSET)


@dataclass
class GapModel:
    """A published version. `bases` has a row for each class."""

    usual: float
    bases: Sequence[Sequence[float]]
    slopes: Sequence[float]
    tilts: Sequence[float]

    def __post_init__(self) -> None:
        self.bases = tuple(map(tuple, self.bases))
        self.slopes, self.tilts = tuple(self.slopes), tuple(self.tilts)

    def remaining(self, habit: Habit, silent: float) -> Remaining:
        """The next order of somebody who has been silent for so many days."""
        gap, steadiness, x = seen(habit, self.usual)
        stretch = max(1.0, gap / _PACE)
        ends = [scaled(silent + days * stretch, gap) for days in (WITHIN_LOW, WITHIN_MEDIAN, WITHIN_HIGH)]
        path = self._path(steadiness, x, scaled(silent, gap), ends[2])
        low, median, high = (
            max(0.0, (math.exp(_reached(path, share * _within(path, end))) - _OFFSET) * gap - silent)
            for share, end in zip(_SHARES, ends, strict=True)
        )
        return Remaining(median, min(low, median), max(high, median))

    def _path(self, steadiness: int, x: Sequence[float], start: float, end: float) -> list[tuple[float, float, float]]:
        """From `start` to `end`: where each piece begins, the hazard that has added up by then, the rate in it. The
        last entry is the end itself.
        """
        level, tilt = _product(self.slopes, x), _product(self.tilts, x)
        bases, path, total, exp = self.bases[steadiness], [], 0.0, math.exp
        for piece in range(bisect_right(EDGES, start, 1, PIECES) - 1, PIECES):
            log_rate = bases[piece] + level + tilt * MIDDLES[piece]
            rate = exp(LEAST if log_rate < LEAST else MOST if log_rate > MOST else log_rate)
            path.append((start, total, rate))
            until = EDGES[piece + 1]
            if until >= end or piece == PIECES - 1:
                path.append((end, total + rate * (end - start), rate))
                break
            total += rate * (until - start)
            start = until
        return path


def _product(one: Sequence[float], other: Sequence[float]) -> float:
    a, b, c, d, e, f, g = one
    h, i, j, k, m, n, o = other
    return a * h + b * i + c * j + d * k + e * m + f * n + g * o


def _within(path: Sequence[tuple[float, float, float]], end: float) -> float:
    """The share of all that orders before `end`."""
    for start, total, rate in reversed(path):
        if start <= end:
            return -math.expm1(-total - rate * (end - start))
    return 0.0


def _reached(path: Sequence[tuple[float, float, float]], share: float) -> float:
    """When this share of all has ordered."""
    wanted = -math.log1p(-min(share, 1.0 - 1e-12))
    for start, total, rate in reversed(path):
        if total <= wanted:
            return start + (wanted - total) / rate
    return path[0][0]
