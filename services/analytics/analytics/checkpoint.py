"""What the folds changed, and the facts and examples they said: written at once, after the triggers that were told."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import asyncpg

from analytics.teaching import Lesson
from analytics.writing import Fence
from common.envelope import Envelope
from common.outbox import message_of, put_by

_FENCE = Fence(
    """
    UPDATE tasks SET next_offset = v.next, state = v.state, examples = v.examples, updated_at = now()
    FROM unnest($2::smallint[], $3::bigint[], $4::bigint[], $5::bytea[], $6::bigint[])
        AS v(partition, next, expected, state, examples)
    WHERE tasks.partition = v.partition AND tasks.owner_token = $1 AND tasks.next_offset = v.expected
    """,
    """
    SELECT count(*) FROM tasks JOIN unnest($2::smallint[], $3::bigint[]) AS v(partition, next)
    ON tasks.partition = v.partition AND tasks.next_offset = v.next WHERE tasks.owner_token = $1
    """,
)
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


@dataclass
class Step:
    """One partition's part of a checkpoint; `examples` is how many it has completed by then."""

    partition: int
    expected: int
    next: int
    state: bytes
    examples: int


@dataclass
class Checkpoint:
    """What is written at once. Profiles and examples are rows (customer, partition, bytes), ids seen (id, partition,
    for good). `examples` are emitted once all partitions' are together.
    """

    steps: list[Step] = field(default_factory=list)
    profiles: list[tuple[str, int, bytes]] = field(default_factory=list)
    pending: list[tuple[str, int, bytes]] = field(default_factory=list)
    seen: list[tuple[str, int, bool]] = field(default_factory=list)
    emitted: list[tuple[str, Envelope]] = field(default_factory=list)
    examples: list[Lesson] = field(default_factory=list)

    async def fence(self, connection: asyncpg.Connection, token: str) -> bool:
        """As `Fence.passed`."""
        rows = [(s.partition, s.next, s.expected, s.state, s.examples) for s in self.steps]
        return await _FENCE.passed(connection, token, *map(list, zip(*rows, strict=True)))

    async def write(self, connection: asyncpg.Connection) -> Iterable[str]:
        """All but the offsets."""
        for statement, rows in ((_PROFILES, self.profiles), (_PENDING, self.pending)):
            if rows:
                await connection.execute(statement, *map(list, zip(*rows, strict=True)))
        if self.seen:
            await connection.copy_records_to_table("seen", records=self.seen, columns=("id", "partition", "forever"))
        return await put_by(connection, [message_of(topic, said) for topic, said in self.emitted])
