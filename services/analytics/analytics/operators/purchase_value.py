"""What a customer's next order is worth.

Nothing is alerted here. Every order teaches the learner what orders like the customer's earlier ones lead to; what it
publishes says, for any customer and moment, the next order's median and bounds.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct
from typing import ClassVar, NamedTuple

from analytics.events import Event, What
from analytics.forecasts.amounts import AmountModel, Purse
from analytics.operators.base import NOTHING, Example, Kind, Operator, Outcome, Scored, World
from analytics.orders import DAY, SCALE, Orders
from analytics.profile import Profile
from analytics.sections import Section

MODEL = "purchase_value"
MIN_EXAMPLES = 200
MIN_ORDERS = 3  # of the customer's own, for enough evidence
_FADING = 0.2
_ALL, _EVERY = 8, 4  # orders that all teach; after them every fourth, counted four times
_LONGEST = 3_650.0


@dataclass(slots=True)
class Worth(Section):
    """Orders in the customer's main currency: log(1 + amount) as mean, fading mean, last and summed squared deviation;
    the sum of the amounts; `at` is the latest order's moment.
    """

    NUMBER: ClassVar[int] = 51
    LAYOUT: ClassVar[Struct] = Struct("<3sI6d")

    currency: bytes = b""
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

    def merge(self, other: "Worth") -> None:
        """Of two currencies, the one with more orders stays."""
        if self.currency != other.currency:
            if other.orders > self.orders:
                for name in ("currency", "orders", "mean", "fresh", "last", "spread", "total", "at"):
                    setattr(self, name, getattr(other, name))
            return
        share, off = other.orders / (self.orders + other.orders), other.mean - self.mean
        self.spread += other.spread + off * off * share * self.orders
        self.mean += off * share
        self.fresh += (other.fresh - self.fresh) * share
        self.orders += other.orders
        self.total += other.total
        if other.at > self.at:
            self.last, self.at = other.last, other.at


class NextValue(NamedTuple):
    """The next order in units of the currency: median and bounds of 80 %."""

    amount: float
    low: float
    high: float
    currency: str
    enough: bool
    evidence: str


class PurchaseValue(Operator):
    kind = Kind.PURCHASE_VALUE
    takes = frozenset({What.ORDER})
    model = MODEL

    def learn(self, profile: Profile, event: Event, world: World) -> Sequence[Outcome]:
        worth = profile.of(Worth)
        code = event.currency.encode()
        if code != worth.currency:
            if not _takes_over(profile, event.currency, worth):
                return NOTHING
            worth = _begin(worth, code)
        if event.time < worth.at:
            return NOTHING
        amount = event.amount / SCALE
        outcomes = NOTHING
        if worth.orders and (worth.orders < _ALL or not worth.orders % _EVERY):
            outcomes = (_example(worth, event, amount),)
        worth.note(amount, event.time)
        return outcomes

    def weekly(self, profile: Profile, now: float, world: World) -> Sequence[Outcome]:
        found = forecast(profile, world, now)
        if found is None:
            return NOTHING
        amount, low, high, *_ = found
        values = {"expected_value": amount, "expected_value_low": low, "expected_value_high": high}
        return (Scored(values),)


def purse(worth: Worth) -> Purse:
    """What the model asks of a customer."""
    return Purse(worth.orders, worth.mean, worth.fresh, worth.last, worth.spread, worth.total)


def _example(worth: Worth, event: Event, amount: float) -> Example:
    """What the orders so far led to."""
    data = {
        "purse": [*purse(worth)],
        "currency": event.currency,
        "silent": min(_LONGEST, (event.time - worth.at) / DAY),
        "amount": amount,
        "weight": 1 if worth.orders < _ALL else _EVERY,
    }
    return Example(MODEL, event.time, data)


def forecast(profile: Profile, world: World, now: float) -> NextValue | None:
    """The next order, if there is one. None before the first order and while the model has learned too little."""
    worth, adopted = profile.get(Worth), world.models.get(MODEL)
    if worth is None or not worth.orders or adopted is None or adopted.examples < MIN_EXAMPLES:
        return None
    model, currency = adopted.model, worth.currency.decode()
    assert isinstance(model, AmountModel)
    found = model.next_order(purse(worth), currency, min(_LONGEST, max(0.0, (now - worth.at) / DAY)))
    if found is None:
        return None
    enough = worth.orders >= MIN_ORDERS
    evidence = f"{worth.orders} orders" + ("" if enough else f"; {MIN_ORDERS} are needed")
    return NextValue(*found, currency, enough, evidence)


def _takes_over(profile: Profile, currency: str, worth: Worth) -> bool:
    """Whether the customer has come to order more in this currency than in the one that is followed."""
    account = profile.of(Orders).accounts.get(currency)
    return account is not None and (not worth.orders or account.count > worth.orders)


def _begin(worth: Worth, code: bytes) -> Worth:
    """Follows another currency from here on."""
    for name, value in zip(Worth.__slots__, (code, 0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0), strict=True):
        setattr(worth, name, value)
    return worth
