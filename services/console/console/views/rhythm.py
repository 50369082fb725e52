"""The chart on a customer's page: orders over time, the usual band, and where the customer left it.

Horizontal places are per cent of the width and vertical ones pixels, so that the picture fills any screen
while its letters keep their size.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from console.clients.analytics.customers import Profile, Window
from console.clients.contact import Entry
from console.views.sparkline import amount
from console.views.wording import days, money, short_date

TOP, BASE, HEIGHT = 14.0, 150.0, 176.0
_MOST_ORDERS = 40
_LONGEST_DAYS = 36_500


@dataclass(frozen=True)
class Order:
    id: str
    at: datetime
    total: Decimal
    currency: str


@dataclass(frozen=True)
class Mark:
    x: float
    y: float
    tone: str  # `bad` or `good` when it was noticed as unusual, else empty
    date: str
    observed: str
    expected: str


@dataclass(frozen=True)
class Label:
    at: float
    text: str


@dataclass(frozen=True)
class Range:
    start: float
    size: float
    text: str


@dataclass(frozen=True)
class Chart:
    marks: list[Mark]
    usual: Range | None
    awaited: Range | None
    silence: Range | None
    last: float
    now: float
    dates: list[Label]
    amounts: list[Label]
    said: str
    left_out: int


def orders_of(entries: Sequence[Entry], currency: str | None) -> list[Order]:
    """Orders in one currency, oldest first: sums of different money have no common axis."""
    found = [_order(entry) for entry in entries if entry.kind == "order"]
    known = [order for order in found if order is not None]
    if known and not currency:
        currency = known[0].currency
    return sorted((order for order in known if order.currency == currency), key=lambda order: order.at)


def _order(entry: Entry) -> Order | None:
    total, currency = entry.data.get("total"), entry.data.get("currency")
    if total is None or not isinstance(currency, str):
        return None
    return Order(entry.id, entry.time, max(amount(str(total)), Decimal(0)), currency)


class Axes:
    """From moments to per cent and from money to pixels."""

    def __init__(self, start: datetime, end: datetime, highest: Decimal) -> None:
        pad = (end - start) * 0.03 or timedelta(days=1)
        self.start, self.end = start - pad, end + pad
        self.highest = highest or Decimal(1)

    def x(self, moment: datetime) -> float:
        share = (moment - self.start) / (self.end - self.start)
        return round(min(max(share, 0.0), 1.0) * 100, 2)

    def y(self, value: Decimal) -> float:
        return round(BASE - float(value / self.highest) * (BASE - TOP), 1)

    def across(self, first: datetime, last: datetime, text: str) -> Range:
        return Range(self.x(first), round(max(self.x(last) - self.x(first), 0.3), 2), text)


def chart(all_orders: Sequence[Order], profile: Profile | None, now: datetime, zone: ZoneInfo) -> Chart | None:
    """None when there is nothing to draw."""
    orders = list(all_orders[-_MOST_ORDERS:])
    if not orders:
        return None
    band = profile.usual_spend if profile else None
    high = amount(band.high) if band and band.high else Decimal(0)
    expected = profile.expected_next if profile else None
    awaited = expected if expected and expected.evidence.enough else None
    due = (awaited.high or awaited.at) if awaited else None
    overdue = _overdue_since(profile, orders[-1].at) or due
    highest = max([high, *(order.total for order in orders)]) * Decimal("1.12")
    axes = Axes(orders[0].at, max(now, due) if due else now, highest)
    currency = orders[-1].currency
    return Chart(
        marks=_marks(orders, profile, axes, zone),
        usual=_usual(profile, axes, currency),
        awaited=_awaited(awaited, axes, zone),
        silence=axes.across(overdue, now, _silent(orders[-1].at, now)) if overdue and now > overdue else None,
        last=axes.x(orders[-1].at),
        now=axes.x(now),
        dates=_dates(axes, zone),
        amounts=_amounts(axes, currency),
        said=_said(orders, profile, now),
        left_out=len(all_orders) - len(orders),
    )


def _overdue_since(profile: Profile | None, last: datetime) -> datetime | None:
    """When the next order should have come, of somebody whose silence was noticed."""
    noticed = (t for t in profile.open_triggers if t.kind == "purchase_silence") if profile else ()
    for trigger in noticed:
        usual = trigger.expected
        if usual and usual.unit == "days" and usual.value and 0 < usual.value < _LONGEST_DAYS:
            return last + timedelta(days=usual.value)
    return None


def _marks(orders: Sequence[Order], profile: Profile | None, axes: Axes, zone: ZoneInfo) -> list[Mark]:
    flagged = _flagged(profile)
    before: Order | None = None
    marks = []
    for order in orders:
        gap = (order.at - before.at).total_seconds() / 86_400 if before else None
        observed = money(order.total, order.currency) + (f", {days(gap)} after the one before" if gap else "")
        tone = flagged.get(order.id, "")
        x, y = axes.x(order.at), axes.y(order.total)
        marks.append(Mark(x, y, tone, short_date(order.at, zone), observed, _expected(profile)))
        before = order
    return marks


def _flagged(profile: Profile | None) -> dict[str, str]:
    deviations = (t for t in profile.open_triggers if t.kind == "spend_deviation") if profile else ()
    return {event: trigger.direction for trigger in deviations for event in trigger.event_ids}


def _expected(profile: Profile | None) -> str:
    if profile is None or profile.usual_spend is None:
        return "not enough orders to say"
    band = profile.usual_spend
    low, high = (money(end, band.currency, whole=True) for end in (band.low, band.high))
    text = f"{low} to {high}" if band.low and band.high else f"about {money(band.amount, band.currency, whole=True)}"
    return text + (f", every {days(profile.mean_gap_days)}" if profile.mean_gap_days else "")


def _usual(profile: Profile | None, axes: Axes, currency: str) -> Range | None:
    band = profile.usual_spend if profile else None
    if band is None or band.low is None or band.high is None or band.currency != currency:
        return None
    low, high = axes.y(max(amount(band.low), Decimal(0))), axes.y(amount(band.high))
    text = f"Usually {money(band.low, currency, whole=True)}–{money(band.high, currency, whole=True)}"
    return Range(high, max(low - high, 2.0), text)


def _awaited(window: Window | None, axes: Axes, zone: ZoneInfo) -> Range | None:
    if window is None:
        return None
    text = f"Next order expected about {short_date(window.at, zone)}"
    return axes.across(window.low or window.at, window.high or window.at, text)


def _silent(last: datetime, now: datetime) -> str:
    return f"silent for {days((now - last).total_seconds() / 86_400)}"


def _dates(axes: Axes, zone: ZoneInfo) -> list[Label]:
    step = (axes.end - axes.start) / 5
    moments = [axes.start + step * (place + 0.5) for place in range(5)]
    return [Label(axes.x(moment), short_date(moment, zone)) for moment in moments]


def _amounts(axes: Axes, currency: str) -> list[Label]:
    half = _round_number(axes.highest / 2)
    values = [value for value in (half, half * 2) if value <= axes.highest and value > 0]
    return [Label(axes.y(value), money(value, currency, whole=True)) for value in values]


def _round_number(value: Decimal) -> Decimal:
    """The largest of 1, 2, 2.5 or 5 times a power of ten that is not above `value`."""
    power = Decimal(10) ** value.adjusted()
    return max(step * power for step in map(Decimal, ("1", "2", "2.5", "5")) if step * power <= value)


def _said(orders: Sequence[Order], profile: Profile | None, now: datetime) -> str:
    mean = profile.mean_gap_days if profile else None
    gap = f"Orders every {days(mean)}" if mean else f"{len(orders)} orders"
    return f"{gap}; {_silent(orders[-1].at, now)}. Expected: {_expected(profile)}."
