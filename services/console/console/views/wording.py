"""Money, moments and the services' codes in words that people use."""

import math
import re
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime
from babel.numbers import UnknownCurrencyError, format_currency, format_decimal

LOCALE = "en_GB"

WORDS = {
    # what was noticed
    "spend_deviation": "Spend",
    "purchase_silence": "Silence",
    "churn_risk": "Churn risk",
    "support_load": "Support load",
    "standing_query": "Your rule",
    "purchase_frequency": "Order frequency",
    "channel_change": "Channel",
    "basket_mix": "Basket",
    "return_rate": "Returns",
    "web_activity": "Web visits",
    # what is learned
    "links": "Bought together",
    "segments": "Segments",
    "purchase_timing": "Next order: when",
    "purchase_value": "Next order: how much",
    "value_12m": "Next 12 months: how much",
    # how an alert ended
    "contacted": "Contacted",
    "recovered": "Recovered",
    "lost": "Lost",
    "no_action": "No action needed",
    "false_alarm": "False alarm",
    # timeline
    "order": "Order",
    "return": "Return",
    "touchpoint": "Visit",
    "trigger": "Noticed",
    "contact": "Profile",
    # model levels
    "ok": "Normal",
    "watch": "Watch",
    "alarm": "Alarm",
    "unknown": "Not known",
    # identifiers
    "user_id": "Account",
    "loyalty_number": "Loyalty number",
    "anonymous_id": "Browsers",
}


def words(code: str | None) -> str:
    """`false_alarm` → `False alarm`, `favouriteTea` → `Favourite tea`."""
    if not code:
        return "—"
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])|[_-]+", " ", code)
    return WORDS.get(code) or spaced.capitalize()


def money(amount: str | Decimal | None, currency: str | None, *, whole: bool = False) -> str:
    """`£1,204.50`; what is no number is shown as it came."""
    if amount is None:
        return "—"
    try:
        value = Decimal(amount)
        if not currency:
            return format_decimal(value, locale=LOCALE)
        if whole:
            return format_currency(value, currency, "¤#,##0", locale=LOCALE, currency_digits=False)
        return format_currency(value, currency, locale=LOCALE)
    except (InvalidOperation, UnknownCurrencyError, ValueError):
        return f"{amount} {currency or ''}".strip()


def number(value: float | int | None, digits: int = 0) -> str:
    if value is None:
        return "—"
    return f"{value:,.{digits}f}"


def brief(value: float | None) -> str:
    """Three digits that matter: `1,234`, `12.4`, `0.031`."""
    if value is None:
        return "—"
    size = abs(value)
    if not math.isfinite(value) or size >= 100 or value == round(value):
        return f"{value:,.0f}"
    return f"{value:.{2 if size >= 1 else 3}g}" if size < 10 else f"{value:.1f}"


def percent(value: float | None) -> str:
    return "—" if value is None else f"{value * 100:.0f}%"


def ago(moment: datetime, now: datetime) -> str:
    """`just now`, `4 min ago`, `in 3 h`, `12 d ago`. static/time.js says the same."""
    seconds = (now - moment).total_seconds()
    size = abs(seconds)
    if size < 45:
        return "just now"
    for limit, unit, name in ((3570, 60, "min"), (84_600, 3600, "h"), (86_400 * 60, 86_400, "d")):
        if size < limit:
            count = max(1, round(size / unit))
            return f"{count} {name} ago" if seconds > 0 else f"in {count} {name}"
    months = round(size / 86_400 / 30.44)
    text = f"{months} months" if months < 24 else f"{months // 12} years"
    return f"{text} ago" if seconds > 0 else f"in {text}"


def absolute(moment: datetime, zone: ZoneInfo) -> str:
    """`Fri 21 Nov 2026, 14:05 GMT`."""
    local = moment.astimezone(zone)
    return f"{format_datetime(local, 'EEE d MMM y, HH:mm', tzinfo=zone, locale=LOCALE)} {local.tzname()}"


def clock_time(moment: datetime, zone: ZoneInfo) -> str:
    return moment.astimezone(zone).strftime("%H:%M")


def short_date(moment: datetime, zone: ZoneInfo) -> str:
    return format_date(moment.astimezone(zone), "d MMM y", locale=LOCALE)


def day_of(moment: datetime, now: datetime, zone: ZoneInfo) -> str:
    """`9 Nov`, with the year when it is another one."""
    local = moment.astimezone(zone)
    return format_date(local, "d MMM" if local.year == now.astimezone(zone).year else "d MMM y", locale=LOCALE)


def day_heading(moment: datetime, now: datetime, zone: ZoneInfo) -> str:
    """`Today`, `Yesterday`, `Friday 21 November`, with the year when it is another one."""
    day, today = moment.astimezone(zone).date(), now.astimezone(zone).date()
    if day == today:
        return "Today"
    if day == today - timedelta(days=1):
        return "Yesterday"
    return format_date(day, "EEEE d MMMM" if day.year == today.year else "EEEE d MMMM y", locale=LOCALE)


def days(value: float) -> str:
    """`9 days`, `1 day`."""
    count = round(value)
    return f"{count:,} day" if count == 1 else f"{count:,} days"


def initials(name: str) -> str:
    """Two letters for a person: `Ada Byrne` → `AB`."""
    parts = [part for part in name.replace("@", " ").split() if part[0].isalnum()]
    return (parts[0][0] + (parts[-1][0] if len(parts) > 1 else "")).upper() if parts else "?"
