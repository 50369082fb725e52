"""What analytics takes from the log, in a form quick to fold, and what it emits."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any, Final

import orjson
from uuid_utils import NAMESPACE_URL, uuid5

from common.envelope import Envelope
from common.failures import InvalidError
from common.record import Record

SOURCE: Final = "/heed/analytics"
RAISED, UPDATED, CLEARED = (f"heed.trigger.{action}.v1" for action in ("raised", "updated", "cleared"))
WIDESPREAD_SILENCE: Final = "heed.silence.widespread.v1"
EXAMPLES: Final = "heed.examples.completed.v1"
MODEL_PUBLISHED: Final = "heed.model.published.v1"
MODEL_ADOPTED: Final = "heed.model.adopted.v1"
PROFILE_MERGED: Final = "heed.profile.merged.v1"
PROFILE_RETURNED: Final = "heed.profile.returned.v1"
QUERY_ACTIVATED, QUERY_PRIMED, QUERY_RETIRED = (f"heed.query.{what}.v1" for what in ("activated", "primed", "retired"))

AWAY: Final = -1  # in the place of a decision's number: a fact was sent to whoever it is about, not to a survivor
AHEAD_SECONDS: Final = 300.0  # an event further ahead of its receipt gets the receive time
_UUID = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch
_NAMESPACE = uuid5(NAMESPACE_URL, "heed:analytics")


class What(IntEnum):
    """The facts that teach or move something."""

    ORDER = 1
    RETURN = 2
    TOUCHPOINT = 3
    LEAD = 4
    TICKET_OPENED = 5
    TICKET_STATUS = 6
    MESSAGE_OPENED = 7
    MESSAGE_CLICKED = 8
    TICK = 9
    IMPORT_ENDED = 10
    MODEL_ADOPTED = 11
    CONTACT_MERGED = 12
    PROFILE_MERGED = 13
    QUERY_ACTIVATED = 14
    QUERY_PRIMED = 15
    QUERY_RETIRED = 16
    CONTACT_SEPARATED = 18
    PROFILE_RETURNED = 19
    MESSAGE_SENT = 20
    VISIT = 17  # no type of the log: the touchpoint or lead that opens a visit (visits.py)


_TYPES: dict[bytes, What] = {
    b"heed.order.placed.v1": What.ORDER,
    b"heed.order.returned.v1": What.RETURN,
    b"heed.touchpoint.captured.v1": What.TOUCHPOINT,
    b"heed.lead.captured.v1": What.LEAD,
    b"heed.ticket.opened.v1": What.TICKET_OPENED,
    b"heed.ticket.status_changed.v1": What.TICKET_STATUS,
    b"heed.message.sent.v1": What.MESSAGE_SENT,
    b"heed.message.opened.v1": What.MESSAGE_OPENED,
    b"heed.message.clicked.v1": What.MESSAGE_CLICKED,
    b"heed.clock.ticked.v1": What.TICK,
    b"heed.import.ended.v1": What.IMPORT_ENDED,
    MODEL_ADOPTED.encode(): What.MODEL_ADOPTED,
    b"heed.contact.merged.v1": What.CONTACT_MERGED,
    PROFILE_MERGED.encode(): What.PROFILE_MERGED,
    b"heed.contact.separated.v1": What.CONTACT_SEPARATED,
    PROFILE_RETURNED.encode(): What.PROFILE_RETURNED,
    QUERY_ACTIVATED.encode(): What.QUERY_ACTIVATED,
    QUERY_PRIMED.encode(): What.QUERY_PRIMED,
    QUERY_RETIRED.encode(): What.QUERY_RETIRED,
}
TYPES = {what: name.decode() for name, what in _TYPES.items()}
_PARTITION_WIDE = frozenset(
    {
        What.TICK,
        What.IMPORT_ENDED,
        What.MODEL_ADOPTED,
        What.QUERY_ACTIVATED,
        What.QUERY_PRIMED,
        What.QUERY_RETIRED,
    }
)
# What the fold looks at without asking whether it is there.
_NEEDED: Mapping[What, tuple[str, ...]] = {
    What.CONTACT_MERGED: ("surviving",),
    What.CONTACT_SEPARATED: ("separation", "surviving", "losing", "keys"),
    What.PROFILE_MERGED: ("losing", "profile"),
    What.PROFILE_RETURNED: ("facts", "last"),
}
_WITH_MONEY = frozenset({What.ORDER, What.RETURN})


@dataclass(slots=True)
class Event:
    """One record. Times in seconds since 1970; `amount` in ten-thousandths; `backfill` 0 for live facts. What has the
    `id` "" is known by its offset alone.

    `via` are the keys it was under before, the first one first, where it was passed on: each with the number of the
    last decision that had made them a person of their own (0 for none), or AWAY.
    """

    what: What
    id: str
    customer: str
    time: float
    received: float
    backfill: float = 0.0
    amount: int = 0
    currency: str = ""
    correlation: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    partition: int = -1
    offset: int = -1
    via: Mapping[str, int] = field(default_factory=dict)


def decode(record: Record) -> Event | None:
    """The record as an event; None for a type that teaches nothing. Raises InvalidError with the reason."""
    headers = dict(record.headers)
    what = _TYPES.get(headers.get("ce_type", b""))
    if what is None:
        if "ce_type" not in headers:
            raise InvalidError("missing header ce_type")
        return None
    if record.value is None:
        raise InvalidError("tombstone: a fact has a body")
    try:
        event = _event(what, record.key or b"", headers, record.value)
    except (ValueError, KeyError, TypeError, OverflowError, AttributeError) as error:
        raise InvalidError(f"not as promised: {type(error).__name__} {error}") from error
    event.partition, event.offset = record.partition, record.offset
    return event


def _event(what: What, key: bytes, headers: Mapping[str, bytes], value: bytes) -> Event:
    time = _seconds(headers["ce_time"])
    received = _seconds(headers["ce_heedreceived"]) if "ce_heedreceived" in headers else time
    backfill = headers.get("ce_heedbackfill")
    if not key and what not in _PARTITION_WIDE:
        raise ValueError("no customer key")
    event = Event(
        what,
        headers["ce_id"].decode(),
        key.decode(),
        min(time, received) if time > received + AHEAD_SECONDS else time,
        received,
        _seconds(backfill) if backfill else 0.0,
        correlation=headers.get("ce_correlationid", b"").decode(),
    )
    subject = headers.get("ce_subject")
    if subject and subject != key:
        event.via = dict(map(_hop, subject.decode().split()))
    event.data = orjson.loads(value)
    if not isinstance(event.data, dict):
        raise TypeError("the data of a fact is an object")
    for name in _NEEDED.get(what, ()):
        event.data[name]
    read_money(event)
    return event


def _hop(text: str) -> tuple[str, int]:
    key, _, number = text.partition("@")
    return key, int(number) if number else AWAY


def read_money(event: Event) -> None:
    """Fills in the money of a fact that has some. Raises ValueError and KeyError for what is none."""
    if event.what in _WITH_MONEY:
        event.amount, event.currency = ten_thousandths(event.data["total"]), _currency(event.data["currency"])


def _seconds(text: bytes) -> float:
    return datetime.fromisoformat(text.decode()).timestamp()


def _currency(code: Any) -> str:
    if not (isinstance(code, str) and len(code) == 3 and code.isascii() and code.isupper()):
        raise ValueError(f"{code!r} is not a currency")
    return code


def ten_thousandths(text: Any) -> int:
    """`"12.34"` → 123400. Raises ValueError past four decimals' worth of int64."""
    whole, _, decimals = str(text).partition(".")
    if len(decimals) > 4:
        number = round(float(text) * 10_000)
    else:
        sign = -1 if whole.startswith("-") else 1
        number = int(whole) * 10_000 + sign * int(decimals.ljust(4, "0") or "0")
    if abs(number) >= 2**62:
        raise ValueError(f"{text!r} is too large")
    return number


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def stable_id(*parts: object) -> str:
    """The same id for the same parts: a replay of the log gives the same ids."""
    return str(uuid5(_NAMESPACE, "|".join(map(str, parts))))


def id_text(id_: str) -> str:
    """An event id as the UUID that is kept to know it again."""
    return id_ if _UUID(id_) else str(uuid5(_NAMESPACE, id_))


def emission(
    type_: str,
    key: str,
    data: Mapping[str, Any],
    cause: Event,
    at: float,
    id_: str,
    *,
    via: Mapping[str, int] | None = None,
) -> Envelope:
    """A fact that analytics says because of `cause`; its moments come from the log, never from a clock.

    `via` are the keys that it was under before, where it is passed on.
    """
    way = " ".join(who if number == AWAY else f"{who}@{number}" for who, number in (via or {}).items())
    return Envelope(
        type=type_,
        source=SOURCE,
        key=key,
        subject=way or key or None,
        data=data,
        time=moment(at),
        received=moment(cause.received),
        id=id_,
        correlation_id=cause.correlation or cause.id,
        causation_id=cause.id,
        backfill=moment(cause.backfill) if cause.backfill else None,
    )
