"""What the next order is worth: quantiles that are linear in logarithmic features.

Let y = log(1 + amount) − m, with m the mean of log(1 + amount) of everybody's orders in that currency. Each of three
quantiles of y (10 %, 50 %, 90 %) is a weighted sum of what the customer's own orders say, shrunk by how many they are
(quantile regression: Koenker & Bassett, Econometrica 46, 1978). The bounds are moved by what was missed lately in the
customer's group of evidence and silence (adaptive conformal inference: Gibbs & Candès, NeurIPS 2021).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import mul
from typing import Final, NamedTuple

SHARES = (0.1, 0.5, 0.9)
GROUPS: Final = 6
FEATURES: Final = 12
_OWN: Final = 2.0  # orders after which a customer's own count as much as everybody's
_SPREAD: Final = 0.3  # variance of log amounts that a customer without history is given
_WEEK: Final = 7.0
_MOST: Final = 40.0  # of a logarithm


class Purse(NamedTuple):
    """How many orders there were in a currency; mean, fading mean, last and summed squared deviation of log(1 +
    amount); the amounts' sum.
    """

    orders: int
    mean: float
    fresh: float
    last: float
    spread: float
    total: float


class Amount(NamedTuple):
    """In units of the currency: the median, and the bounds that 80 % should fall between."""

    amount: float
    low: float
    high: float


def features(purse: Purse, usual: float, silent: float) -> tuple[float, ...]:
    """`usual` is everybody's mean log(1 + amount); `silent` the days since the customer's last order."""
    orders, mean, fresh, last, spread, total = purse
    own = orders / (orders + _OWN)
    rest = 1.0 - own
    off = mean - usual
    weeks = math.log1p(silent / _WEEK)
    return (
        1.0,
        own * off,
        own * (math.log1p(total / orders) - usual),
        own * (fresh - usual),
        own * (last - usual),
        rest * off,
        own * off * abs(off),
        math.sqrt((spread + 2 * _SPREAD) / (orders + 2)),
        rest,
        weeks,
        weeks * rest,
        weeks * off,
    )


def group(orders: int, silent: float) -> int:
    """One of GROUPS: by the customer's orders (one, two to four, more) and whether the last was within a week."""
    return 2 * ((orders >= 2) + (orders >= 5)) + (silent >= _WEEK)


@dataclass
class AmountModel:
    """A published version: the usual order by currency, weights by quantile, and how far each group's bounds move
    out.
    """

    usual: Mapping[str, float]
    weights: Sequence[Sequence[float]]
    moved: Sequence[Sequence[float]]

    def __post_init__(self) -> None:
        self.usual = dict(self.usual)
        self.weights = tuple(map(tuple, self.weights))
        self.moved = tuple(map(tuple, self.moved))

    def next_order(self, purse: Purse, currency: str, silent: float) -> Amount | None:
        """None for a currency nobody has ordered in when this version was published."""
        usual = self.usual.get(currency)
        if usual is None:
            return None
        x = features(purse, usual, silent)
        low, median, high = [usual + sum(map(mul, weights, x)) for weights in self.weights]
        down, up = self.moved[group(purse.orders, silent)]
        return Amount(_money(median), _money(min(median, low - down)), _money(max(median, high + up)))


def _money(log: float) -> float:
    return math.expm1(min(log, _MOST)) if log > 0.0 else 0.0
