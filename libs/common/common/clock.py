"""Time as a part that can be swapped: pure rules take moments, the edge asks a clock."""

from datetime import UTC, datetime, timedelta
from typing import Protocol

import orjson


class Clock(Protocol):
    """Tells the present moment, aware and in UTC."""

    def now(self) -> datetime: ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class FakeClock:
    """A clock that moves when told to."""

    def __init__(self, start: datetime) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> None:
        self._now += by


def rfc3339(moment: datetime) -> str:
    """`2026-03-01T09:30:00.123456Z`; the moment must be aware."""
    if moment.tzinfo is not UTC:
        if moment.tzinfo is None:
            raise ValueError("a naive moment has no place on the bus")
        moment = moment.astimezone(UTC)
    # As `isoformat`, at a sixth of its cost: each fact has two.
    return orjson.dumps(moment, option=orjson.OPT_UTC_Z)[1:-1].decode()


def parse_rfc3339(text: str) -> datetime:
    """Raises ValueError for anything that is not a moment with an offset."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no offset")
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{text!r} is out of range") from error
