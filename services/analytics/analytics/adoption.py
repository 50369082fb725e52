"""Which version of a model tasks score with: said on every partition of the log, so that it is part of the fold."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import asyncpg

from analytics.checkpoint import write_outbox
from analytics.events import MODEL_ADOPTED, MODEL_PUBLISHED, SOURCE, stable_id
from common.envelope import Envelope
from common.topics import PARTITIONS


async def announce(
    connection: asyncpg.Connection, facts_topic: str, models_topic: str, data: Mapping[str, Any], now: datetime
) -> None:
    """Says that a version was published, and has every task adopt it. In the caller's transaction."""
    key = f"{data['model']}:{data['version']}"
    await write_outbox(connection, [(models_topic, _announcement(MODEL_PUBLISHED, key, data, now))])
    await adopt(connection, facts_topic, data, now)


async def adopt(connection: asyncpg.Connection, facts_topic: str, data: Mapping[str, Any], now: datetime) -> None:
    """From this record on, every task scores with the version that `data` names."""
    for partition in range(PARTITIONS):
        adopted = _announcement(MODEL_ADOPTED, "", {**data, "partition": partition}, now)
        await write_outbox(connection, [(facts_topic, adopted)], partition)


def _announcement(type_: str, key: str, data: Mapping[str, Any], now: datetime) -> Envelope:
    id_ = stable_id(type_, now, *data.values())
    return Envelope(type=type_, source=SOURCE, key=key, data=data, time=now, received=now, id=id_)
