"""What the learner of segments publishes: the segments, the bands of recency, frequency and money, and loyalty."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from analytics.learners.quantiles import Quantiles
from analytics.learners.segment_names import Centre
from analytics.operators.segment import FEATURES, UNKNOWN, Features
from analytics.orders import DAY, SCALE, Orders

MONEY = FEATURES.index("money")
FIRST_GAP = 30.0  # days between orders, until it is known
LEAST_COUNT = 50  # purchases behind a repeat rate
_STEP = 0.05  # less than this is no better


@dataclass(frozen=True)
class Loyalty:
    """How many of those who bought an n-th time bought again within the horizon, from n = 1."""

    reached: tuple[int, ...] = ()
    repeated: tuple[int, ...] = ()

    @property
    def hooked(self) -> int | None:
        """The n after which more purchases make little difference: the first whose repeat rate is within 5 points of
        that of all later ones. None while too little is known, and where already the first is no different: within 5
        points, or within chance (two standard errors).
        """
        known = [n for n, count in enumerate(self.reached, 1) if count >= LEAST_COUNT]
        if len(known) < 3 or self._plain(1):
            return None
        return next((n for n in known[1:-1] if self._rate(n) >= self._rate_after(n) - _STEP), None)

    def _rate(self, n: int) -> float:
        return self.repeated[n - 1] / self.reached[n - 1]

    def _rate_after(self, n: int) -> float:
        return sum(self.repeated[n:]) / max(1, sum(self.reached[n:]))

    def _plain(self, n: int) -> bool:
        """Whether what follows this purchase is no better."""
        rate, after = self._rate(n), self._rate_after(n)
        error = math.sqrt(rate * (1 - rate) / self.reached[n - 1] + after * (1 - after) / max(1, sum(self.reached[n:])))
        return after - rate <= max(_STEP, 2 * error)


@dataclass(frozen=True)
class Segmentation:
    """A version. `centres` has a row for each segment (number 1 is the first), the features standardised by `mean` and
    `spread`, money within its currency (`money`: both by currency). `middles` says the same in plain numbers, in the
    currency most customers pay in.
    """

    centres: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, len(FEATURES))))
    mean: tuple[float, ...] = ()
    spread: tuple[float, ...] = ()
    money: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    usual_gap: float = FIRST_GAP
    kinds: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    middles: tuple[Centre, ...] = ()
    currency: str = ""
    shares: tuple[float, ...] = ()
    recency: Quantiles = field(default_factory=Quantiles)
    frequency: Quantiles = field(default_factory=Quantiles)
    spent: Mapping[str, Quantiles] = field(default_factory=dict)
    loyalty: Loyalty = field(default_factory=Loyalty)

    def __post_init__(self) -> None:
        # Nearest is largest 2·c·z − |c|²: five products a segment.
        rows = [[*(2.0 * z).tolist(), float(z @ z)] for z in np.asarray(self.centres)]
        object.__setattr__(self, "_planes", [(at, *row) for at, row in enumerate(rows, 1)])

    @property
    def ready(self) -> bool:
        return len(self.centres) > 0

    def name(self, number: int) -> str:
        return self.names[number - 1] if 0 < number <= len(self.names) else UNKNOWN

    def nearest(self, x: Features, currency: str, current: int, margin: float) -> int:
        """The segment whose centre is nearest; the current one unless the distance is less than `margin` of its."""
        (m0, _, m2, m3, m4), (s0, _, s2, s3, s4) = self.mean, self.spread
        m1, s1 = self.money.get(currency) or (x[MONEY], 1.0)
        a, b, c, d, e = (x[0] - m0) / s0, (x[1] - m1) / s1, (x[2] - m2) / s2, (x[3] - m3) / s3, (x[4] - m4) / s4
        best, most, own = 0, -math.inf, -math.inf
        for number, p, q, r, s, t, length in self._planes:  # type: ignore[attr-defined]
            near = a * p + b * q + c * r + d * s + e * t - length
            if number == current:
                own = near
            if near > most:
                best, most = number, near
        if best == current or own == -math.inf:
            return int(best)
        size = a * a + b * b + c * c + d * d + e * e
        return int(best) if size - most < margin * margin * (size - own) else current

    def bands(self, orders: Orders, now: float) -> tuple[int, int, int] | None:
        """Recency, frequency and money as fifths of all customers, 5 the best; None where the currency is not known."""
        account = orders.main_account()
        spent = self.spent.get(account.currency) if account is not None else None
        if account is None or spent is None or not orders.days:
            return None
        recency = 1.0 - self.recency.share_below(max(0.0, now - orders.last_at) / DAY)
        shares = (recency, self.frequency.share_below(orders.days), spent.share_below(account.spent / SCALE))
        first, second, third = (1 + min(4, int(5 * share)) for share in shares)
        return first, second, third

    def bands_text(self, orders: Orders, now: float) -> str:
        """`R5 F4 M4 of 5`."""
        bands = self.bands(orders, now)
        return "bands not known" if bands is None else "R{} F{} M{} of 5".format(*bands)
