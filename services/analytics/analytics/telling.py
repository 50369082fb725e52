"""Triggers on their way to people, ahead of the checkpoint they belong to: no alert waits for the profiles' pages.

A partition's `told` offset moves with them. Whoever folds on from the last checkpoint comes to the same triggers again
and leaves those out that were told: all because of records before `told`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import orjson

from analytics.events import CLEARED, RAISED
from analytics.writing import Fence
from common.clock import parse_rfc3339
from common.envelope import Envelope
from common.outbox import message_of, put_by

_FENCE = Fence(
    """
    UPDATE told SET next_offset = v.next
    FROM unnest($2::smallint[], $3::bigint[], $4::bigint[]) AS v(partition, next, expected)
    WHERE told.partition = v.partition AND told.owner_token = $1 AND told.next_offset = v.expected
    """,
    """
    SELECT count(*) FROM told JOIN unnest($2::smallint[], $3::bigint[]) AS v(partition, next)
    ON told.partition = v.partition AND told.next_offset = v.next WHERE told.owner_token = $1
    """,
)
_TRIGGER = """
INSERT INTO triggers (id, customer, kind, open, opened_at, updated_at, cleared_at, data)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (id) DO UPDATE SET open = EXCLUDED.open, updated_at = EXCLUDED.updated_at,
    cleared_at = EXCLUDED.cleared_at, data = triggers.data || EXCLUDED.data
"""
_DECISION = """
INSERT INTO decisions (id, trigger, action, customer, kind, partition, log_offset, time, data)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING
"""


@dataclass
class Telling:
    """Steps of triggers, for one topic. `places` are (partition, the offset it is told up to now, the one before)."""

    topic: str
    places: list[tuple[int, int, int]] = field(default_factory=list)
    triggers: list[Envelope] = field(default_factory=list)

    async def fence(self, connection: asyncpg.Connection, token: str) -> bool:
        """As `Fence.passed`."""
        return await _FENCE.passed(connection, token, *map(list, zip(*self.places, strict=True)))

    async def write(self, connection: asyncpg.Connection) -> Iterable[str]:
        """All but the offsets. A system's alarm is nobody's trigger: it is only published."""
        if decided := [envelope for envelope in self.triggers if envelope.key]:
            await connection.executemany(_TRIGGER, map(_trigger, decided))
            await connection.executemany(_DECISION, map(_decision, decided))
        return await put_by(connection, [message_of(self.topic, envelope) for envelope in self.triggers])


def _trigger(envelope: Envelope) -> tuple[Any, ...]:
    data = dict(envelope.data)
    cleared = envelope.type == CLEARED
    if cleared:
        data = {"cleared_because": data["sentence"]}
    opened_at = parse_rfc3339(envelope.data["opened_at"]) if envelope.type != RAISED else envelope.time
    return (
        envelope.data["trigger"],
        envelope.key,
        envelope.data["kind"],
        not cleared,
        opened_at,
        envelope.time,
        envelope.time if cleared else None,
        orjson.dumps(data).decode(),
    )


def _decision(envelope: Envelope) -> tuple[Any, ...]:
    data = envelope.data
    place = (data["log"]["partition"], data["log"]["offset"])
    action, told = envelope.type.split(".")[2], orjson.dumps(data).decode()
    return (envelope.id, data["trigger"], action, envelope.key, data["kind"], *place, envelope.time, told)
