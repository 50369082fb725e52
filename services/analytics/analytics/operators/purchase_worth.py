"""What a customer's orders were worth: what the forecasts of the next order and of the year ask."""

import math
from dataclasses import dataclass
from struct import Struct
from typing import ClassVar

from analytics.sections import Section

_FADING = 0.2


@dataclass(slots=True)
class Worth(Section):
    """Orders in the customer's main currency: log(1 + amount) as mean, fading mean, last and summed squared deviation;
    the sum of the amounts; `at` is the latest order's moment.
    """

    NUMBER: ClassVar[int] = 51
    LAYOUT: ClassVar[Struct] = Struct("<3sI6d")

    currency: bytes = bytes(3)
    orders: int = 0
    mean: float = 0.0
    fresh: float = 0.0
    last: float = 0.0
    spread: float = 0.0
    total: float = 0.0
    at: float = 0.0

    def note(self, amount: float, at: float) -> None:
        """Takes an order in."""
        x = math.log1p(amount)
        self.orders += 1
        off = x - self.mean
        self.mean += off / self.orders
        self.spread += off * (x - self.mean)
        self.fresh += max(_FADING, 1 / self.orders) * (x - self.fresh)
        self.last, self.at = x, at
        self.total += amount

    def begin(self, currency: bytes) -> None:
        """Follows another currency from here on."""
        self.take(Worth(currency))

    def take(self, other: "Worth") -> None:
        """Becomes a copy of the other."""
        for name in self.__slots__:
            setattr(self, name, getattr(other, name))

    def merge(self, other: "Worth") -> None:
        """Of two currencies, the one with more orders stays."""
        if self.currency != other.currency:
            if other.orders > self.orders:
                self.take(other)
            return
        if not other.orders:
            return
        share, off = other.orders / (self.orders + other.orders), other.mean - self.mean
        self.spread += other.spread + off * off * share * self.orders
        self.mean += off * share
        self.fresh += (other.fresh - self.fresh) * share
        self.orders += other.orders
        self.total += other.total
        if other.at > self.at:
            self.last, self.at = other.last, other.at
