"""Learns the segments of all customers, the bands of recency, frequency and money, and after how many purchases
customers are hooked.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment  # type: ignore[import-untyped]

from analytics.learners.quantiles import Quantiles
from analytics.learners.segmentation import MONEY, Loyalty, Segmentation, names_of
from analytics.operators.segment import FEATURES, MODEL, PURCHASES
from analytics.orders import DAY

SEGMENTS = 6
SAMPLE = 2_048  # rows that clusters are made of
LEAST_ROWS = 200
HALF_LIFE = 28 * DAY
CURRENCIES = 6
_SEED = 20_240_229
_ROUNDS = 8
_PACE = 0.5  # of the way a centre moves to where it should be
_FRESH = 0.85  # new centres are taken when they fit this much better
_LEAST_SPREAD = 0.05
_WIDTH = len(FEATURES)

Rows = NDArray[np.float64]


class SegmentsLearner:
    """Keeps a sample of customers, exponentially fading, and fits k-means to it once a day of event time.

    Centres go on from where they were, so a segment stays itself as it moves. When centres from new seeds (k-means++:
    Arthur & Vassilvitskii, SODA 2007, seeded) fit clearly better they are taken, each under the number of the old centre
    it is matched with (Hungarian method).
    """

    name: ClassVar[str] = MODEL

    def __init__(self) -> None:
        self.examples = 0
        self.rows = np.zeros((SAMPLE, _WIDTH))
        self.currency_of = np.zeros(SAMPLE, np.intp)
        self.filled = 0
        self.seen = 0.0
        self.chance = np.random.default_rng(_SEED)
        self.currencies: list[str] = []
        self.recency, self.frequency = Quantiles(), Quantiles()
        self.spent: dict[str, Quantiles] = {}
        self.reached, self.repeated = np.zeros(PURCHASES, np.int64), np.zeros(PURCHASES, np.int64)
        self.now = self.made_at = 0.0
        self.made_examples = 0
        self.made = Segmentation()

    @property
    def publish_every(self) -> int:
        """One while the version just made is not published, then more than there will be."""
        return 1 if self.made.ready and self.made_examples == self.examples else 2**31

    def take(self, example: Mapping[str, Any]) -> None:
        rows = example["rows"]
        x = np.array([row[:_WIDTH] for row in rows], float).reshape(-1, _WIDTH)
        if not np.isfinite(x).all():
            raise ValueError("features are numbers")
        self._fade(float(example["as_of"]))
        for n, (reached, repeated) in enumerate(example["loyalty"]):
            self.reached[n] += reached
            self.repeated[n] += repeated
        self._count(x, [str(row[_WIDTH]) for row in rows])
        self.examples += len(rows)
        if self.filled >= LEAST_ROWS and (not self.made.ready or self.now - self.made_at >= DAY):
            self.made, self.made_at, self.made_examples = self._make(), self.now, self.examples

    def _fade(self, at: float) -> None:
        gone = max(0.0, min(at, self.now + 30 * DAY) - self.now) if self.now else 0.0
        self.now = self.now + gone if self.now else at
        factor = 0.5 ** (gone / HALF_LIFE)
        self.seen *= factor
        for sketch in (self.recency, self.frequency, *self.spent.values()):
            sketch.fade(factor)

    def _count(self, x: Rows, currencies: Sequence[str]) -> None:
        recency, frequency, money = np.expm1(x[:, 0]), np.exp(x[:, 1]), np.expm1(x[:, MONEY])
        self.recency.add(recency)
        self.frequency.add(frequency)
        numbers = np.array([self._currency(code) for code in currencies], np.intp)
        for number in np.unique(numbers[numbers >= 0]):
            self.spent[self.currencies[number]].add(money[numbers == number])
        known = numbers >= 0
        self._sample(x[known], numbers[known])

    def _currency(self, code: str) -> int:
        """The number of a currency; -1 past the sixth."""
        if code in self.spent:
            return self.currencies.index(code)
        if not code or len(self.currencies) >= CURRENCIES:
            return -1
        self.currencies.append(code)
        self.spent[code] = Quantiles()
        return len(self.currencies) - 1

    def _sample(self, x: Rows, currencies: NDArray[np.intp]) -> None:
        """Fills up, then each row takes a random place with the chance that keeps the sample as young as the counts."""
        free = min(SAMPLE - self.filled, len(x))
        self.rows[self.filled : self.filled + free] = x[:free]
        self.currency_of[self.filled : self.filled + free] = currencies[:free]
        self.filled += free
        self.seen += len(x)
        rest = len(x) - free
        taken = np.flatnonzero(self.chance.random(rest) < SAMPLE / self.seen) + free
        places = self.chance.integers(0, SAMPLE, len(taken))
        self.rows[places], self.currency_of[places] = x[taken], currencies[taken]

    # -- segments -----------------------------------------------------------------------------------

    def _make(self) -> Segmentation:
        x, currency_of = self.rows[: self.filled].copy(), self.currency_of[: self.filled]
        mean, spread = x.mean(axis=0), np.maximum(x.std(axis=0), _LEAST_SPREAD)
        money = {}
        for number, code in enumerate(self.currencies):
            mine = x[currency_of == number, MONEY]
            if len(mine):
                money[code] = float(mine.mean()), max(float(mine.std()), _LEAST_SPREAD)
        for number, code in enumerate(self.currencies):
            if code in money:
                at = currency_of == number
                x[at, MONEY] = (x[at, MONEY] - money[code][0]) / money[code][1]
        mean[MONEY], spread[MONEY] = 0.0, 1.0
        z = (x - mean) / spread
        centres, before = self._centres(z, mean, spread)
        nearest = _nearest(z, centres)
        standing = np.stack([_standing(z, centres[number]) for number in range(len(centres))])
        return Segmentation(
            centres=centres,
            mean=tuple(mean.tolist()),
            spread=tuple(spread.tolist()),
            money=money,
            names=names_of(standing, before),
            shares=tuple((np.bincount(nearest, minlength=len(centres)) / len(z)).tolist()),
            recency=_copy(self.recency),
            frequency=_copy(self.frequency),
            spent={code: _copy(sketch) for code, sketch in self.spent.items()},
            loyalty=Loyalty(tuple(self.reached.tolist()), tuple(self.repeated.tolist())),
        )

    def _centres(self, z: Rows, mean: Rows, spread: Rows) -> tuple[Rows, tuple[str, ...]]:
        """Where the segments are now, and the names they had."""
        fresh = _fitted(z, _seeds(z, SEGMENTS))
        if not self.made.ready:
            return fresh, ()
        old = (self.made.centres * np.array(self.made.spread) + np.array(self.made.mean) - mean) / spread
        moved = _fitted(z, old)
        if _misfit(z, fresh) < _FRESH * _misfit(z, moved):
            distances = ((old[:, None, :] - fresh[None, :, :]) ** 2).sum(axis=2)
            return fresh[linear_sum_assignment(distances)[1]], self.made.names
        return old + _PACE * (moved - old), self.made.names

    def figures(self) -> dict[str, Any]:
        made = self.made
        return {
            "segments": dict(zip(made.names, (round(share, 4) for share in made.shares), strict=True)),
            "hooked_after": made.loyalty.hooked,
        }

    def snapshot(self) -> Segmentation:
        return self.made


def _nearest(z: Rows, centres: Rows) -> NDArray[np.intp]:
    found: NDArray[np.intp] = _distances(z, centres).argmin(axis=1)
    return found


def _distances(z: Rows, centres: Rows) -> Rows:
    found: Rows = ((z[:, None, :] - centres[None, :, :]) ** 2).sum(axis=2)
    return found


def _misfit(z: Rows, centres: Rows) -> float:
    return float(_distances(z, centres).min(axis=1).mean())


def _seeds(z: Rows, count: int) -> Rows:
    """k-means++, with the same chances every time."""
    chance = np.random.default_rng(_SEED)
    chosen = [z[int(chance.integers(len(z)))]]
    for _ in range(1, count):
        far = _distances(z, np.array(chosen)).min(axis=1)
        total = far.sum()
        chosen.append(z[int(chance.choice(len(z), p=far / total))] if total else z[0])
    return np.array(chosen)


def _fitted(z: Rows, centres: Rows) -> Rows:
    """Lloyd's rounds; a centre without customers stays."""
    for _ in range(_ROUNDS):
        nearest = _nearest(z, centres)
        sizes = np.bincount(nearest, minlength=len(centres))
        sums = np.stack([np.bincount(nearest, z[:, at], len(centres)) for at in range(z.shape[1])], axis=1)
        centres = np.where(sizes[:, None] > 0, sums / np.maximum(1, sizes)[:, None], centres)
    return centres


def _standing(z: Rows, centre: Rows) -> Rows:
    """The share of customers below a centre in each feature, equal ones by half."""
    found: Rows = ((z < centre).mean(axis=0) + (z <= centre).mean(axis=0)) / 2
    return found


def _copy(sketch: Quantiles) -> Quantiles:
    copied = Quantiles()
    copied.counts = sketch.counts.copy()
    return copied
