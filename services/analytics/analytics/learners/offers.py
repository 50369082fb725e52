"""What the learner of links publishes: each product's neighbours, and the ranking of next best offers.

An offer is a product the customer has not bought. Candidates are the neighbours of the 32 products bought last, what is
popular now, and products with a similar name. They are ranked by a linear score of six logarithms (`FEATURES`); its
weights are learned by the softmax over the candidates of judged baskets (listwise, ListNet: Cao et al., ICML 2007).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.learners.catalogue import BUCKETS, Catalogue
from analytics.learners.pairs import Neighbours, Pairs
from analytics.operators.links import Bought, code_of
from analytics.orders import DAY

PUBLISHED = 200_000  # pairs of a version
POPULAR = 40
SIMILAR = 10
RANKED = 100
FEATURES = ("popular_now", "bought_often", "cosine_sum", "cosine_most", "similar_name", "age", "popular_today")
FIRST_WEIGHTS = (0.3, -0.1, 0.95, 0.4, 0.2, -0.4, 0.3)
_DERIVED = frozenset({"by_code", "norm", "neighbours", "word_weights"})
_ADDED = (0.1, 0.5, 0.02, 0.01, 0.05, 1.0, 0.1)

Floats = NDArray[np.float64]
Places = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A product bought with another: `count` baskets with both (fading), their share of all (`support`) and of those
    with the first (`confidence`), and how much more often than by chance (`lift`).
    """

    sku: str
    name: str
    count: float
    support: float
    confidence: float
    lift: float


@dataclass(frozen=True, slots=True)
class Offer:
    """`score` is 1 for the best. `because` is the product bought that speaks most for it, `confidence` the share of its
    baskets and `after` how often this was bought next; none where it is only popular.
    """

    sku: str
    name: str
    score: float
    because: str | None
    because_name: str
    confidence: float
    count: float
    after: float
    popular: float


class Offers:
    """A version. All arrays are by product number; neighbours of one stand together, the nearest first."""

    def __init__(
        self, catalogue: Catalogue, pairs: Pairs, baskets: float, now: float, weights: Sequence[float]
    ) -> None:
        size = self.size = len(catalogue)
        # Shared: they only grow at their ends, or are replaced.
        self.skus, self.names, self.by_code = catalogue.skus, catalogue.names, catalogue.by_code
        self.words = catalogue.words[:size].copy()
        self.baskets, self.now, self.weights = baskets, now, tuple(weights)
        self.orders = catalogue.orders[:size].astype(np.float32)
        self.fresh = catalogue.fresh[:size].astype(np.float32)
        self.quick = catalogue.quick[:size].astype(np.float32)
        self.days = (np.maximum(0.0, now - catalogue.first_at[:size]) / DAY).astype(np.float32)
        self.pairs = pairs.strongest(PUBLISHED)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in _DERIVED}

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "age" in state:  # published before what is popular today was a feature, and with the logarithm of the days
            state["days"], state["quick"] = np.exp(state.pop("age")) - _ADDED[5], np.zeros_like(state["fresh"])
            state["weights"] = (*state["weights"], 0.0)
        self.__dict__.update(state)
        self.by_code = {}
        for number, sku in enumerate(self.skus):
            self.by_code.setdefault(code_of(sku), number)

    @cached_property
    def norm(self) -> NDArray[np.float32]:
        """The length of each product's column."""
        return np.sqrt(np.maximum(self.orders, 1.0))

    @cached_property
    def neighbours(self) -> Neighbours:
        """The pairs from either side."""
        return Neighbours(self.pairs.keys, self.size)

    @cached_property
    def word_weights(self) -> NDArray[np.float32]:
        """Of each word of each name."""
        return _word_weights(self.words)

    def number(self, sku: str) -> int | None:
        """A product by its SKU; None where it is not known."""
        found = self.by_code.get(code_of(sku), self.size)
        return found if found < self.size and self.skus[found] == sku else None

    def bought_with(self, number: int, least: float = 2.5) -> list[Neighbour]:
        """What is in the same baskets, the nearest (by cosine) first, from `least` baskets with both on."""
        others, places = self.neighbours.of(number)
        counts = self.pairs.together[places]
        kept = counts >= least
        found = [
            self._neighbour(number, other, count)
            for other, count in zip(others[kept].tolist(), counts[kept].tolist(), strict=True)
        ]
        return sorted(found, key=lambda n: (-n.confidence * n.lift, n.sku))

    def _neighbour(self, number: int, other: int, count: float) -> Neighbour:
        confidence = min(1.0, count / float(self.orders[number]))
        share = float(self.orders[other]) / self.baskets
        return Neighbour(
            self.skus[other], self.names[other], count, count / self.baskets, confidence, confidence / share
        )

    # -- offers -----------------------------------------------------------------------------------

    def offers(self, bought: Bought, limit: int) -> list[Offer]:
        """The next best offers to a customer, none of which was bought."""
        recent = self.known(bought.recent)
        candidates, x = self.candidates(recent)
        ranked, scores = self.ranked(candidates, x, bought.has, limit)
        if not len(ranked):
            return []
        return [self._offer(c, s, recent) for c, s in zip(candidates[ranked], np.exp(scores - scores[0]), strict=True)]

    def known(self, codes: Sequence[int]) -> Places:
        """The numbers of those products that are known."""
        numbers = [self.by_code.get(code, self.size) for code in codes]
        return np.array([number for number in numbers if number < self.size], np.intp)

    def candidates(self, recent: Places) -> tuple[Places, Floats]:
        """Products that may be offered to who bought `recent`, and their features, one row each."""
        size = self.size
        total, most, names = np.zeros(size), np.zeros(size), np.zeros(size)
        if len(recent):
            self._near(recent, total, most)
            names = self._similar(recent)
        chosen = total > 0
        for counts in (self.fresh, self.quick):
            chosen[_largest(counts, POPULAR)] = True
        chosen[_largest(names, SIMILAR)] = True
        chosen[recent] = False
        at = np.flatnonzero(chosen)
        columns: tuple[NDArray[Any], ...] = (self.fresh, self.orders, total, most, names, self.days, self.quick)
        logs = [np.log(column[at] + added) for column, added in zip(columns, _ADDED, strict=True)]
        return at, np.stack(logs, axis=1)

    def _near(self, recent: Places, total: Floats, most: Floats) -> None:
        """Adds up the cosines of all products with those of `recent`, and keeps the largest."""
        found = [self.neighbours.of(number) for number in recent.tolist()]
        others, places = (np.concatenate(parts) for parts in zip(*found, strict=True))
        norms = np.repeat(self.norm[recent], [len(places) for _, places in found]) * self.norm[others]
        counted = self.pairs.together[places].astype(np.float32) + self.pairs.after[places]
        cosine = counted / norms
        total += np.bincount(others, cosine, len(total))
        np.maximum.at(most, others, cosine)

    def _similar(self, recent: Places) -> Floats:
        """Mean cosine of the names of all products with those of `recent`, words weighted by how rare they are."""
        wanted = np.zeros(BUCKETS + 1)
        np.add.at(wanted, self.words[recent], self.word_weights[recent])
        wanted[BUCKETS] = 0.0
        found: Floats = (wanted[self.words] * self.word_weights).sum(axis=1) / len(recent)
        return found

    def ranked(self, candidates: Places, x: Floats, bought: Callable[[int], bool], limit: int) -> tuple[Places, Floats]:
        """Rows of the best candidates that were not bought, the best first, and their scores."""
        scores = x @ np.array(self.weights)
        best = np.argsort(-scores, kind="stable")
        offered = (at for at in best.tolist() if not bought(code_of(self.skus[candidates[at]])))
        rows = np.array(list(islice(offered, limit)), np.intp)
        return rows, scores[rows]

    def popular(self, bought: Callable[[int], bool], limit: int) -> list[int]:
        """What others buy for the first time these days and this customer has not bought: what offers have to beat."""
        best = np.argsort(-self.fresh, kind="stable")
        offered = (number for number in best.tolist() if not bought(code_of(self.skus[number])))
        return list(islice(offered, limit))

    def _offer(self, candidate: int, score: float, recent: Places) -> Offer:
        because, most = None, (0.0, 0.0, 0.0)
        for number in recent.tolist():
            together, after = self._pair(number, candidate)
            strength = (together + after) / float(np.sqrt(max(1.0, float(self.orders[number]))))
            if strength > most[0]:
                because, most = number, (strength, together, after)
        confidence = 0.0 if because is None else min(1.0, most[1] / max(1.0, float(self.orders[because])))
        return Offer(
            self.skus[candidate],
            self.names[candidate],
            float(score),
            None if because is None else self.skus[because],
            "" if because is None else self.names[because],
            confidence,
            most[1],
            most[2],
            float(self.fresh[candidate]),
        )

    def _pair(self, one: int, other: int) -> tuple[float, float]:
        others, places = self.neighbours.of(one)
        at = places[others == other]
        return (float(self.pairs.together[at[0]]), float(self.pairs.after[at[0]])) if len(at) else (0.0, 0.0)


def _largest(values: NDArray[Any], count: int) -> Places:
    """Where the largest values above nothing are."""
    found = np.argpartition(-values, count - 1)[:count] if len(values) > count else np.arange(len(values))
    return found[values[found] > 0]


def _word_weights(words: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Inverse document frequency, each name of length 1."""
    holders = np.bincount(words.ravel(), minlength=BUCKETS + 1)[: BUCKETS + 1]
    rarity = np.log(max(1, len(words)) / np.maximum(1, holders)) + 0.1
    rarity[BUCKETS] = 0.0
    weights = rarity[words]
    length = np.sqrt((weights**2).sum(axis=1, keepdims=True))
    found: NDArray[np.float32] = (weights / np.maximum(length, 1e-9)).astype(np.float32)
    return found
