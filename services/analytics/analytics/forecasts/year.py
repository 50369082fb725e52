"""What a customer will spend in the next twelve months: usual orders per four weeks, falling with the age of the
forecast.

What is spent in a stretch of days, counted in the customer's usual orders, has the mean exp(x·slopes + a·(x·tilts))
per 28 days, with a = log(1 + days ahead / 56) (quasi-Poisson regression: McCullagh & Nelder, Generalized Linear
Models, 1989). So the months that no label reaches yet go on as those before them fell. How far sums stray from their
mean is told by histograms of actual over expected, one for each number of orders expected.
"""

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

DAYS: Final = 365.0
STRETCH: Final = 56.0
MONTH: Final = 28.0
FEATURES: Final = 6
CROWDS = (0.1, 0.3, 1.0, 3.0, 10.0)  # expected orders between the histograms
RATIOS = (0.0, *(0.05 * 1.25**step for step in range(28)))  # upper ends of their bins; the first holds nothing spent
_OWN: Final = 2.0  # usual orders that everybody's mean order stands for
_GAP: Final = 30.0  # days that a customer without history is given for a gap
_MOST: Final = 3.0  # of a logarithmic rate: twenty orders in four weeks


class Ledger(NamedTuple):
    """A customer at a moment: orders and their sum in the currency, gaps between days with an order, the days these
    took together, and the days since the last order.
    """

    orders: float
    total: float
    gaps: float
    span: float
    silent: float


class Year(NamedTuple):
    """In units of the currency: the expected sum, and the bounds that 80 % of such customers should fall between."""

    amount: float
    low: float
    high: float


def features(ledger: Ledger) -> tuple[float, ...]:
    usual = (ledger.span + _GAP) / (ledger.gaps + 1)
    overdue = math.log1p(ledger.silent / usual)
    return (
        1.0,
        math.log(_GAP * (ledger.gaps + 1) / (ledger.span + ledger.silent + _GAP)),
        overdue,
        overdue * overdue,
        math.log1p(ledger.gaps) / 2,
        1 / (ledger.gaps + 1),
    )


def usual_order(ledger: Ledger, everybody: float) -> float:
    """Mean amount of the customer's orders, shrunk towards everybody's; never nothing."""
    return max(0.01, (ledger.total + _OWN * everybody) / (ledger.orders + _OWN))


def ahead(since: float, until: float) -> float:
    """How far ahead a stretch of days lies, as the tilts count it."""
    return math.log1p((since + until) / 2 / STRETCH)


def crowd(orders: float) -> int:
    """The histogram for so many expected orders."""
    return bisect_right(CROWDS, orders)


@dataclass
class YearModel:
    """A published version. `bounds` has for each crowd the ratios to the expected sum; `reach` is the longest stretch
    in days that labels have told of.
    """

    everybody: Mapping[str, float]
    slopes: Sequence[float]
    tilts: Sequence[float]
    bounds: Sequence[tuple[float, float]]
    reach: float

    def __post_init__(self) -> None:
        self.everybody = dict(self.everybody)
        self.slopes, self.tilts = tuple(self.slopes), tuple(self.tilts)
        self.bounds = tuple(self.bounds)

    def orders(self, ledger: Ledger, days: float) -> float:
        """Usual orders expected in so many days from now."""
        x = features(ledger)
        level = math.fsum(map(float.__mul__, self.slopes, x))
        tilt = math.fsum(map(float.__mul__, self.tilts, x))
        total, since = 0.0, 0.0
        while since < days:
            until = min(days, since + STRETCH)
            total += (until - since) / MONTH * math.exp(min(_MOST, level + tilt * ahead(since, until)))
            since = until
        return total

    def next_year(self, ledger: Ledger, currency: str) -> Year | None:
        """None for a currency nobody has ordered in when this version was published."""
        everybody = self.everybody.get(currency)
        if everybody is None:
            return None
        orders = self.orders(ledger, DAYS)
        expected = orders * usual_order(ledger, everybody)
        low, high = self.bounds[crowd(orders)]
        return Year(expected, expected * low, expected * high)
