"""What a customer is worth in the next twelve months: the part of the value operator that has to wait for its labels.

Every eight weeks a customer's ledger is kept for a year. Whenever eight more weeks have passed, what was spent in
them (returns taken off) is told to the learner for every ledger that waits: labels of 56 days come early, those of a
year late.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct
from typing import ClassVar, NamedTuple, cast

from analytics.forecasts.year import DAYS, STRETCH, Ledger, YearModel
from analytics.operators.base import NOTHING, Example, Kind, Outcome, World
from analytics.operators.purchase_worth import Worth
from analytics.orders import DAY, SCALE, Orders
from analytics.profile import Profile
from analytics.sections import Section

MODEL = "value_12m"
MIN_EXAMPLES = 200
ROW = Struct("<7d")  # as of, spent by then, the ledger
_PENDING = int(Kind.PURCHASE_VALUE)
_ENOUGH_REACH = 180.0  # days labels have to tell of, for enough evidence


@dataclass(slots=True)
class Stakes(Section):
    """The stretch of eight weeks that runs: when it began and ends, and what had been spent when it began."""

    NUMBER: ClassVar[int] = 52
    LAYOUT: ClassVar[Struct] = Struct("<2dq3s")

    since: float = 0.0
    due: float = 0.0
    spent: int = 0
    currency: bytes = bytes(3)

    def merge(self, other: "Stakes") -> None:
        """Ledgers of two customers cannot be told apart by what both spend from now on: begin anew."""
        self.since = self.due = 0.0
        self.spent, self.currency = 0, bytes(3)


class NextYear(NamedTuple):
    """The next 365 days in units of the currency, returns taken off: expected sum and bounds of 80 %."""

    amount: float
    low: float
    high: float
    currency: str
    enough: bool
    evidence: str


def forecast(profile: Profile, world: World, now: float) -> NextYear | None:
    """None before the first order and while the model has learned too little."""
    worth, adopted = profile.get(Worth), world.models.get(MODEL)
    if worth is None or not worth.orders or adopted is None or adopted.examples < MIN_EXAMPLES:
        return None
    model, currency = cast("YearModel", adopted.model), worth.currency.decode()
    found = model.next_year(_ledger(profile.of(Orders), worth, now), currency)
    if found is None:
        return None
    evidence = f"checked against what was spent within {model.reach:.0f} days"
    return NextYear(*found, currency, model.reach >= _ENOUGH_REACH, evidence)


def told(profile: Profile, now: float) -> Sequence[Outcome]:
    """When a stretch is over: what was spent in it, for every ledger that waits."""
    rows = profile.pending.rows(_PENDING)
    if not rows:
        return NOTHING
    stakes = profile.of(Stakes)
    if now < stakes.due:
        return NOTHING
    worth, spent = profile.of(Worth), _spent(profile)
    if stakes.currency != worth.currency:
        profile.pending.put(_PENDING, b"")  # another currency or a merge: what was kept is nobody's now
        return NOTHING
    kept = list(ROW.iter_unpack(rows))
    lines = [_line(row, stakes, spent, now) for row in kept]
    waiting = [row for row in kept if (now - row[0]) / DAY < DAYS - STRETCH / 2]
    profile.pending.put(_PENDING, b"".join(ROW.pack(*row) for row in waiting))
    data = {"currency": worth.currency.decode(), "lines": lines}
    stakes.since, stakes.due, stakes.spent = now, now + STRETCH * DAY, spent
    return (Example(MODEL, now, data),)


def begun(profile: Profile, now: float) -> None:
    """Keeps the ledger of a moment at which a stretch begins."""
    stakes = profile.of(Stakes)
    if stakes.due > now and stakes.since < now:
        return
    worth = profile.of(Worth)
    if not worth.orders:
        return
    spent = _spent(profile)
    if not profile.pending.rows(_PENDING):
        stakes.since, stakes.due, stakes.spent = now, now + STRETCH * DAY, spent
        stakes.currency = worth.currency
    row = ROW.pack(now, float(spent), *_ledger(profile.of(Orders), worth, now))
    profile.pending.add(_PENDING, row)


def _line(row: tuple[float, ...], stakes: Stakes, spent: int, now: float) -> list[float]:
    """Days from and to, spent in them, spent since the ledger was kept, and the ledger."""
    as_of, before, *ledger = row
    window, whole = (spent - stakes.spent) / SCALE, (spent - before) / SCALE
    return [(stakes.since - as_of) / DAY, (now - as_of) / DAY, window, whole, *ledger]


def _spent(profile: Profile) -> int:
    account = profile.of(Orders).accounts.get(profile.of(Worth).currency.decode())
    return account.spent if account else 0


def _ledger(orders: Orders, worth: Worth, now: float) -> Ledger:
    span, silent = (orders.last_at - orders.first_at) / DAY, (now - orders.last_at) / DAY
    return Ledger(float(worth.orders), worth.total, float(orders.days - 1), max(0.0, span), max(0.0, silent))
