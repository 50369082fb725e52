"""Quantiles of a stream that fades: counts in bins that grow by 4 %, so that a quantile is right within 2 %.

DDSketch (Masson, Rim & Lee, VLDB 2019) with a fixed range, 0.01 to about 10^9. Two sketches add up bin by bin.
"""

import math

import numpy as np
from numpy.typing import NDArray

BINS = 648
_LEAST = 0.01
_LOG = math.log(1.04)


class Quantiles:
    """Counts by bin; the first one holds everything up to 0.01."""

    def __init__(self) -> None:
        self.counts = np.zeros(BINS)

    def add(self, values: NDArray[np.float64]) -> None:
        """Counts each value once."""
        self.counts += np.bincount(_bins(values), minlength=BINS)

    def fade(self, factor: float) -> None:
        self.counts *= factor

    def share_below(self, value: float) -> float:
        """The share of all that is smaller, equal ones by half; 0.5 while there are none."""
        total = float(self.counts.sum())
        at = int(_bins(np.array([value]))[0])
        return float(self.counts[:at].sum() + self.counts[at] / 2) / total if total else 0.5

    def quantile(self, share: float) -> float:
        """The value with this share of all below it."""
        sums = np.cumsum(self.counts)
        return float(_middles()[np.searchsorted(sums, share * sums[-1])]) if sums[-1] else 0.0

    def share_of_top(self, share: float) -> float:
        """What part of the sum the largest values, this share of all, hold; 0 while there is nothing."""
        counts, middles = self.counts[::-1], _middles()[::-1]
        total, wanted = float((counts * middles).sum()), share * float(self.counts.sum())
        if not total:
            return 0.0
        before = np.concatenate(([0.0], np.cumsum(counts)[:-1]))
        taken = np.clip(wanted - before, 0.0, counts)
        return float((taken * middles).sum()) / total


def _bins(values: NDArray[np.float64]) -> NDArray[np.intp]:
    places = np.ceil(np.log(np.maximum(values, _LEAST) / _LEAST) / _LOG)
    return np.minimum(places, BINS - 1).astype(np.intp)


def _middles() -> NDArray[np.float64]:
    """The value that is within 2 % of all in a bin; nothing in the first."""
    middles: NDArray[np.float64] = _LEAST * np.exp(_LOG * np.arange(BINS)) * 2 / (1 + math.exp(_LOG))
    middles[0] = 0.0
    return middles
