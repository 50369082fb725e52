"""Counts of pairs that fade, in bounded memory.

All pairs share one sorted array of keys with two counts each: bought together, and bought one after the other. When
there are more than `CAPACITY`, those counted least are dropped, a quarter of all (lossy counting, Manku & Motwani, VLDB
2002, by size instead of by bucket). The error is one-sided and known: the true count is at least the count kept, and
at most that plus `error`.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

CAPACITY = 262_144
MOST_ITEMS = 16_384
_SHIFT = 14  # bits of an item's number
_KEEP = 0.75

Keys = NDArray[np.uint32]
Counts = NDArray[np.floating[Any]]


def keys_of(one: NDArray[np.uint32], other: NDArray[np.uint32]) -> Keys:
    """Unordered pairs of item numbers as numbers."""
    return (np.minimum(one, other) << np.uint32(_SHIFT)) | np.maximum(one, other)


class Pairs:
    """`keys` ascending, `together` and `after` beside them, in the units of the last `fade`."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self.capacity = capacity
        self.keys: Keys = np.empty(0, np.uint32)
        self.together: Counts = np.empty(0, np.float32)
        self.after: Counts = np.empty(0, np.float32)
        self.error = 0.0

    def __len__(self) -> int:
        return len(self.keys)

    def add(self, keys: Keys, weight: float, *, after: bool = False) -> None:
        """Counts each pair once for every time it is among `keys`, in any order."""
        found, times = np.unique(keys, return_counts=True)
        at = np.searchsorted(self.keys, found)
        known = at < len(self.keys)
        known[known] = self.keys[at[known]] == found[known]
        grown = (times * weight).astype(np.float32)
        counts = self.after if after else self.together
        counts[at[known]] += grown[known]
        self._insert(at[~known], found[~known], grown[~known], after)
        if len(self.keys) > self.capacity:
            self._drop()

    def _insert(self, at: NDArray[np.intp], keys: Keys, counts: Counts, after: bool) -> None:
        new = at + np.arange(len(at))
        old = np.ones(len(self.keys) + len(at), bool)
        old[new] = False
        merged = np.empty(len(old), np.uint32)
        merged[old], merged[new] = self.keys, keys
        together, following = np.zeros(len(old), np.float32), np.zeros(len(old), np.float32)
        together[old], following[old] = self.together, self.after
        (following if after else together)[new] = counts
        self.keys, self.together, self.after = merged, together, following

    def _drop(self) -> None:
        """Makes room; `error` grows by the largest count that is dropped, and ties at it are dropped alike."""
        total = self.together + self.after
        surplus = len(total) - int(_KEEP * self.capacity)
        largest = np.partition(total, surplus - 1)[surplus - 1]
        self.error += float(largest)
        self._keep(total > largest)

    def _keep(self, kept: NDArray[np.bool_]) -> None:
        self.keys, self.together, self.after = self.keys[kept], self.together[kept], self.after[kept]

    def fade(self, factor: float) -> None:
        """All counts, and with them the error, become this part of what they were."""
        self.together *= np.float32(factor)
        self.after *= np.float32(factor)
        self.error *= factor

    def renumber(self, numbers: NDArray[np.int64]) -> None:
        """Items are `numbers[old]` from now on, in the same order; -1 drops an item and its pairs."""
        one, other = numbers[self.keys >> np.uint32(_SHIFT)], numbers[self.keys & np.uint32(MOST_ITEMS - 1)]
        kept = (one >= 0) & (other >= 0)
        self._keep(kept)
        self.keys = keys_of(one[kept].astype(np.uint32), other[kept].astype(np.uint32))

    def strongest(self, most: int) -> "Pairs":
        """A copy of the pairs counted most, in half precision."""
        found, total = Pairs(most), self.together + self.after
        kept = np.ones(len(total), bool)
        if len(total) > most:
            kept = total > np.partition(total, len(total) - most)[len(total) - most]
        found.keys, found.error = self.keys[kept], self.error
        found.together, found.after = (counts[kept].astype(np.float16) for counts in (self.together, self.after))
        return found


class Neighbours:
    """The pairs of each item, whichever side it is on, found without copying them all."""

    def __init__(self, keys: Keys, items: int) -> None:
        self._one = (keys >> np.uint32(_SHIFT)).astype(np.uint16)
        self._other = (keys & np.uint32(MOST_ITEMS - 1)).astype(np.uint16)
        every = np.arange(items + 1)
        self._starts = np.searchsorted(self._one, every)
        self._back = np.argsort(self._other, kind="stable")
        self._back_starts = np.searchsorted(self._other[self._back], every)

    def of(self, item: int) -> tuple[NDArray[np.uint16], NDArray[np.intp]]:
        """The other items, and where the pairs are."""
        first, last = self._starts[item], self._starts[item + 1]
        back = self._back[self._back_starts[item] : self._back_starts[item + 1]]
        others = np.concatenate((self._other[first:last], self._one[back]))
        return others, np.concatenate((np.arange(first, last), back))
