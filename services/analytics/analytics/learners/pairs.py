"""Counts of pairs that fade, in bounded memory.

All pairs share one sorted array of keys with two counts each: bought together, and bought one after the other. When there
are more than `CAPACITY`, the least quarter is dropped (lossy counting by size: Manku & Motwani, VLDB 2002, with what is
dropped instead of a fixed bucket width as the error). The error is one-sided and known: the true count is at least the
count kept, and at most that plus `error`.
"""

import numpy as np
from numpy.typing import NDArray

CAPACITY = 262_144
MOST_ITEMS = 16_384
_SHIFT = 14  # bits of an item's number
_KEEP = 0.75

Keys = NDArray[np.uint32]
Counts = NDArray[np.float32]


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
        nothing = np.zeros(len(keys), np.float32)
        self.keys = np.insert(self.keys, at, keys)
        self.together = np.insert(self.together, at, nothing if after else counts)
        self.after = np.insert(self.after, at, counts if after else nothing)

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
        found.together, found.after = (
            counts[kept].astype(np.float16).astype(np.float32) for counts in (self.together, self.after)
        )
        return found

    def by_item(self, items: int) -> tuple[NDArray[np.int64], NDArray[np.uint16], Counts, Counts]:
        """Every pair from either side: where each item's begin, the other items, together, after."""
        one = (self.keys >> np.uint32(_SHIFT)).astype(np.uint16)
        other = (self.keys & np.uint32(MOST_ITEMS - 1)).astype(np.uint16)
        items_of, others = np.concatenate((one, other)), np.concatenate((other, one))
        order = np.argsort(items_of, kind="stable")
        starts = np.concatenate(([0], np.cumsum(np.bincount(items_of, minlength=items))))
        return starts, others[order], np.tile(self.together, 2)[order], np.tile(self.after, 2)[order]
