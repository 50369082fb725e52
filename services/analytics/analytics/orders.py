"""What every operator may ask about a customer's orders. Kept before any operator sees the order or return."""

import math
from dataclasses import dataclass, field
from struct import Struct
from typing import Final
from zlib import crc32

from analytics.events import Event
from analytics.sections import Section, stored

DAY: Final = 86_400.0
SCALE: Final = 10_000  # money is whole ten-thousandths, so sums are exact
_MOST_MONEY: Final = 2**62  # where sums stop: what eight bytes hold
RECENT_ORDERS: Final = 8
_MAX_CURRENCIES: Final = 6
_ACCOUNT: Final = Struct("<3sqI")
_RECENT: Final = Struct("<dqB")
_MOMENT: Final = Struct("<d")
_RECENT_BYTES: Final = RECENT_ORDERS * _RECENT.size


def bounded(money: int) -> int:
    """A sum of money as it can be stored."""
    return money if -_MOST_MONEY < money < _MOST_MONEY else _MOST_MONEY if money > 0 else -_MOST_MONEY


@dataclass(slots=True)
class Account:
    """One currency: what was spent, returns taken off, and the orders in it."""

    currency: str
    spent: int = 0
    count: int = 0


@dataclass(slots=True)
class Order:
    """A recent order, for the picture beside an alert."""

    at: float
    amount: int
    currency: str


@dataclass(slots=True)
class Orders(Section):
    """Counts and moments in seconds since 1970 (UTC). `gap` is the days between the last two distinct days with an
    order when the latest order opened a new day, else NaN: the first order, a repeat day, a late arrival.
    """

    first_at: float = 0.0
    last_at: float = 0.0
    previous_at: float = 0.0
    gap: float = math.nan
    count: int = 0
    returns: int = 0
    days: int = 0
    late: int = 0
    source: int = 0  # where the latest order came from
    first_day: int = 0
    last_day: int = 0
    accounts: dict[str, Account] = field(default_factory=dict)
    recent_packed: bytes = b""

    def note(self, event: Event) -> None:
        """Counts an order."""
        at, amount = event.time, event.amount
        self.count += 1
        account = self.account(event.currency)
        if account is not None:
            account.spent = bounded(account.spent + amount)
            account.count += 1
        day = int(at // DAY)
        self.gap = math.nan
        if not self.days:
            self.first_at = at
            self.first_day = day
            self.days = 1
        elif day < self.last_day:
            self.late += 1
            return
        elif day > self.last_day:
            self.gap = float(day - self.last_day)
            self.days += 1
        self.last_day = day
        self.previous_at = self.last_at
        if at > self.last_at:
            self.last_at = at
        if account is not None:
            code = list(self.accounts).index(event.currency) if len(self.accounts) > 1 else 0
            self.recent_packed = (self.recent_packed + _RECENT.pack(at, amount, code))[-_RECENT_BYTES:]

    def note_return(self, event: Event) -> None:
        """A return takes from what was spent and is not an order."""
        self.returns += 1
        account = self.account(event.currency)
        if account is not None:
            account.spent = bounded(account.spent - event.amount)

    def account(self, currency: str) -> Account | None:
        """The customer's account in a currency; None where a seventh would make the profile unbounded."""
        found = self.accounts.get(currency)
        if found is None and len(self.accounts) < _MAX_CURRENCIES:
            found = self.accounts[currency] = Account(currency)
        return found

    def main_account(self) -> Account | None:
        """The currency most orders were in."""
        return max(self.accounts.values(), key=lambda account: account.count, default=None)

    @property
    def phase(self) -> int:
        """A number of the customer's own: a sample of many takes one at this time, the next at another."""
        return crc32(_MOMENT.pack(self.first_at))

    def mean_gap_days(self) -> float | None:
        """Mean of the days between distinct days with an order; None before the second such day."""
        return (self.last_day - self.first_day) / (self.days - 1) if self.days > 1 else None

    def recent(self) -> list[Order]:
        """Up to eight, oldest first."""
        codes = list(self.accounts)
        return [Order(at, amount, codes[code]) for at, amount, code in _RECENT.iter_unpack(self.recent_packed)]

    def pack(self) -> bytes:
        head = self.LAYOUT.pack(
            self.first_at,
            self.last_at,
            self.previous_at,
            self.gap,
            self.count,
            self.returns,
            self.days,
            self.late,
            self.source,
            self.first_day,
            self.last_day,
            len(self.accounts),
            len(self.recent_packed),
        )
        accounts = [_ACCOUNT.pack(a.currency.encode(), a.spent, a.count) for a in self.accounts.values()]
        return b"".join((head, *accounts, self.recent_packed))

    @classmethod
    def unpack(cls, packed: bytes) -> "Orders":
        orders = cls(*cls.LAYOUT.unpack_from(packed)[:11])
        at = cls.LAYOUT.size
        end = at + packed[at - 2] * _ACCOUNT.size
        found = (Account(code.decode(), spent, count) for code, spent, count in _ACCOUNT.iter_unpack(packed[at:end]))
        orders.accounts = {account.currency: account for account in found}
        orders.recent_packed = packed[end:]
        return orders

    def merge(self, other: "Orders") -> None:
        """Counts and money add up exactly. Days on which both ordered count twice: the days are not kept."""
        if other.days:
            self._merge_days(other)
        recent = [*self.recent(), *other.recent()]
        self.count += other.count
        self.returns += other.returns
        self.late += other.late
        for theirs in other.accounts.values():
            account = self.account(theirs.currency)
            if account is not None:
                account.spent = bounded(account.spent + theirs.spent)
                account.count += theirs.count
        codes = list(self.accounts)
        kept = sorted((o for o in recent if o.currency in codes), key=lambda order: order.at)[-RECENT_ORDERS:]
        self.recent_packed = b"".join(_RECENT.pack(o.at, o.amount, codes.index(o.currency)) for o in kept)

    def _merge_days(self, other: "Orders") -> None:
        if other.last_at > self.last_at:
            self.source = other.source
        if not self.days:
            self.first_at, self.first_day = other.first_at, other.first_day
        moments = sorted((self.previous_at, self.last_at, other.previous_at, other.last_at))
        self.previous_at, self.last_at = moments[-2:]
        self.first_at, self.first_day = min(self.first_at, other.first_at), min(self.first_day, other.first_day)
        self.last_day = max(self.last_day, other.last_day) if self.days else other.last_day
        self.days += other.days
        self.gap = math.nan


stored(Orders, 1, Struct("<4d5I2iBB"))
