"""Learns what is bought with what and after what, and what to offer next, from the baskets of all customers."""

import copy
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from analytics.learners.catalogue import Catalogue
from analytics.learners.offers import FIRST_WEIGHTS, RANKED, Offers
from analytics.learners.pairs import Pairs, keys_of
from analytics.operators.links import MODEL, NEAR, Bought
from analytics.orders import DAY

HALF_LIFE = 90 * DAY  # of pairs and baskets
FRESH_HALF_LIFE = 7 * DAY  # of what is popular now
TOP = 10
_GATHERED = 65_536  # pairs counted at once
_GATHERED_SECONDS = DAY
_AHEAD_SECONDS = 30 * DAY  # time goes on by no more than this with one basket
_RATE = 0.1
_NEVER, _LEAST_BASKETS, _MOST_BASKETS = 2**31, 50, 20_000
_NO_PAIRS = np.empty(0, np.uint32)
_CORNERS: dict[int, tuple[NDArray[np.intp], NDArray[np.intp]]] = {}


class LinksLearner:
    """Judges what it published last on one basket in some, then counts all baskets.

    Counting is done for many baskets at once; within a day they have the same weight.
    """

    name: ClassVar[str] = MODEL

    def __init__(self) -> None:
        self.examples = 0
        self.baskets = 0.0
        self.catalogue, self.pairs = Catalogue(), Pairs()
        self.weights = np.array(FIRST_WEIGHTS)
        self.squares = np.full(len(FIRST_WEIGHTS), 1.0)
        self.judged = self.hits = self.popular_hits = 0
        self.now = self.counted_at = 0.0
        self.offers: Offers | None = None
        self.published_at, self.made_at = 0, 0.0
        self._forget()

    def _forget(self) -> None:
        """What is gathered has been counted."""
        self._bought: list[int] = []
        self._fresh: list[int] = []
        self._together: list[NDArray[np.uint32]] = []
        self._after: list[int] = []
        self._huge: list[tuple[NDArray[np.intp], NDArray[np.uint32], float, float]] = []
        self._gathered = self._waiting = 0

    @property
    def publish_every(self) -> int:
        """One while the version just made is not published, then more than there will be."""
        return 1 if self.published_at == self.examples else _NEVER

    def take(self, example: Mapping[str, Any]) -> None:
        for at, size, skus, names, fresh, seen, older in example["baskets"]:
            self._tell(float(at))
            if older is not None:
                self._judge([skus[i] for i in fresh], seen, int(older, 16))
            self._gather(at, int(size), skus, names, fresh, seen)
            self.examples += 1
        grown = self.examples - self.published_at
        if grown >= _MOST_BASKETS or (grown and self.now - self.made_at >= DAY and self.examples >= _LEAST_BASKETS):
            self._count()
            self.published_at, self.made_at, self.offers = self.examples, self.now, self._make()

    def _tell(self, at: float) -> None:
        """Time goes on; what was gathered for a day is counted."""
        self.now = max(self.now, min(at, self.now + _AHEAD_SECONDS)) if self.now else at
        self.counted_at = self.counted_at or at
        if self._gathered >= _GATHERED or self.now - self.counted_at >= _GATHERED_SECONDS:
            self._count()

    def _gather(
        self, at: float, size: int, skus: list[str], names: list[str], fresh: list[int], seen: list[int]
    ) -> None:
        numbers = self.catalogue.numbers_of(skus, names, at)
        self._waiting += 1
        new = [numbers[i] for i in fresh if numbers[i] >= 0]
        self._fresh += new
        if seen and new:
            self._follow([self.catalogue.by_code.get(code, -1) for code in seen[-NEAR:]], new)
        if -1 in numbers:
            numbers = [number for number in numbers if number >= 0]
        keys = _pairs_of(numbers)
        self._gathered += len(keys)
        if size > len(skus):
            share = len(skus) / size
            share_of_pairs = share * (len(skus) - 1) / (size - 1)
            self._huge.append((np.array(numbers, np.intp), keys, 1 / share, 1 / share_of_pairs))
        else:
            self._bought += numbers
            self._together.append(keys)

    def _follow(self, before: list[int], new: list[int]) -> None:
        """What is bought for the first time follows each of the six products bought before."""
        for one in before:
            if one >= 0:
                self._after += [one << 14 | other if one < other else other << 14 | one for other in new]
        self._gathered += len(before) * len(new)

    def _count(self) -> None:
        """Counts what was gathered, after what was counted before has faded."""
        gone = max(0.0, self.now - self.counted_at)
        self.counted_at = self.now
        slow, quick = 0.5 ** (gone / HALF_LIFE), 0.5 ** (gone / FRESH_HALF_LIFE)
        catalogue, pairs = self.catalogue, self.pairs
        pairs.fade(slow)
        catalogue.fade(slow, quick)
        self.baskets = self.baskets * slow + self._waiting
        size = len(catalogue.orders)
        catalogue.orders += np.bincount(np.array(self._bought, np.intp), minlength=size)
        catalogue.fresh += np.bincount(np.array(self._fresh, np.intp), minlength=size)
        if self._together:
            pairs.add(np.concatenate(self._together), 1.0)
        if self._after:
            pairs.add(np.array(self._after, np.uint32), 1.0, after=True)
        for numbers, keys, weight, weight_of_pairs in self._huge:
            catalogue.orders[numbers] += weight
            pairs.add(keys, weight_of_pairs)
        self._forget()
        if catalogue.full():
            pairs.renumber(catalogue.make_room())

    def _judge(self, new: list[str], seen: list[int], older: int) -> None:
        """Holds what would have been offered against what was bought, then moves the weights towards it."""
        offers = self.offers
        if offers is None:
            return
        bought = Bought(seen, older)
        wanted = {n for n in map(offers.number, new) if n is not None}
        candidates, x = offers.candidates(offers.known(seen))
        ranked, _ = offers.ranked(candidates, x, bought.has, RANKED)
        found = candidates[ranked].tolist()
        self.judged += 1
        self.hits += not wanted.isdisjoint(found[:TOP])
        self.popular_hits += not wanted.isdisjoint(offers.popular(bought.has, TOP))
        right = np.array([number in wanted for number in found], bool)
        if right.any() and not right.all():
            self._learn(x[ranked], right)

    def _learn(self, x: NDArray[np.float64], right: NDArray[np.bool_]) -> None:
        """A step up the gradient of the softmax (AdaGrad: Duchi et al., JMLR 2011)."""
        scores = x @ self.weights
        chances = np.exp(scores - scores.max())
        step = x[right].mean(axis=0) - chances @ x / chances.sum()
        self.squares += step**2
        self.weights += _RATE * step / np.sqrt(self.squares)

    def figures(self) -> dict[str, Any]:
        judged = max(1, self.judged)
        return {
            "hit_rate_10": round(self.hits / judged, 4),
            "popular_hit_rate_10": round(self.popular_hits / judged, 4),
            "judged": self.judged,
            "products": len(self.catalogue),
            "pairs": len(self.pairs),
            "pair_error": round(self.pairs.error, 4),
        }

    def snapshot(self) -> Offers:
        if self.offers is not None and self.published_at == self.examples:
            return self.offers
        latest = copy.copy(self)
        latest.catalogue, latest.pairs = copy.deepcopy(self.catalogue), copy.deepcopy(self.pairs)
        latest._count()
        return latest._make()

    def _make(self) -> Offers:
        return Offers(self.catalogue, self.pairs, self.baskets, self.now, self.weights.tolist())


def _pairs_of(numbers: list[int]) -> NDArray[np.uint32]:
    """All pairs of these products."""
    count = len(numbers)
    if count < 2:
        return _NO_PAIRS
    corners = _CORNERS.get(count)
    if corners is None:
        corners = _CORNERS[count] = np.triu_indices(count, 1)
    found = np.array(numbers, np.uint32)
    return keys_of(found[corners[0]], found[corners[1]])
