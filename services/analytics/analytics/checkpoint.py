"""One transaction: the fence first, then everything that the folds changed, then what they said.

The fence moves `next_offset` only while the owner token is ours and the offset is the expected one; a late write of a
former owner finds zero rows and is rolled back. A commit whose answer was lost is recognised by its offsets.

No commit waits for the disk: what a database that crashed has lost is folded and told again, the same from the log.
The next fence finds that its offset is gone.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import orjson
import structlog

from analytics import metrics
from analytics.events import CLEARED, RAISED
from analytics.teaching import Lesson
from common.clock import parse_rfc3339
from common.database import Database, is_transient
from common.envelope import Envelope
from common.outbox import EMIT, columns, message_of

log = structlog.get_logger()

_BACKOFF_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)

_FENCE = """
UPDATE tasks SET next_offset = v.next, state = v.state, examples = v.examples, updated_at = now()
FROM unnest($1::smallint[], $2::bigint[], $3::bigint[], $4::bytea[], $5::bigint[])
    AS v(partition, expected, next, state, examples)
WHERE tasks.partition = v.partition AND tasks.owner_token = $6 AND tasks.next_offset = v.expected
"""
_DONE = """
SELECT count(*) FROM tasks JOIN unnest($1::smallint[], $2::bigint[]) AS v(partition, next)
ON tasks.partition = v.partition AND tasks.next_offset = v.next WHERE tasks.owner_token = $3
"""
_PROFILES = """
INSERT INTO profiles (customer, partition, packed)
SELECT * FROM unnest($1::text[], $2::smallint[], $3::bytea[])
ON CONFLICT (customer, partition) DO UPDATE SET packed = EXCLUDED.packed
"""
_PENDING = """
INSERT INTO pending_examples (customer, partition, examples)
SELECT * FROM unnest($1::text[], $2::smallint[], $3::bytea[])
ON CONFLICT (customer, partition) DO UPDATE SET examples = EXCLUDED.examples
"""
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


class FencedError(Exception):
    """Somebody else owns a partition now, or what was written of it is gone: this process must drop its state."""


@dataclass
class Step:
    """One partition's part of a checkpoint; `examples` is how many it has told by then."""

    partition: int
    expected: int
    next: int
    state: bytes
    examples: int


@dataclass
class Checkpoint:
    """What is written at once. Profiles and examples are rows (customer, partition, bytes), ids seen (id, partition,
    for good). `examples` are told once all partitions' are together.
    """

    steps: list[Step] = field(default_factory=list)
    profiles: list[tuple[str, int, bytes]] = field(default_factory=list)
    pending: list[tuple[str, int, bytes]] = field(default_factory=list)
    seen: list[tuple[str, int, bool]] = field(default_factory=list)
    emitted: list[tuple[str, Envelope]] = field(default_factory=list)
    examples: list[Lesson] = field(default_factory=list)
    triggers: list[Envelope] = field(default_factory=list)


class Writer:
    """Writes checkpoints of one owner over a connection of its own."""

    def __init__(self, database: Database, token: str) -> None:
        self._database, self._token = database, token
        self._connection: asyncpg.Connection | None = None

    async def write(self, checkpoint: Checkpoint) -> None:
        """Retries what is transient until it is written. Raises FencedError when the partitions are not ours."""
        for attempt in range(1_000_000):
            try:
                await self._attempt(checkpoint)
                return
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
                if not is_transient(error):
                    raise
                pause = _BACKOFF_SECONDS[min(attempt, len(_BACKOFF_SECONDS) - 1)]
                log.warning("checkpoint put off", error=str(error), pause_seconds=pause)
                await self.close()
                await asyncio.sleep(pause)

    async def _attempt(self, checkpoint: Checkpoint) -> None:
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._database.connect(synchronous_commit="off")
        with metrics.CHECKPOINT.time():
            async with self._connection.transaction():
                if await self._fence(self._connection, checkpoint.steps):
                    await _write_all(self._connection, checkpoint)

    async def _fence(self, connection: asyncpg.Connection, steps: Sequence[Step]) -> bool:
        """True to go on; False when this very checkpoint was committed before its answer was lost."""
        partitions, nexts = [s.partition for s in steps], [s.next for s in steps]
        expected, states, examples = zip(*[(s.expected, s.state, s.examples) for s in steps], strict=True)
        status = await connection.execute(_FENCE, partitions, expected, nexts, states, examples, self._token)
        if status == f"UPDATE {len(steps)}":
            return True
        if await connection.fetchval(_DONE, partitions, nexts, self._token) == len(steps):
            return False
        raise FencedError(f"partitions {partitions} belong to another owner now, or the database lost its last commits")

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()


async def _write_all(connection: asyncpg.Connection, checkpoint: Checkpoint) -> None:
    for statement, rows in ((_PROFILES, checkpoint.profiles), (_PENDING, checkpoint.pending)):
        if rows:
            await connection.execute(statement, *map(list, zip(*rows, strict=True)))
    if checkpoint.seen:
        await connection.copy_records_to_table("seen", records=checkpoint.seen, columns=("id", "partition", "forever"))
    if checkpoint.triggers:
        await connection.executemany(_TRIGGER, [_trigger(envelope) for envelope in checkpoint.triggers])
        await connection.executemany(_DECISION, [_decision(envelope) for envelope in checkpoint.triggers])
    if checkpoint.emitted:
        await connection.execute(EMIT, *columns(message_of(topic, told) for topic, told in checkpoint.emitted))


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
