"""The small picture in an alert's row: the last orders, and where the customer left the rhythm."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation

from console.clients.analytics.customers import PastOrder

WIDTH, HEIGHT = 120, 32
_LEFT, _RIGHT, _TOP, _BASE = 3.0, 117.0, 4.0, 28.0
_SILENT_KINDS = ("purchase_silence", "churn_risk")


@dataclass(frozen=True)
class Bar:
    x: float
    y: float
    marked: bool


@dataclass(frozen=True)
class Gap:
    """The silence since the last order, up to the moment of the alert."""

    start: float
    end: float


@dataclass(frozen=True)
class Spark:
    bars: list[Bar]
    gap: Gap | None
    base: float
    said: str


def spark(orders: Sequence[PastOrder], kind: str, noticed_at: datetime) -> Spark | None:
    """None when there is no order to draw. Bars are as far apart as the orders were."""
    placed = sorted((order for order in orders if order.at <= noticed_at), key=lambda order: order.at)
    if not placed:
        return None
    silent = kind in _SILENT_KINDS
    first, last = placed[0].at, placed[-1].at
    span = ((noticed_at if silent else last) - first).total_seconds() or 1.0
    highest = max(amount(order.total) for order in placed) or Decimal(1)

    def x(moment: datetime) -> float:
        share = (moment - first).total_seconds() / span if len(placed) > 1 or silent else 0.5
        return round(_LEFT + share * (_RIGHT - _LEFT), 1)

    def y(order: PastOrder) -> float:
        return round(_BASE - float(max(amount(order.total), Decimal(0)) / highest) * (_BASE - _TOP), 1)

    marks_last = kind == "spend_deviation"
    bars = [Bar(x(order.at), y(order), marks_last and order is placed[-1]) for order in placed]
    gap = Gap(bars[-1].x, _RIGHT) if silent and _RIGHT - bars[-1].x > 4 else None
    return Spark(bars, gap, _BASE, _said(placed, silent, noticed_at))


def amount(text: str) -> Decimal:
    """A decimal string, and nought for what is none."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        return Decimal(0)
    return value if value.is_finite() else Decimal(0)


def _said(placed: Sequence[PastOrder], silent: bool, noticed_at: datetime) -> str:
    count = f"The last {len(placed)} orders" if len(placed) > 1 else "One order"
    if silent:
        return f"{count}, then {(noticed_at - placed[-1].at).days} days of silence"
    return f"{count}, up to the moment of the alert"
