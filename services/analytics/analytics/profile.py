"""What Heed remembers of one customer: packed numbers, at most 1 KiB, and the rules that keep them.

Times are seconds since 1970 (UTC, float); money is whole ten-thousandths of the currency's unit, so sums are exact.
"""

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

DAY = 86_400.0
NEVER = math.inf
RECENT_ORDERS = 8
_MAX_CURRENCIES = 6

_VERSION = 1
_HEAD = struct.Struct("<B5d5I2i2d10dHI4dddIBBB")
_TIMERS = struct.Struct("<4d")
_TIMERS_AT = struct.calcsize("<B5d5I2i2d10dHI")
_IMPORT_AT = struct.calcsize("<B3d")
_MONEY = struct.Struct("<3sqI2dbd")
_ORDER = struct.Struct("<dqB")
_EPISODE = struct.Struct("<BB16sdddH")


@dataclass(slots=True)
class Decayed:
    """A count that halves every `half_life` seconds; `at` is when `value` was right."""

    value: float = 0.0
    at: float = 0.0

    def read(self, now: float, half_life: float) -> float:
        return self.value * 0.5 ** (max(0.0, now - self.at) / half_life) if self.value else 0.0

    def add(self, now: float, half_life: float, amount: float = 1.0) -> None:
        self.value = self.read(now, half_life) + amount
        self.at = max(self.at, now)


@dataclass(slots=True)
class Money:
    """One currency of one customer: what was spent, and the usual order in log units.

    `streak` counts flagged orders in a row (sign: direction), `streak_mean` is their mean log amount.
    """

    currency: str
    spent: int = 0
    count: int = 0
    mean: float = 0.0
    var: float = 0.0
    streak: int = 0
    streak_mean: float = 0.0


@dataclass(slots=True)
class Order:
    """A recent order, for the picture beside an alert."""

    at: float
    amount: int
    currency: str


@dataclass(slots=True)
class Episode:
    """One kind of noticing from raised to cleared. `silent` ones happened in imported history: nobody is told."""

    kind: int
    trigger: bytes
    opened_at: float
    updated_at: float
    score: float
    updates: int = 0
    silent: bool = False


@dataclass(slots=True)
class Profile:
    """One customer. Everything here is learned from the log and nothing else."""

    first_order_at: float = 0.0
    last_order_at: float = 0.0
    last_event_at: float = 0.0
    import_open: float = 0.0
    backfill_until: float = 0.0
    orders: int = 0
    returns: int = 0
    order_days: int = 0
    tickets_total: int = 0
    late: int = 0
    first_day: int = 0
    last_day: int = 0
    gap_mean: float = 0.0
    gap_var: float = 0.0
    web: Decayed = field(default_factory=Decayed)
    opens: Decayed = field(default_factory=Decayed)
    clicks: Decayed = field(default_factory=Decayed)
    tickets: Decayed = field(default_factory=Decayed)
    returned: Decayed = field(default_factory=Decayed)
    open_tickets: int = 0
    gaps: int = 0
    silence_due: float = NEVER
    scoring_due: float = NEVER
    support_due: float = NEVER
    spend_due: float = NEVER
    churn_at: float = 0.0
    churn_risk: float = math.nan
    churn_version: int = 0
    money: dict[str, Money] = field(default_factory=dict)
    recent: list[Order] = field(default_factory=list)
    episodes: dict[int, Episode] = field(default_factory=dict)

    def mean_gap_days(self) -> float | None:
        """Mean of the days between distinct days with an order; None before the second such day."""
        return (self.last_day - self.first_day) / (self.order_days - 1) if self.order_days > 1 else None

    def main_money(self) -> Money | None:
        """The currency most orders were in."""
        return max(self.money.values(), key=lambda m: m.count, default=None)

    def next_due(self) -> float:
        """When the earliest of this customer's timers rings; infinity for none."""
        return min(self.silence_due, self.scoring_due, self.support_due, self.spend_due)


def note_order(profile: Profile, at: float, amount: int, currency: str) -> float | None:
    """Counts an order. Returns the gap in days it closed: None for the first, a repeat day or a late arrival."""
    profile.orders += 1
    money = money_of(profile, currency)
    if money:
        money.spent += amount
    day = math.floor(at / DAY)
    if profile.order_days == 0:
        profile.first_order_at = profile.last_order_at = at
        profile.first_day = profile.last_day = day
        profile.order_days = 1
        gap = None
    elif at < profile.last_order_at and day < profile.last_day:
        profile.late += 1
        return None
    else:
        gap = float(day - profile.last_day) or None
        profile.order_days += gap is not None
        profile.last_day = day
        profile.last_order_at = max(profile.last_order_at, at)
    if money:
        profile.recent = [*profile.recent, Order(at, amount, currency)][-RECENT_ORDERS:]
    return gap


def note_return(profile: Profile, at: float, amount: int, currency: str, half_life: float) -> None:
    """A return takes from what was spent and is not an order."""
    profile.returns += 1
    profile.returned.add(at, half_life)
    money = money_of(profile, currency)
    if money:
        money.spent -= amount


def money_of(profile: Profile, currency: str) -> Money | None:
    """The customer's account in a currency; None where a seventh would make the profile unbounded."""
    if currency not in profile.money:
        if len(profile.money) >= _MAX_CURRENCIES:
            return None
        profile.money[currency] = Money(currency)
    return profile.money[currency]


def pack(profile: Profile) -> bytes:
    """The profile as bytes; the same profile always gives the same bytes."""
    p = profile
    counters = [number for d in (p.web, p.opens, p.clicks, p.tickets, p.returned) for number in (d.value, d.at)]
    head = _HEAD.pack(
        _VERSION,
        p.first_order_at,
        p.last_order_at,
        p.last_event_at,
        p.import_open,
        p.backfill_until,
        p.orders,
        p.returns,
        p.order_days,
        p.tickets_total,
        p.late,
        p.first_day,
        p.last_day,
        p.gap_mean,
        p.gap_var,
        *counters,
        p.open_tickets,
        p.gaps,
        p.silence_due,
        p.scoring_due,
        p.support_due,
        p.spend_due,
        p.churn_at,
        p.churn_risk,
        p.churn_version,
        len(p.money),
        len(p.recent),
        len(p.episodes),
    )
    return b"".join((head, *_pack_parts(p)))


def peek(packed: bytes) -> tuple[float, bool]:
    """The next due moment and whether an import is open, without unpacking the rest."""
    return min(_TIMERS.unpack_from(packed, _TIMERS_AT)), struct.unpack_from("<d", packed, _IMPORT_AT)[0] > 0


def _pack_parts(p: Profile) -> Iterator[bytes]:
    codes = list(p.money)
    for m in p.money.values():
        yield _MONEY.pack(m.currency.encode(), m.spent, m.count, m.mean, m.var, m.streak, m.streak_mean)
    for order in p.recent:
        yield _ORDER.pack(order.at, order.amount, codes.index(order.currency))
    for e in p.episodes.values():
        yield _EPISODE.pack(e.kind, e.silent, e.trigger, e.opened_at, e.updated_at, e.score, e.updates)


def unpack(packed: bytes) -> Profile:
    """The inverse of `pack`. Raises ValueError for a layout this code does not know."""
    if packed[0] != _VERSION:
        raise ValueError(f"profile layout {packed[0]} is not known")
    head = _HEAD.unpack_from(packed)
    counters = [Decayed(head[i], head[i + 1]) for i in range(15, 25, 2)]
    n_money, n_recent, n_episodes = head[34:37]
    at = _HEAD.size
    money = {}
    for _ in range(n_money):
        code, *rest = _MONEY.unpack_from(packed, at)
        money[code.decode()] = Money(code.decode(), *rest)
        at += _MONEY.size
    codes = list(money)
    recent = []
    for _ in range(n_recent):
        moment, amount, index = _ORDER.unpack_from(packed, at)
        recent.append(Order(moment, amount, codes[index]))
        at += _ORDER.size
    episodes = {}
    for _ in range(n_episodes):
        kind, silent, trigger, opened, updated, score, updates = _EPISODE.unpack_from(packed, at)
        episodes[kind] = Episode(kind, trigger, opened, updated, score, updates, bool(silent))
        at += _EPISODE.size
    values: list[Any] = [*head[1:15], *counters, *head[25:34], money, recent, episodes]
    return Profile(*values)
