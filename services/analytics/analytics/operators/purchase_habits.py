"""How often and for how much a customer orders, in 35 bytes: what the forecasts of the next order and the year ask."""

import math
from dataclasses import dataclass
from struct import Struct
from typing import Final

from analytics.forecasts.amounts import Purse
from analytics.orders import SCALE, Account, Orders
from analytics.profile import Profile
from analytics.sections import Section, stored

_FADING: Final = 0.2
_MOST: Final = 65_535
_ALL_TEACH: Final = 8  # gaps or orders that all teach; after them every fourth, counted four times
_TEACH_EVERY: Final = 4


@dataclass(slots=True)
class Habits(Section):
    """Gaps in days between days with an order, and amounts in the customer's main currency: how many, and of their
    logarithms (of 1 + amount) the mean, fading mean, last and summed squared deviation. Numbers are rounded to what is
    stored when they are learned, so that packing loses nothing.
    """

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
        known = (self.gaps, self.gap_mean, self.gap_fresh, self.gap_last, self.gap_spread)
        found = _noted(known, math.log(days))
        self.gaps, self.gap_mean, self.gap_fresh, self.gap_last, self.gap_spread = found

    def note_amount(self, amount: float) -> None:
        """Takes an order in."""
        known = (self.orders, self.mean, self.fresh, self.last, self.spread)
        self.orders, self.mean, self.fresh, self.last, self.spread = _noted(known, math.log1p(amount))

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


stored(Habits, 50, Struct("<H2fefH3s2fef"))


def account_of(profile: Profile) -> Account | None:
    """The account of the currency that is followed; None before the first order."""
    habits = profile.get(Habits)
    if habits is None or not habits.orders:
        return None
    return profile.of(Orders).accounts.get(habits.currency.decode())


def teaching_weight(count: int, phase: int) -> int:
    """How often what came after so many counts as an example; 0: it does not teach. Customers who began together, as
    in an import, do not teach all at once.
    """
    if count < _ALL_TEACH:
        return 1
    return _TEACH_EVERY if count < _MOST and (count + phase) % _TEACH_EVERY == 0 else 0


_Moments = tuple[int, float, float, float, float]
_ROUNDED: Final = Struct("<2fef")
_LARGEST: Final = 3e38


def _noted(known: _Moments, x: float) -> _Moments:
    """One more logarithm."""
    n, mean, fresh, _, spread = known
    n = min(_MOST, n + 1)
    off = x - mean
    mean += off / n
    return n, *_rounded(mean, fresh + max(_FADING, 1 / n) * (x - fresh), x, spread + off * (x - mean))


def _rounded(mean: float, fresh: float, last: float, spread: float) -> tuple[float, float, float, float]:
    spread = 0.0 if spread < 0.0 else spread if spread < _LARGEST else _LARGEST
    mean, fresh, last, spread = _ROUNDED.unpack(_ROUNDED.pack(mean, fresh, last, spread))
    return mean, fresh, last, spread


def _merged(mine: _Moments, theirs: _Moments) -> _Moments:
    (n, mean, fresh, last, spread), (m, mean_2, fresh_2, _, spread_2) = mine, theirs
    if not n or not m:
        return mine if n else theirs
    share, off = m / (n + m), mean_2 - mean
    added = spread + spread_2 + off * off * share * n
    return min(_MOST, n + m), *_rounded(mean + off * share, fresh + (fresh_2 - fresh) * share, last, added)
