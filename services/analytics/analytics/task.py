"""A task: one partition of the log, owned by this process, with its fold."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import asyncpg

from analytics import metrics
from analytics.checkpoint import Checkpoint, Step
from analytics.customers import Changes
from analytics.events import WIDESPREAD_SILENCE, Event, What, id_text
from analytics.fold import Fold
from analytics.visits import Sifted
from common.database import Database

# Counters that begin at nothing, so that the first of a kind shows as an increase.
_FILTERED = {sifted: metrics.FILTERED.labels(sifted.name.lower()) for sifted in Sifted if not sifted.teaches}


@dataclass(frozen=True)
class Topics:
    """The names of the topics the runtime touches."""

    facts: str
    triggers: str
    examples: str


class Foldable(Protocol):
    """What a task needs of a fold; benchmarks bring their own."""

    @property
    def urgent(self) -> bool: ...

    def load(self, customer: str, packed: bytes, pending: bytes | None) -> None: ...
    def apply(self, event: Event) -> None: ...
    def take_changes(self) -> Changes: ...
    def state(self) -> bytes: ...
    def passes_on(self, event: Event) -> bool: ...
    def __len__(self) -> int: ...


FoldFactory = Callable[[int, bytes | None, int], Foldable]

_CLAIM = """
INSERT INTO tasks (partition, owner_token, next_offset) SELECT p, $2, 0 FROM unnest($1::smallint[]) AS p
ON CONFLICT (partition) DO UPDATE SET owner_token = EXCLUDED.owner_token
RETURNING partition, next_offset, state, quiet_until
"""
_LOAD = """
SELECT p.partition, p.customer, p.packed, e.examples
FROM profiles p LEFT JOIN pending_examples e USING (customer) WHERE p.partition = ANY($1::smallint[])
"""


@dataclass
class Task:
    """`folded` is the offset after the last record applied, `written` that of the last checkpoint begun."""

    partition: int
    fold: Foldable
    written: int
    folded: int
    quiet_until: int = 0
    seen: dict[str, bool] = field(default_factory=dict)

    def apply(self, event: Event) -> None:
        if event.customer and not self.fold.passes_on(event):
            self.seen[id_text(event.id)] = event.what is What.ORDER
        self.fold.apply(event)

    def collect(self, into: Checkpoint, topics: Topics) -> None:
        """Moves this task's dirt into a checkpoint; nothing when no record was folded since the last."""
        if self.folded == self.written:
            return
        changes = self.fold.take_changes()
        into.steps.append(Step(self.partition, self.written, self.folded, self.fold.state()))
        into.profiles.extend((customer, self.partition, packed) for customer, packed in changes.profiles.items())
        into.pending.extend((customer, self.partition, rows) for customer, rows in changes.pending.items())
        into.seen.extend((id_, self.partition, for_good) for id_, for_good in self.seen.items())
        into.triggers.extend(t for t in changes.triggers if t.key)
        into.emitted.extend((topics.triggers, envelope) for envelope in changes.triggers)
        into.emitted.extend((topics.examples, example.envelope()) for example in changes.examples)
        into.emitted.extend((topics.facts, envelope) for envelope in changes.facts)
        _count(changes)
        for sifted, count in changes.sifted.items():
            _FILTERED[sifted].inc(count)
        self.written, self.seen = self.folded, {}


def _count(changes: Changes) -> None:
    """What the metrics say of what was said."""
    metrics.LATE.inc(changes.late)
    for told in changes.triggers:
        if told.type == WIDESPREAD_SILENCE:
            metrics.WIDESPREAD.inc()
        else:
            metrics.TRIGGERS.labels(told.data["kind"], told.type.split(".")[2]).inc()


async def claim(database: Database, token: str, partitions: list[int], new_fold: FoldFactory) -> dict[int, Task]:
    """Takes the partitions over: the claim commits first, so a former owner's late write fails; then loads."""
    connection: asyncpg.Connection = await database.connect()
    try:
        rows = await connection.fetch(_CLAIM, partitions, token)
        tasks = {row["partition"]: _task(row, new_fold) for row in rows}
        async with connection.transaction():
            async for row in connection.cursor(_LOAD, partitions, prefetch=10_000):
                tasks[row["partition"]].fold.load(row["customer"], row["packed"], row["examples"])
    finally:
        await connection.close()
    return tasks


def _task(row: asyncpg.Record, new_fold: FoldFactory) -> Task:
    fold = new_fold(row["partition"], row["state"], row["quiet_until"])
    return Task(row["partition"], fold, row["next_offset"], row["next_offset"], quiet_until=row["quiet_until"])


def analytics_fold(partition: int, state: bytes | None, quiet_until: int) -> Foldable:
    return Fold(partition, state, quiet_until=quiet_until)
