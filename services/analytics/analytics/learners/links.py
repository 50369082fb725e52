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
FRESH_HALF_LIFE, QUICK_HALF_LIFE = 7 * DAY, DAY  # of what is popular now, and today
TOP = 10
_GATHERED = 65_536  # pairs counted at once
_RATE = 0.1
_SPAN = DAY / 2  # from one version to the next, at least
_NEVER, _LEAST_BASKETS, _MOST_BASKETS = 2**31, 50, 150_000
_CORNERS: dict[int, tuple[NDArray[np.intp], NDArray[np.intp]]] = {}


class LinksLearner:
    """Judges what it published last on one basket in some, then counts all baskets.

    Counting is done for the baskets of a day at once, with one weight.
    """

    name: ClassVar[str] = MODEL

    def __init__(self) -> None:
        self.examples = 0
        self.baskets = 0.0
        self.catalogue, self.pairs = Catalogue(), Pairs()
        self.weights = np.array(FIRST_WEIGHTS)
        self.squares = np.full(len(FIRST_WEIGHTS), 1.0)
        self.judged = self.hits = self.popular_hits = 0
        self.now = self.heard = self.counted_at = 0.0  # now: what two baskets in a row have reached
        self.offers: Offers | None = None
        self.published_at, self.made_at = 0, 0.0
        self._forget()

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Those stored before a feature was added have no weight for it."""
        self.__dict__.update(state)
        missing = FIRST_WEIGHTS[len(self.weights) :]
        self.weights = np.append(self.weights, missing)
        self.squares = np.append(self.squares, np.ones(len(missing)))

    def _forget(self) -> None:
        """What is gathered has been counted."""
        self._bought: list[int] = []
        self._fresh: list[int] = []
        self._together: list[NDArray[np.uint32]] = []
        self._before: list[int] = []
        self._follows: list[tuple[int, int]] = []
        self._huge: list[tuple[NDArray[np.intp], NDArray[np.uint32], float, float]] = []
        self._gathered = self._waiting = 0

    @property
    def publish_every(self) -> int:
        """One while the version just made is not published, then more than there will be."""
        return 1 if self.published_at == self.examples else _NEVER

    def take(self, example: Mapping[str, Any]) -> None:
        for at, size, skus, names, fresh, seen, older in example["baskets"]:
            self.now, self.heard = max(self.now, min(float(at), self.heard)), float(at)
            if older is not None:
                self._judge([skus[i] for i in fresh], seen, int(older, 16))
            self._gather(at, size, skus, names, fresh, seen)
        self.examples += len(example["baskets"])
        if self._gathered >= _GATHERED:
            self._count()
        grown = self.examples - self.published_at
        if grown >= _MOST_BASKETS or (grown and self.now - self.made_at >= _SPAN and self.examples >= _LEAST_BASKETS):
            self._count()
            self.published_at, self.made_at, self.offers = self.examples, self.now, self._make()

    def _gather(
        self, at: float, size: int, skus: list[str], names: list[str] | None, fresh: list[int], seen: list[int]
    ) -> None:
        numbers = self.catalogue.numbers_of(skus, names, at)
        self._waiting += 1
        if fresh:
            new = [numbers[i] for i in fresh]
            self._fresh += new
            self._before += seen[-NEAR:]
            self._follows.append((len(seen[-NEAR:]), len(new)))
            self._gathered += len(new) * NEAR
        if size > len(skus):
            self._gather_sample(size, numbers)
        else:
            self._bought += numbers
            if len(numbers) > 1:
                self._together.append(_pairs_of(numbers))
                self._gathered += len(self._together[-1])

    def _gather_sample(self, size: int, numbers: list[int]) -> None:
        """Of a huge basket: each product, and each pair, stands for as many as were left out."""
        kept = len(numbers)
        pairs = _pairs_of(numbers)
        self._gathered += len(pairs)
        self._huge.append((np.array(numbers), pairs, size / kept, size * (size - 1) / (kept * (kept - 1))))

    def _count(self) -> None:
        """Counts what was gathered, after what was counted before has faded."""
        gone = self.now - self.counted_at if self.counted_at else 0.0
        self.counted_at = self.now
        slow, fresh, quick = (0.5 ** (gone / half) for half in (HALF_LIFE, FRESH_HALF_LIFE, QUICK_HALF_LIFE))
        catalogue, pairs = self.catalogue, self.pairs
        pairs.fade(slow)
        catalogue.fade(slow, fresh, quick)
        self.baskets = self.baskets * slow + self._waiting
        size = len(catalogue.orders)
        catalogue.orders += _counts(self._bought, size)
        new = _counts(self._fresh, size)
        catalogue.fresh += new
        catalogue.quick += new
        if self._together:
            pairs.add(np.concatenate(self._together), 1.0)
        if self._follows:
            pairs.add(self._followed(), 1.0, after=True)
        for numbers, keys, weight, weight_of_pairs in self._huge:
            catalogue.orders[numbers[numbers >= 0]] += weight
            pairs.add(keys, weight_of_pairs)
        self._forget()
        if catalogue.full():
            pairs.renumber(catalogue.make_room())

    def _followed(self) -> NDArray[np.uint32]:
        """Each new product of a basket after each of the products bought before it."""
        codes, known = self.catalogue.codes()
        wanted = np.array(self._before, np.int64)
        at = np.minimum(np.searchsorted(codes, wanted), len(codes) - 1)
        before = np.where(codes[at] == wanted, known[at], -1)
        new = np.array(self._fresh, np.int64)
        seen, fresh = np.array(self._follows, np.int64).T
        # Every one of a basket's products before with every new one: first the one's places, then the other's.
        each = np.repeat(fresh, seen)
        one = np.repeat(before, each)
        starts = np.repeat(np.repeat(np.cumsum(fresh) - fresh, seen), each)
        other = new[starts + np.arange(len(one)) - np.repeat(np.cumsum(each) - each, each)]
        kept = (one >= 0) & (other >= 0) & (one != other)
        return keys_of(one[kept].astype(np.uint32), other[kept].astype(np.uint32))

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
        judged = self.judged
        return {
            "hit_rate_10": round(self.hits / judged, 4) if judged else None,
            "popular_hit_rate_10": round(self.popular_hits / judged, 4) if judged else None,
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


def _counts(numbers: list[int], size: int) -> NDArray[np.int64]:
    """How often each number is among these; -1 is nobody's."""
    return np.bincount(np.array(numbers, np.intp) + 1, minlength=size + 1)[1:]


def _pairs_of(numbers: list[int]) -> NDArray[np.uint32]:
    """All pairs of these products."""
    known = np.array(numbers, np.int64)
    found = known[known >= 0].astype(np.uint32)
    corners = _CORNERS.get(len(found))
    if corners is None:
        corners = _CORNERS[len(found)] = np.triu_indices(len(found), 1)
    return keys_of(found[corners[0]], found[corners[1]])
