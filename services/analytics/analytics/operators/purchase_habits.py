"""How often and for how much a customer orders, in 35 bytes: what the forecasts of the next order and the year ask."""

import math
from dataclasses import dataclass
from struct import Struct
from typing import ClassVar

from analytics.forecasts.amounts import Purse
from analytics.orders import SCALE, Account, Orders
from analytics.sections import Section

_FADING = 0.2
_MOST = 65_535


@dataclass(slots=True)
class Habits(Section):
    """Gaps in days between days with an order, and amounts in the customer's main currency: how many, and of their
    logarithms (of 1 + amount) the mean, fading mean, last and summed squared deviation. Numbers are rounded to what is
    stored when they are learned, so that packing loses nothing.
    """

    NUMBER: ClassVar[int] = 50
    LAYOUT: ClassVar[Struct] = Struct("<H2fefH3s2fef")

    gaps: int = 0
    gap_mean: float = 0.0
    gap_fresh: float = 0.0
    gap_last: float = 0.0
    gap_spread: float = 0.0
    orders: int = 0
    currency: bytes = bytes(3)
    mean: float = 0.0
    fresh: float = 0.0
    last: float = 0.0
    spread: float = 0.0

    def note_gap(self, days: float) -> None:
        """Takes a gap in."""
        x = math.log(days)
        self.gaps = min(_MOST, self.gaps + 1)
        off = x - self.gap_mean
        mean = self.gap_mean + off / self.gaps
        spread = self.gap_spread + off * (x - mean)
        fresh = self.gap_fresh + max(_FADING, 1 / self.gaps) * (x - self.gap_fresh)
        self.gap_mean, self.gap_fresh, self.gap_last, self.gap_spread = _rounded(mean, fresh, x, spread)

    def note_amount(self, amount: float) -> None:
        """Takes an order in."""
        x = math.log1p(amount)
        self.orders = min(_MOST, self.orders + 1)
        off = x - self.mean
        mean = self.mean + off / self.orders
        spread = self.spread + off * (x - mean)
        fresh = self.fresh + max(_FADING, 1 / self.orders) * (x - self.fresh)
        self.mean, self.fresh, self.last, self.spread = _rounded(mean, fresh, x, spread)

    def follow(self, currency: bytes) -> None:
        """Amounts are in this currency from here on."""
        self.currency, self.orders = currency, 0
        self.mean = self.fresh = self.last = self.spread = 0.0

    def purse(self, account: Account) -> Purse:
        """What the model of amounts asks; `account` is that of the currency."""
        total = max(0.0, account.spent / SCALE) * self.orders / max(1, account.count)
        return Purse(self.orders, self.mean, self.fresh, self.last, self.spread, total)

    def merge(self, other: "Habits") -> None:
        """Moments of both. Of two currencies the one with more orders stays; the survivor's last counts as later."""
        mine = (self.gaps, self.gap_mean, self.gap_fresh, self.gap_last, self.gap_spread)
        theirs = (other.gaps, other.gap_mean, other.gap_fresh, other.gap_last, other.gap_spread)
        self.gaps, self.gap_mean, self.gap_fresh, self.gap_last, self.gap_spread = _merged(mine, theirs)
        mine = (self.orders, self.mean, self.fresh, self.last, self.spread)
        theirs = (other.orders, other.mean, other.fresh, other.last, other.spread)
        if self.currency == other.currency:
            mine = _merged(mine, theirs)
        elif other.orders > self.orders:
            self.currency, mine = other.currency, theirs
        self.orders, self.mean, self.fresh, self.last, self.spread = mine


def account_of(orders: Orders, habits: Habits) -> Account | None:
    """The account of the currency that is followed."""
    return orders.accounts.get(habits.currency.decode()) if habits.orders else None


_Moments = tuple[int, float, float, float, float]
_ROUNDED = Struct("<2fef")
_LARGEST = 3e38


def _rounded(mean: float, fresh: float, last: float, spread: float) -> tuple[float, ...]:
    spread = 0.0 if spread < 0.0 else spread if spread < _LARGEST else _LARGEST
    return _ROUNDED.unpack(_ROUNDED.pack(mean, fresh, last, spread))


def _merged(mine: _Moments, theirs: _Moments) -> _Moments:
    (n, mean, fresh, last, spread), (m, mean_2, fresh_2, _, spread_2) = mine, theirs
    if not n or not m:
        return mine if n else theirs
    share, off = m / (n + m), mean_2 - mean
    added = spread + spread_2 + off * off * share * n
    found = _rounded(mean + off * share, fresh + (fresh_2 - fresh) * share, last, added)
    return min(_MOST, n + m), found[0], found[1], found[2], found[3]
