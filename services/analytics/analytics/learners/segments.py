"""Learns the segments of all customers, the bands of recency, frequency and money, and after how many purchases
customers are hooked.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from analytics.learners.quantiles import Quantiles
from analytics.learners.segment_names import Centre, kinds_of, names_of
from analytics.learners.segmentation import FIRST_GAP, MONEY, Loyalty, Segmentation
from analytics.operators.segment import MODEL, PURCHASES
from analytics.orders import DAY

SEGMENTS = 6
SAMPLE = 2_048  # rows that clusters are made of
LEAST_ROWS = 200
HALF_LIFE, SAMPLE_HALF_LIFE = 28 * DAY, 7 * DAY
CURRENCIES = 6
_SEED = 20_240_229
_ROUNDS = 8
_PACE = 0.5  # of the way a centre moves to where it should be
_FRESH = 0.85  # new centres are taken when they fit this much better
_LEAST_SPREAD = 0.05
_LEAST_SHARE = 0.02  # of the customers, or a segment is given up for a new one
_RECENCY, _DAYS, _SPAN, _TENURE, _SPENT = range(5)  # facts of a customer
_FACTS = 5

Rows = NDArray[np.float64]


class SegmentsLearner:
    """Keeps a fading sample of customers, and fits k-means to it once a day of event time.

    Centres go on from where they were, so a segment stays itself as it moves. A segment that almost nobody is in any
    more is given up for a new one. When centres from new seeds (k-means++: Arthur & Vassilvitskii, SODA 2007, seeded)
    fit clearly better they are taken, each under the number of the old centre it is matched with (Hungarian method).
    """

    name: ClassVar[str] = MODEL

    def __init__(self) -> None:
        self.examples = 0
        self.rows = np.zeros((SAMPLE, _FACTS))
        self.currency_of = np.zeros(SAMPLE, np.intp)
        self.filled = 0
        self.seen = 0.0
        self.chance = np.random.default_rng(_SEED)
        self.currencies: list[str] = []
        self.recency, self.frequency, self.gaps = Quantiles(), Quantiles(), Quantiles()
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
        x = np.array([row[:_FACTS] for row in rows], float).reshape(-1, _FACTS)
        if not np.isfinite(x).all():
            raise ValueError("features are numbers")
        self._fade(float(example["as_of"]))
        for n, (reached, repeated) in enumerate(example["loyalty"]):
            self.reached[n] += reached
            self.repeated[n] += repeated
        self._count(x, [str(row[_FACTS]) for row in rows])
        self.examples += len(rows)
        if self.filled >= LEAST_ROWS and (not self.made.ready or self.now - self.made_at >= DAY):
            self.made, self.made_at, self.made_examples = self._make(), self.now, self.examples

    def _fade(self, at: float) -> None:
        gone = max(0.0, min(at, self.now + 30 * DAY) - self.now) if self.now else 0.0
        self.now = self.now + gone if self.now else at
        factor = 0.5 ** (gone / HALF_LIFE)
        self.seen *= 0.5 ** (gone / SAMPLE_HALF_LIFE)
        for sketch in (self.recency, self.frequency, self.gaps, *self.spent.values()):
            sketch.fade(factor)

    def _count(self, x: Rows, currencies: Sequence[str]) -> None:
        self.recency.add(x[:, _RECENCY])
        self.frequency.add(x[:, _DAYS])
        again = x[:, _DAYS] > 1
        self.gaps.add(x[again, _SPAN] / (x[again, _DAYS] - 1))
        numbers = np.array([self._currency(code) for code in currencies], np.intp)
        for number in np.unique(numbers[numbers >= 0]):
            self.spent[self.currencies[number]].add(x[numbers == number, _SPENT])
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
        taken = np.flatnonzero(self.chance.random(rest) < SAMPLE / max(1.0, self.seen)) + free
        places = self.chance.integers(0, SAMPLE, len(taken))
        self.rows[places], self.currency_of[places] = x[taken], currencies[taken]

    # -- segments -----------------------------------------------------------------------------------

    def _make(self) -> Segmentation:
        usual_gap = self.gaps.quantile(0.5) or FIRST_GAP
        x, currency_of = _features(self.rows[: self.filled], usual_gap), self.currency_of[: self.filled]
        money = {}
        for number, code in enumerate(self.currencies):
            mine = currency_of == number
            if mine.any():
                mean, spread = float(x[mine, MONEY].mean()), max(float(x[mine, MONEY].std()), _LEAST_SPREAD)
                money[code] = mean, spread
                x[mine, MONEY] = (x[mine, MONEY] - mean) / spread
        means, spreads = x.mean(axis=0), np.maximum(x.std(axis=0), _LEAST_SPREAD)
        means[MONEY], spreads[MONEY] = 0.0, 1.0
        z = (x - means) / spreads
        centres = self._centres(z, means, spreads)
        main = self.currencies[int(np.bincount(currency_of).argmax())]
        middles = _middles(centres, z, means, spreads, money[main])
        kinds = kinds_of(middles, self.made.kinds)
        return Segmentation(
            centres=centres,
            mean=tuple(means.tolist()),
            spread=tuple(spreads.tolist()),
            money=money,
            usual_gap=usual_gap,
            kinds=kinds,
            names=names_of(middles, kinds, self.made.names),
            middles=middles,
            currency=main,
            shares=tuple((np.bincount(_nearest(z, centres), minlength=len(centres)) / len(z)).tolist()),
            recency=_copy(self.recency),
            frequency=_copy(self.frequency),
            spent={code: _copy(sketch) for code, sketch in self.spent.items()},
            loyalty=Loyalty(tuple(self.reached.tolist()), tuple(self.repeated.tolist())),
        )

    def _centres(self, z: Rows, means: Rows, spreads: Rows) -> Rows:
        """Where the segments are now."""
        made, fresh = self.made, _fitted(z, _seeds(z, SEGMENTS))
        if not made.ready:
            return fresh
        old = (made.centres * np.array(made.spread) + np.array(made.mean) - means) / spreads
        moved = _fitted(z, old)
        sizes = np.bincount(_nearest(z, moved), minlength=SEGMENTS)
        if sizes.min() < _LEAST_SHARE * len(z):
            given_up = int(sizes.argmin())
            kept = np.delete(moved, given_up, axis=0)
            moved[given_up] = _fitted(z, np.vstack((kept, _seeds(z, 1, kept))))[-1]
            return moved
        if _misfit(z, fresh) < _FRESH * _misfit(z, moved):
            matched: Rows = fresh[linear_sum_assignment(_distances(old, fresh))[1]]
            return matched
        found: Rows = old + _PACE * (moved - old)
        return found

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


def _seeds(z: Rows, count: int, beside: Rows | None = None) -> Rows:
    """k-means++, with the same chances every time; where others are already, `beside` them."""
    chance = np.random.default_rng(_SEED)
    chosen = [z[int(chance.integers(len(z)))]] if beside is None else list(beside)
    while len(chosen) < count + (0 if beside is None else len(beside)):
        far = _distances(z, np.array(chosen)).min(axis=1)
        total = far.sum()
        chosen.append(z[int(chance.choice(len(z), p=far / total))] if total else z[0])
    return np.array(chosen[-count:])


def _fitted(z: Rows, centres: Rows) -> Rows:
    """Lloyd's rounds; a centre without customers stays."""
    for _ in range(_ROUNDS):
        nearest = _nearest(z, centres)
        sizes = np.bincount(nearest, minlength=len(centres))
        sums = np.stack([np.bincount(nearest, z[:, at], len(centres)) for at in range(z.shape[1])], axis=1)
        centres = np.where(sizes[:, None] > 0, sums / np.maximum(1, sizes)[:, None], centres)
    return centres


def _features(facts: Rows, usual_gap: float) -> Rows:
    """As `operators.segment.features`, for many customers."""
    days = facts[:, _DAYS]
    gap = (facts[:, _SPAN] + usual_gap) / days
    overdue = np.log(np.maximum(1.0, facts[:, _RECENCY] / gap))
    return np.stack((np.log(days), np.log1p(facts[:, _SPENT]), np.log1p(gap), overdue, np.log1p(facts[:, _TENURE])), 1)


def _middles(centres: Rows, z: Rows, means: Rows, spreads: Rows, money: tuple[float, float]) -> tuple[Centre, ...]:
    """The centres in plain numbers."""
    found = []
    for centre in centres:
        orders, spent, gap, overdue, tenure = (centre * spreads + means).tolist()
        found.append(
            Centre(
                orders=float(np.exp(orders)),
                money=float(np.expm1(spent * money[1] + money[0])),
                gap=float(np.expm1(gap)),
                overdue=float(np.exp(overdue)),
                tenure=float(np.expm1(tenure)),
                richer_than=float((z[:, MONEY] < centre[MONEY]).mean()),
            )
        )
    return tuple(found)


def _copy(sketch: Quantiles) -> Quantiles:
    copied = Quantiles()
    copied.counts = sketch.counts.copy()
    return copied
