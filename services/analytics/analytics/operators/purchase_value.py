"""What a customer's next order is worth.

Nothing is alerted here. Every order teaches the learner what orders like the customer's earlier ones lead to; what it
publishes says, for any customer and moment, the next order's median and bounds.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple, cast

from analytics.events import Event, What
from analytics.forecasts.amounts import AmountModel, Purse
from analytics.operators import year_value
from analytics.operators.base import NOTHING, Example, Kind, Operator, Outcome, Scored, World
from analytics.operators.purchase_habits import Habits, account_of, teaching_weight
from analytics.orders import DAY, SCALE, Account, Orders
from analytics.profile import Profile

MODEL: Final = "purchase_value"
MIN_EXAMPLES: Final = 200
MIN_ORDERS: Final = 3  # of the customer's own, for enough evidence
_LONGEST: Final = 3_650.0


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
        orders, habits = profile.of(Orders), profile.of(Habits)
        account = orders.accounts.get(event.currency)
        if account is None or event.time // DAY < orders.last_day:
            return NOTHING
        code = event.currency.encode()
        if code != habits.currency or not habits.orders:
            if habits.orders >= account.count:
                return NOTHING
            habits.follow(code)
        outcomes, weight = NOTHING, teaching_weight(habits.orders, orders.phase)
        if habits.orders and weight:
            before = Account(account.currency, account.spent - event.amount, account.count - 1)
            outcomes = (_example(habits.purse(before), event, orders.previous_at, weight),)
        habits.note_amount(event.amount / SCALE)
        return outcomes

    def merged(self, profile: Profile, world: World) -> None:
        year_value.forget(profile)

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


def _example(purse: Purse, event: Event, last_at: float, weight: int) -> Example:
    """What the orders so far led to."""
    data = {
        "purse": [*purse],
        "currency": event.currency,
        "silent": min(_LONGEST, max(0.0, (event.time - last_at) / DAY)),
        "amount": event.amount / SCALE,
        "weight": weight,
    }
    return Example(MODEL, event.time, data)


def forecast(profile: Profile, world: World, now: float) -> NextValue | None:
    """The next order, if there is one. None before the first order and while the model has learned too little."""
    account, adopted = account_of(profile), world.models.get(MODEL)
    if account is None or adopted is None or adopted.examples < MIN_EXAMPLES:
        return None
    habits, silent = profile.of(Habits), min(_LONGEST, max(0.0, (now - profile.of(Orders).last_at) / DAY))
    found = cast("AmountModel", adopted.model).next_order(habits.purse(account), account.currency, silent)
    if found is None:
        return None
    enough = habits.orders >= MIN_ORDERS
    evidence = f"{habits.orders} orders" + ("" if enough else f"; {MIN_ORDERS} are needed")
    return NextValue(*found, account.currency, enough, evidence)
