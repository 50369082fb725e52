"""What is said about standing queries: on every partition of the log, so that it is part of the fold."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from analytics.events import SOURCE, stable_id
from common.bus import Message
from common.envelope import Envelope
from common.outbox import message_of
from common.topics import PARTITIONS


def announcements(type_: str, facts_topic: str, data: Mapping[str, Any], now: datetime) -> list[Message]:
    """One record for every partition. `data` holds `query`; said again it has the same ids."""
    return [
        message_of(facts_topic, _envelope(type_, {**data, "partition": partition}, now), partition)
        for partition in range(PARTITIONS)
    ]


def _envelope(type_: str, data: Mapping[str, Any], now: datetime) -> Envelope:
    id_ = stable_id(type_, data["query"], data["partition"])
    return Envelope(type=type_, source=SOURCE, key="", data=data, time=now, received=now, id=id_)
