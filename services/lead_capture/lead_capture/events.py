"""What capture emits, and its own view of what it consumes.

The headers are written by hand because a batch makes thousands of them; the tests hold them against the
`cloudevents` library.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict

from common.bus import Message
from common.clock import rfc3339
from common.envelope import Headers
from lead_capture.domain.captured import LEAD_CAPTURED, ORDER_PLACED, ORDER_RETURNED, TOUCHPOINT_CAPTURED, Captured

SOURCE = "/heed/lead_capture"
CLOCK_TICKED = "heed.clock.ticked.v1"
IMPORT_ENDED = "heed.import.ended.v1"

CONTACT_CREATED = "heed.contact.created.v1"
CONTACT_UPDATED = "heed.contact.updated.v1"
CONTACT_MERGED = "heed.contact.merged.v1"
CONTACT_SEPARATED = "heed.contact.separated.v1"

_SPEC = ("ce_specversion", b"1.0")
_SOURCE = ("ce_source", SOURCE.encode())
_JSON = ("content-type", b"application/json")
_TYPES = {
    name: ("ce_type", name.encode())
    for name in (LEAD_CAPTURED, TOUCHPOINT_CAPTURED, ORDER_PLACED, ORDER_RETURNED, CLOCK_TICKED, IMPORT_ENDED)
}
_MAX_BURIED = 64 * 1024


@dataclass(slots=True)
class Receipt:
    """What all facts of one request share."""

    received: datetime
    request_id: str | None = None
    traceparent: str | None = None
    backfill: datetime | None = None

    def shared_headers(self) -> Headers:
        headers = [("ce_heedreceived", rfc3339(self.received).encode()), _JSON]
        if self.traceparent:
            headers.append(("ce_traceparent", self.traceparent.encode()))
        if self.backfill:
            headers.append(("ce_heedbackfill", rfc3339(self.backfill).encode()))
        return headers


def fact_message(topic: str, captured: Captured, key: str, shared: Headers, correlation: str | None) -> Message:
    """A captured fact as a record of the bus, keyed by the customer."""
    identity = captured.id.encode()
    customer = key.encode()
    headers = [
        _SPEC,
        ("ce_id", identity),
        _SOURCE,
        _TYPES[captured.type],
        ("ce_time", rfc3339(captured.time).encode()),
        ("ce_subject", customer),
        ("ce_partitionkey", customer),
        ("ce_correlationid", correlation.encode() if correlation else identity),
        *shared,
    ]
    return Message(topic, key, orjson.dumps(captured.data), headers)


def partition_message(
    topic: str, partition: int, type_: str, id_: str, data: Mapping[str, Any], now: datetime
) -> Message:
    """A record for one partition that belongs to no customer: a tick, the end of an import."""
    moment, identity = rfc3339(now).encode(), id_.encode()
    headers = [
        _SPEC,
        ("ce_id", identity),
        _SOURCE,
        _TYPES[type_],
        ("ce_time", moment),
        ("ce_correlationid", identity),
        ("ce_heedreceived", moment),
        _JSON,
    ]
    return Message(topic, "", orjson.dumps(data), headers, partition)


def dead_letter(topic: str, group: str, source: str, event: object, reason: str) -> Message:
    """A refused event of a batch, with the source it came from and why; cut when it is huge."""
    headers = [
        ("heed-reason", reason.encode()),
        ("heed-group", group.encode()),
        ("heed-source", source.encode()),
        _JSON,
    ]
    return Message(topic, "", _as_far_as_possible(event), headers)


def _as_far_as_possible(event: object) -> bytes:
    try:
        return orjson.dumps(event)[:_MAX_BURIED]
    except orjson.JSONEncodeError:
        return b"null"  # nested too deeply even for that; the reason says so


class ContactKnown(BaseModel):
    """`heed.contact.created.v1` and `.updated.v1`, as far as capture cares."""

    model_config = ConfigDict(extra="ignore")

    contact: str
    identifiers: dict[str, Sequence[str]]


class ContactMerged(BaseModel):
    """`heed.contact.merged.v1`."""

    model_config = ConfigDict(extra="ignore")

    surviving: str
    losing: str


class ContactSeparated(BaseModel):
    """`heed.contact.separated.v1`: all keys of the losing person are theirs again."""

    model_config = ConfigDict(extra="ignore")

    surviving: str
    losing: str
    keys: Sequence[str]
