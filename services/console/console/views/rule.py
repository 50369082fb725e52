"""Rules of standing queries: the place of what is wrong, what a trial found, examples to begin with."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from console.clients.analytics.queries import DryRun, Position
from console.views.wording import short_date

_BEFORE, _AFTER = 26, 22  # characters round the place: what a phone has room for
DAYS = (7, 30, 90, 365)
_MOST_BARS = 120

EXAMPLES = (
    ("Big week, and something is wrong", "sum(order.total) over 7d > 3 * mean over 90d and tickets.open > 0"),
    ("Asked, and never ordered", "no(order) over 21d after lead"),
    ("Overdue and at risk", "days_since(order) > 2 * orders.gap and churn.risk > 70%"),
    (
        "Basket left behind",
        'count(touchpoint where name = "Added to cart") over 1d >= 3 and no(order) over 1d then quiet for 7d',
    ),
    ("Looks round more than usual", "count(visit) over 7d > 2 * mean over 60d and no(order) over 7d"),
    ("Begins to send things back", "count(return) over 30d >= 2 and orders.count >= 4"),
    ("New channel", "distinct(order.channel) over 30d > 1 and orders.count >= 5"),
)


def cleaned(text: str) -> str:
    """A rule as its author counts it: browsers send line ends as two characters."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


@dataclass(frozen=True)
class Excerpt:
    """A line of a rule round the place of an error. `at` is what stands there; `indent` as many blanks as the place
    is in from the left.
    """

    before: str
    at: str
    after: str
    indent: str
    line: int
    column: int
    offset: int


def excerpt(rule: str, position: Position) -> Excerpt:
    """Never fails, wherever the place is said to be."""
    offset = min(max(position.offset, 0), len(rule))
    start = rule.rfind("\n", 0, offset) + 1
    end = rule.find("\n", offset)
    line = rule[start : end if end >= 0 else len(rule)]
    column = offset - start
    length = len(_word(line[column:]))
    before, after = line[:column], line[column + length :]
    before = f"…{before[-_BEFORE:]}" if len(before) > _BEFORE + 1 else before
    after = f"{after[:_AFTER]}…" if len(after) > _AFTER + 1 else after
    at = line[column : column + length]
    return Excerpt(before, at, after, " " * len(before), position.line, position.column, offset)


def _word(text: str) -> str:
    """What stands at the beginning of `text`: a word, a number or one sign; nothing at the end of a line."""
    for length, sign in enumerate(text):
        if not (sign.isalnum() or sign in "._"):
            return text[: max(length, 1)]
    return text


@dataclass(frozen=True)
class Bar:
    """A day (or several) of a trial, in per cent of the width and height."""

    x: float
    width: float
    y: float
    height: float
    said: str


def firings(trial: DryRun, zone: ZoneInfo) -> list[Bar]:
    """How often the rule would have fired, by day; empty where not all firings are known."""
    if not trial.items or trial.fired > len(trial.items) or trial.since is None or trial.until is None:
        return []
    first, last = trial.since.astimezone(zone).date(), trial.until.astimezone(zone).date()
    days = (last - first).days + 1
    step = -(-days // _MOST_BARS)
    counts = Counter((item.time.astimezone(zone).date() - first).days // step for item in trial.items)
    most, slots = max(counts.values()), -(-days // step)
    return [_bar(place, count, most, slots, first + timedelta(days=place * step)) for place, count in _placed(counts)]


def _placed(counts: Counter[int]) -> Sequence[tuple[int, int]]:
    return sorted((place, count) for place, count in counts.items() if place >= 0)


def _bar(place: int, count: int, most: int, slots: int, day: date) -> Bar:
    width, height = 100 / slots, 100 * count / most
    return Bar(
        round(place * width, 2),
        round(width * 0.8, 2),
        round(100 - height, 1),
        round(height, 1),
        f"{day.day} {day:%b %Y}: {count}",
    )


def span(trial: DryRun, zone: ZoneInfo) -> tuple[str, str] | None:
    """The first and the last day of a trial."""
    if trial.since is None or trial.until is None:
        return None
    return short_date(trial.since, zone), short_date(trial.until, zone)
