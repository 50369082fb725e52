"""What comes next for a customer: estimates with the range that holds eight in ten; and live scores in order."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from console.clients.analytics.customers import Estimate, Profile, Score, Window
from console.views.sparkline import amount
from console.views.wording import ago, day_of, money, short_date


@dataclass(frozen=True)
class Tile:
    """`at` is where the estimate lies between `low` and `high`, per cent; None where there is no range.

    `missing` says what evidence is wanting; then nothing else is shown.
    """

    title: str
    value: str = ""
    note: str = ""
    low: str = ""
    high: str = ""
    at: float | None = None
    missing: str = ""


_UNKNOWN = "Known after a first order, once the model has learned enough"


def tiles(profile: Profile, now: datetime, zone: ZoneInfo) -> list[Tile]:
    """Next order, its value, the next twelve months: always all three, known or not."""
    return [
        _moment("Next order", profile.expected_next, now, zone),
        _sum("Next order’s value", profile.expected_value),
        _sum("Next 12 months", profile.year_value),
    ]


def _moment(title: str, window: Window | None, now: datetime, zone: ZoneInfo) -> Tile:
    if window is None or not window.evidence.enough:
        return Tile(title, missing=_wanting(window))
    low, high = window.low or window.at, window.high or window.at
    note = f"was expected {ago(window.at, now)}" if window.at < now else ago(window.at, now)
    at = _between(Decimal((window.at - low).total_seconds()), Decimal((high - low).total_seconds()))
    return Tile(title, short_date(window.at, zone), note, day_of(low, now, zone), day_of(high, now, zone), at)


def _sum(title: str, estimate: Estimate | None) -> Tile:
    if estimate is None or not estimate.evidence.enough:
        return Tile(title, missing=_wanting(estimate))
    value, currency = money(estimate.amount, estimate.currency), estimate.currency
    if estimate.low is None or estimate.high is None:
        return Tile(title, value)
    low, high = amount(estimate.low), amount(estimate.high)
    at = _between(amount(estimate.amount) - low, high - low)
    return Tile(title, value, "", money(low, currency, whole=True), money(high, currency, whole=True), at)


def _between(part: Decimal, whole: Decimal) -> float | None:
    return round(100 * float(min(max(part / whole, Decimal(0)), Decimal(1))), 1) if whole > 0 else None


def _wanting(estimate: Window | Estimate | None) -> str:
    return (estimate.evidence.text if estimate else "") or _UNKNOWN


_LEVELS = {"alarm": 0, "watch": 1, "ok": 2}


def scores(profile: Profile) -> list[Score]:
    """What is out of the usual first, what takes one line last. The segment has a place of its own."""
    shown = [score for score in profile.scores if score.kind != "segment"]
    return sorted(shown, key=lambda one: (one.calm, not one.evidence.enough, _LEVELS.get(one.level, 3)))
