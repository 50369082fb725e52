"""What a customer's next order is worth.

Nothing is alerted here. Every order teaches the learner what orders like the customer's earlier ones lead to; what it
publishes says, for any customer and moment, the next order's median and bounds.
"""

from collections.abc import Sequence
from typing import NamedTuple, cast

from analytics.events import Event, What
from analytics.forecasts.amounts import AmountModel, Purse
from analytics.operators import year_value
from analytics.operators.base import NOTHING, Example, Kind, Operator, Outcome, Scored, World
from analytics.operators.purchase_worth import Worth
from analytics.orders import DAY, SCALE, Orders
from analytics.profile import Profile

MODEL = "purchase_value"
MIN_EXAMPLES = 200
MIN_ORDERS = 3  # of the customer's own, for enough evidence
_ALL, _EVERY = 8, 4  # orders that all teach; after them every fourth, counted four times
_LONGEST = 3_650.0


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
            worth.begin(code)
        if event.time < worth.at:
            return NOTHING
        amount = event.amount / SCALE
        outcomes = NOTHING
        if worth.orders and (worth.orders < _ALL or not worth.orders % _EVERY):
            outcomes = (_example(worth, event, amount),)
        worth.note(amount, event.time)
        return outcomes

    def complete(self, profile: Profile, now: float, world: World) -> Sequence[Outcome]:
        return year_value.told(profile, now)

    def weekly(self, profile: Profile, now: float, world: World) -> Sequence[Outcome]:
        year_value.begun(profile, now)
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
    model, currency = cast("AmountModel", adopted.model), worth.currency.decode()
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
