"""A customer's story in days, with runs of page views folded into one line."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from zoneinfo import ZoneInfo

from console.clients.contact import Entry
from console.views.wording import day_heading

KINDS = (
    "order", "return", "lead", "touchpoint", "ticket", "message", "alert", "trigger", "journey", "contact", "consent",
)  # fmt: skip


@dataclass(frozen=True)
class Item:
    """One line: an entry, or several page views that followed each other (newest first)."""

    entries: list[Entry]

    @property
    def first(self) -> Entry:
        return self.entries[0]

    @property
    def folded(self) -> bool:
        return len(self.entries) > 1


@dataclass
class Day:
    date: date
    heading: str
    items: list[Item] = field(default_factory=list)


def days(entries: Sequence[Entry], now: datetime, zone: ZoneInfo) -> list[Day]:
    """Entries come newest first and stay so."""
    found: list[Day] = []
    for entry in entries:
        day = entry.time.astimezone(zone).date()
        if not found or found[-1].date != day:
            found.append(Day(day, day_heading(entry.time, now, zone)))
        items = found[-1].items
        if items and _is_view(entry) and _is_view(items[-1].first):
            items[-1].entries.append(entry)
        else:
            items.append(Item([entry]))
    return found


def _is_view(entry: Entry) -> bool:
    return entry.kind == "touchpoint" and entry.data.get("kind") in ("page", "screen")
