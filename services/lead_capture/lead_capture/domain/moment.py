"""When something happened: what the sender says, as far as it can be true."""

from datetime import UTC, datetime, timedelta

_FUTURE = timedelta(hours=24)
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


def parse_moment(value: object) -> datetime:
    """RFC 3339 or ISO 8601 with an offset, in UTC. Raises ValueError."""
    if not isinstance(value, str):
        raise ValueError("a time must be a text like 2026-03-01T09:30:00Z")
    try:
        return checked_moment(datetime.fromisoformat(value))
    except OverflowError:
        raise ValueError("a time outside the calendar") from None


def checked_moment(moment: datetime) -> datetime:
    """In UTC. Raises ValueError for a naive moment or one before 1970, OverflowError outside the calendar."""
    if moment.tzinfo is None:
        raise ValueError("a time without an offset; add Z or +01:00")
    if moment.year >= 9999:  # its conversion may leave the calendar, and it is not meant anyway
        return datetime(9999, 1, 1, tzinfo=UTC)
    moment = moment.astimezone(UTC)
    if moment < _EARLIEST:
        raise ValueError("a time before 1970")
    return moment


def event_time(claimed: datetime | None, received: datetime) -> tuple[datetime, bool]:
    """The time a fact carries, and whether the sender's had to give way: more than a day ahead cannot be."""
    if claimed is None:
        return received, False
    if claimed - received > _FUTURE:
        return received, True
    return claimed, False


def skew_corrected(at: datetime, sent: datetime | None, received: datetime) -> datetime:
    """`at` by our clock: received − (sent − at), as the Segment spec has it. Raises OverflowError."""
    return at if sent is None else received - (sent - at)
