"""How a customer buys, as the numbers that churn is predicted from: fading counts, own gaps, usual basket."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from struct import Struct
from typing import Any, Final

from analytics.activity import Activity
from analytics.events import Event
from analytics.orders import DAY, SCALE, Orders
from analytics.profile import Profile
from analytics.sections import Section, stored

STATE = (
    "recency",  # days since the last order
    "tenure",  # days since the first
    "order_days",  # different days with an order
    "recent_14",  # of those, counted with a half-life of 14 days …
    "recent_28",
    "recent_112",
    "gap_mean",  # of the logarithm of the days between them
    "gap_var",
    "spend",  # mean logarithm of an order's total
    "pieces",  # … of its pieces
    "lines",  # … of its different products
    "web",  # fading counts of what else they do
    "mail",
    "tickets",
    "returns",
)
State = tuple[float, ...]
NEVER_ORDERED: Final = 2.0 * 365.0  # days that stand for no order at all


@dataclass(slots=True)
class Buying(Section):
    """`at` is when the fading counts were right; `armed` says that a rise of the risk would be news."""

    at: float = 0.0
    recent_14: float = 0.0
    recent_28: float = 0.0
    recent_112: float = 0.0
    gap_mean: float = 0.0
    gap_var: float = 0.0
    spend: float = 0.0
    pieces: float = 0.0
    lines: float = 0.0
    gaps: int = 0
    orders: int = 0
    armed: bool = False

    def note(self, event: Event, orders: Orders) -> None:
        """Takes in an order; `orders` has counted it already. A late one teaches what is bought, not when."""
        self.orders += 1
        part = 1.0 / self.orders
        pieces, lines = _basket(event.data)
        self.spend += part * (math.log1p(max(0.0, event.amount / SCALE)) - self.spend)
        self.pieces += part * (math.log1p(pieces) - self.pieces)
        self.lines += part * (math.log1p(lines) - self.lines)
        gap = orders.gap
        if gap == gap:  # not NaN: a new day with an order
            self.gaps += 1
            off = math.log(gap) - self.gap_mean
            self.gap_mean += off / self.gaps
            self.gap_var += (off * off * (self.gaps - 1) / self.gaps - self.gap_var) / self.gaps
            self._count_day(event.time)
        elif self.orders == 1:
            self._count_day(event.time)

    def _count_day(self, at: float) -> None:
        slow, middle, fast = fading((at - self.at) / DAY)
        self.recent_14 = self.recent_14 * fast + 1.0
        self.recent_28 = self.recent_28 * middle + 1.0
        self.recent_112 = self.recent_112 * slow + 1.0
        self.at = at

    def merge(self, other: "Buying") -> None:
        """Counts add up; means and variances are weighted by what they were learned from."""
        latest = max(self.at, other.at)
        mine, theirs = fading((latest - self.at) / DAY), fading((latest - other.at) / DAY)
        self.recent_112 = self.recent_112 * mine[0] + other.recent_112 * theirs[0]
        self.recent_28 = self.recent_28 * mine[1] + other.recent_28 * theirs[1]
        self.recent_14 = self.recent_14 * mine[2] + other.recent_14 * theirs[2]
        self.at = latest
        gaps, orders = self.gaps + other.gaps, self.orders + other.orders
        for name, n, m in (
            ("gap_var", self.gaps, other.gaps),
            ("gap_mean", self.gaps, other.gaps),
            ("spend", self.orders, other.orders),
            ("pieces", self.orders, other.orders),
            ("lines", self.orders, other.orders),
        ):
            if n + m:
                setattr(self, name, math.fsum((getattr(self, name) * n, getattr(other, name) * m)) / (n + m))
        self.gaps, self.orders = gaps, orders
        self.armed = self.armed or other.armed


stored(Buying, 40, Struct("<9d2I?"))


def fading(days: float) -> tuple[float, float, float]:
    """What is left after `days` of counts that halve in 112, 28 and 14 days."""
    slow = math.exp2(days / -112.0) if days > 0.0 else 1.0
    middle = slow * slow
    middle *= middle
    return slow, middle, middle * middle


def state_of(profile: Profile, now: float) -> State:
    """The numbers of STATE at `now`; only what came before is in them."""
    orders, buying, activity = profile.of(Orders), profile.of(Buying), profile.get(Activity)
    slow, middle, fast = fading((now - buying.at) / DAY)
    web = mail = tickets = returns = 0.0
    if activity is not None:
        web, tickets, returns = activity.web_now(now), activity.tickets_now(now), activity.returned_now(now)
        mail = activity.opens_now(now) + 2.0 * activity.clicks_now(now)
    return (
        max(0.0, (now - orders.last_at) / DAY),
        max(0.0, (now - orders.first_at) / DAY),
        float(orders.days),
        buying.recent_14 * fast,
        buying.recent_28 * middle,
        buying.recent_112 * slow,
        buying.gap_mean,
        buying.gap_var,
        buying.spend,
        buying.pieces,
        buying.lines,
        web,
        mail,
        tickets,
        returns,
    )


def recency_of(profile: Profile, now: float) -> tuple[float, float]:
    """Days since the last order, and recent days with an order (half-life 28 days), at `now`."""
    if not profile.of(Orders).days:
        return NEVER_ORDERED, 0.0
    state = state_of(profile, now)
    return state[0], state[4]


def _basket(data: Mapping[str, Any]) -> tuple[float, int]:
    """Pieces and different products of an order; one of one where it does not say."""
    items = data.get("items")
    if not isinstance(items, list) or not items:
        return 1.0, 1
    pieces = 0.0
    for item in items:
        quantity = item.get("quantity", 1) if isinstance(item, dict) else 0
        if isinstance(quantity, (int, float)) and 0 < quantity < 1e9:
            pieces += quantity
    return pieces, len(items)
