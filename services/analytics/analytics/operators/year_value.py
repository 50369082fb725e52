"""What a customer is worth in the next twelve months: the part of the value operator that has to wait for its labels.

Every eight weeks a customer's ledger is kept for a year. Whenever eight more weeks have passed, what was spent in
them (returns taken off) is told to the learner for every ledger that waits: labels of 56 days come early, those of a
year late.
"""

from collections.abc import Sequence
from struct import Struct
from typing import Final, NamedTuple, cast

from analytics.forecasts.year import DAYS, STRETCH, Ledger, YearModel
from analytics.operators.base import NOTHING, Example, Kind, Outcome, World
from analytics.operators.purchase_habits import account_of
from analytics.orders import DAY, SCALE, Account, Orders
from analytics.profile import Profile

MODEL: Final = "value_12m"
MIN_EXAMPLES: Final = 200
ROW: Final = Struct("<7d")  # as of, spent by then, the ledger; the first is the stretch: since, spent by then, currency
_PENDING: Final = int(Kind.PURCHASE_VALUE)
_ENOUGH_REACH: Final = 180.0  # days labels have to tell of, for enough evidence


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
    account, adopted = account_of(profile), world.models.get(MODEL)
    if account is None or adopted is None or adopted.examples < MIN_EXAMPLES:
        return None
    model = cast("YearModel", adopted.model)
    found = model.next_year(_ledger(profile.of(Orders), account, now), account.currency)
    if found is None:
        return None
    evidence = f"checked against what was spent within {model.reach:.0f} days"
    return NextYear(*found, account.currency, model.reach >= _ENOUGH_REACH, evidence)


def told(profile: Profile, now: float) -> Sequence[Outcome]:
    """When a stretch is over: what was spent in it, for every ledger that waits."""
    kept = [*ROW.iter_unpack(profile.pending.rows(_PENDING))]
    if not kept or now < kept[0][0] + STRETCH * DAY:
        return NOTHING
    account = account_of(profile)
    (since, before, code, *_), *ledgers = kept
    if account is None or code != _code(account):
        forget(profile)
        return NOTHING
    lines = [_line(row, since, before, float(account.spent), now) for row in ledgers]
    waiting = [row for row in ledgers if (now - row[0]) / DAY < DAYS - STRETCH / 2]
    if waiting:
        _keep(profile, account, now, waiting)
    else:
        forget(profile)
    return (Example(MODEL, now, {"currency": account.currency, "lines": lines}),)


def begun(profile: Profile, now: float) -> None:
    """Keeps the ledger of a moment at which a stretch begins."""
    rows = profile.pending.rows(_PENDING)
    if rows and ROW.unpack_from(rows)[0] != now:
        return
    account = account_of(profile)
    if account is not None:
        ledger = (now, float(account.spent), *_ledger(profile.of(Orders), account, now))
        _keep(profile, account, now, [*[*ROW.iter_unpack(rows)][1:], ledger])


def forget(profile: Profile) -> None:
    """What was kept is nobody's: another currency, or a merge of two customers."""
    if profile.pending.rows(_PENDING):
        profile.pending.put(_PENDING, b"")


def _keep(profile: Profile, account: Account, now: float, ledgers: Sequence[tuple[float, ...]]) -> None:
    """A stretch that begins now, and the ledgers that wait for its end."""
    stretch = (now, float(account.spent), _code(account), 0.0, 0.0, 0.0, 0.0)
    profile.pending.put(_PENDING, b"".join(ROW.pack(*row) for row in (stretch, *ledgers)))


def _code(account: Account) -> float:
    return float(int.from_bytes(account.currency.encode()))


def _line(row: tuple[float, ...], since: float, before: float, spent: float, now: float) -> list[float]:
    """Days from and to, spent in them, spent since the ledger was kept, and the ledger."""
    as_of, at_first, *ledger = row
    window, whole = (spent - before) / SCALE, (spent - at_first) / SCALE
    return [(since - as_of) / DAY, (now - as_of) / DAY, window, whole, *ledger]


def _ledger(orders: Orders, account: Account, now: float) -> Ledger:
    span, silent = (orders.last_at - orders.first_at) / DAY, (now - orders.last_at) / DAY
    total = max(0.0, account.spent / SCALE)
    return Ledger(float(account.count), total, float(orders.days - 1), max(0.0, span), max(0.0, silent))
