"""The products that pairs are counted of: at most 16,384, with how often and how lately they are bought."""

import re
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from analytics.learners.pairs import MOST_ITEMS
from analytics.operators.links import code_of

WORDS = 6  # of a name that count
BUCKETS = 4_096  # words by hash
_KEEP = 0.9
_WORD = re.compile(r"[^\W\d_]{3,}")
_NONE = BUCKETS  # no word


class Catalogue:
    """Products by number. `orders` counts the baskets with a product, `fresh` and `quick` those of customers to whom it
    was new, all fading, `quick` the soonest; `first_at` is when it was first seen (seconds).

    When it is full the tenth that was bought least is dropped; a product dropped has lost at most `error` baskets.
    """

    def __init__(self) -> None:
        self.skus: list[str] = []
        self.names: list[str] = []
        self.orders = np.zeros(256)
        self.fresh = np.zeros(256)
        self.quick = np.zeros(256)
        self.first_at = np.zeros(256)
        self.words = np.full((256, WORDS), _NONE, np.uint16)
        self.error = 0.0
        self.nameless = 0
        self.numbers: dict[str, int] = {}
        self.by_code: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self.skus)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("numbers", "by_code")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if "quick" not in state:  # stored before it was counted
            self.quick = np.zeros_like(self.fresh)
        self._index()

    def numbers_of(self, skus: list[str], names: list[str] | None, at: float) -> list[int]:
        """The products' numbers; new ones for new products, -1 while there is no room."""
        known = self.numbers
        if names is None or not self.nameless:
            try:
                return [known[sku] for sku in skus]
            except KeyError:
                pass
        return [self._number(sku, name, at) for sku, name in zip(skus, names or [""] * len(skus), strict=True)]

    def _number(self, sku: str, name: str, at: float) -> int:
        found = self.numbers.get(sku)
        if found is None:
            if len(self.skus) >= MOST_ITEMS:
                return -1
            found = self._append(sku, at)
        if name and not self.names[found]:
            self.nameless -= 1
            self.names[found] = name
            self.words[found] = words_of(name)
        return found

    def _append(self, sku: str, at: float) -> int:
        found = len(self.skus)
        if found == len(self.orders):
            self.orders, self.fresh, self.quick, self.first_at = (
                np.concatenate((array, np.zeros(found)))
                for array in (self.orders, self.fresh, self.quick, self.first_at)
            )
            self.words = np.concatenate((self.words, np.full((found, WORDS), _NONE, np.uint16)))
        self.skus.append(sku)
        self.names.append("")
        self.nameless += 1
        self.first_at[found] = at
        self.numbers[sku] = found
        self.by_code.setdefault(code_of(sku), found)
        return found

    def codes(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """All codes in ascending order, and the product of each."""
        codes, numbers = np.array(list(self.by_code)), np.array(list(self.by_code.values()))
        order = np.argsort(codes)
        return codes[order], numbers[order]

    def fade(self, orders: float, fresh: float, quick: float) -> None:
        """Counts become this part of what they were."""
        self.orders *= orders
        self.fresh *= fresh
        self.quick *= quick
        self.error *= orders

    def full(self) -> bool:
        return len(self.skus) >= MOST_ITEMS

    def make_room(self) -> NDArray[np.int64]:
        """Drops the least bought; returns the new number of each old one, -1 for those dropped."""
        size = len(self.skus)
        surplus = size - int(_KEEP * MOST_ITEMS)
        dropped = np.argsort(self.orders[:size], kind="stable")[:surplus]
        self.error += float(self.orders[dropped[-1]])
        kept = np.ones(size, bool)
        kept[dropped] = False
        numbers = np.where(kept, np.cumsum(kept) - 1, -1)
        places = np.flatnonzero(kept)
        self.skus = [self.skus[at] for at in places]
        self.names = [self.names[at] for at in places]
        self.orders, self.fresh, self.quick = self.orders[places], self.fresh[places], self.quick[places]
        self.first_at = self.first_at[places]
        self.words, self.nameless = self.words[places], self.names.count("")
        self._index()
        return numbers

    def _index(self) -> None:
        self.numbers = {sku: at for at, sku in enumerate(self.skus)}
        self.by_code = {}
        for at, sku in enumerate(self.skus):
            self.by_code.setdefault(code_of(sku), at)


def words_of(name: str) -> NDArray[np.uint16]:
    """The first six words of three letters or more, by hash, each once."""
    found = dict.fromkeys(crc32(word.encode()) % BUCKETS for word in _WORD.findall(name.lower()))
    words = np.full(WORDS, _NONE, np.uint16)
    first = list(found)[:WORDS]
    words[: len(first)] = first
    return words
