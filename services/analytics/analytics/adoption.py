"""Which version of a model tasks score with: said on every partition of the log, so that it is part of the fold."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from analytics.events import MODEL_ADOPTED, MODEL_PUBLISHED, SOURCE, stable_id
from common.bus import Message
from common.envelope import Envelope
from common.outbox import message_of
from common.topics import PARTITIONS


def published(models_topic: str, data: Mapping[str, Any], now: datetime) -> Message:
    """Says that there is a version: `data` holds model, version, examples and metrics."""
    return message_of(models_topic, _announcement(MODEL_PUBLISHED, f"{data['model']}:{data['version']}", data, now))


def messages(facts_topic: str, data: Mapping[str, Any], now: datetime) -> list[Message]:
    """One for every partition: from this record on, its task scores with the version that `data` names."""
    return [
        message_of(facts_topic, _announcement(MODEL_ADOPTED, "", {**data, "partition": partition}, now), partition)
        for partition in range(PARTITIONS)
    ]


def _announcement(type_: str, key: str, data: Mapping[str, Any], now: datetime) -> Envelope:
    id_ = stable_id(type_, now, *data.values())
    return Envelope(type=type_, source=SOURCE, key=key, data=data, time=now, received=now, id=id_)
