"""Which partitions are this process's, and what was learned of their customers.

The claim commits first, so a former owner's late write fails; then the profiles are loaded, one partition after the
other. What this process held before and nobody else took meanwhile is not loaded again.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import asyncpg
import structlog

from analytics import metrics
from analytics.customers import Stored
from analytics.fold import Fold
from analytics.model_store import ModelStore
from analytics.task import FoldFactory, Task
from analytics.writing import Writer
from common.database import Database, is_transient
from common.ids import new_id

log = structlog.get_logger()

T = TypeVar("T")
Offsets = tuple[int, int]  # of a partition: folded and written, told

_OURS = """
SELECT partition, tasks.next_offset, told.next_offset AS told FROM tasks JOIN told USING (partition)
WHERE partition = ANY($1::smallint[]) AND tasks.owner_token = $2 FOR UPDATE
"""
_CLAIM = """
INSERT INTO tasks (partition, owner_token, next_offset) SELECT p, $2, 0 FROM unnest($1::smallint[]) AS p
ON CONFLICT (partition) DO UPDATE SET owner_token = EXCLUDED.owner_token
RETURNING partition, next_offset, state, quiet_until, examples
"""
_CLAIM_TOLD = """
INSERT INTO told (partition, owner_token, next_offset) SELECT p, $2, 0 FROM unnest($1::smallint[]) AS p
ON CONFLICT (partition) DO UPDATE SET owner_token = EXCLUDED.owner_token
RETURNING partition, next_offset
"""
_CUSTOMERS = """
SELECT p.customer, p.packed, e.examples FROM profiles p LEFT JOIN pending_examples e USING (customer, partition)
WHERE p.partition = $1
"""
_CUSTOMERS_AT_ONCE = 2_000  # about as long as folding a small batch: others have their turn in between


class Ownership:
    """One owner, by its token."""

    def __init__(self, database: Database, models: ModelStore, new_fold: FoldFactory) -> None:
        self._database, self._models, self._new_fold = database, models, new_fold
        self._token = new_id()
        self._left: dict[int, Task] = {}
        self.writer = Writer(database, self._token, metrics.CHECKPOINT)
        self.teller = Writer(database, self._token, metrics.TELLING)

    async def close(self) -> None:
        await self.writer.close()
        await self.teller.close()

    def leave(self, tasks: dict[int, Task]) -> None:
        """Of these everything is written; some may come back."""
        self._left |= tasks

    async def take(self, partitions: list[int]) -> AsyncIterator[Task]:
        """Takes partitions over and gives each as soon as it can be folded on, first those that are as they were left.

        Waits while the database is away.
        """
        rows, told, ours = await _lasting(partial(self._claim, partitions))
        # The offsets say it too: where the answer to a claim was lost, ours is what another wrote before it.
        left = {p: task for p, task in self._left.items() if ours.get(p) == (task.written, task.told)}
        self._left = {}
        for task in left.values():
            yield task
        for row in rows:
            if row["partition"] not in left:
                yield await _lasting(partial(self._load, row, told[row["partition"]]))

    async def _claim(self, partitions: list[int]) -> tuple[list[asyncpg.Record], dict[int, int], dict[int, Offsets]]:
        """The tasks' rows, how far each was told, and how far those have come that were this owner's until now."""
        connection: asyncpg.Connection = await self._database.connect()
        try:
            async with connection.transaction():
                before = await connection.fetch(_OURS, partitions, self._token)
                rows = await connection.fetch(_CLAIM, partitions, self._token)
                told = await connection.fetch(_CLAIM_TOLD, partitions, self._token)
        finally:
            await connection.close()
        ours = {row["partition"]: (row["next_offset"], row["told"]) for row in before}
        return rows, {row["partition"]: row["next_offset"] for row in told}, ours

    async def _load(self, row: asyncpg.Record, told: int) -> Task:
        """The task with its customers, and with the models it scores with."""
        fold = self._new_fold(row["partition"], row["state"], row["quiet_until"])
        connection: asyncpg.Connection = await self._database.connect()
        try:
            async with connection.transaction():
                cursor = await connection.cursor(_CUSTOMERS, row["partition"])
                customers = await _some(cursor)
                while customers:
                    following = asyncio.create_task(_some(cursor))
                    await asyncio.sleep(0)  # lets the query go out
                    fold.load(customers)
                    customers = await following
        finally:
            await connection.close()
        if isinstance(fold, Fold):
            for name, version in fold.model_versions.items():
                fold.world.models[name] = await self._models.load(name, version)
        written = row["next_offset"]
        return Task(
            partition=row["partition"],
            fold=fold,
            written=written,
            folded=written,
            told=told,
            quiet_until=row["quiet_until"],
            examples=row["examples"],
        )


async def _some(cursor: Any) -> Sequence[Stored]:
    """The next customers."""
    return list(map(tuple, await cursor.fetch(_CUSTOMERS_AT_ONCE)))


async def _lasting(ask: Callable[[], Awaitable[T]]) -> T:
    while True:
        try:
            return await ask()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            if not is_transient(error):
                raise
            log.warning("taking partitions over waits", error=str(error))
            await asyncio.sleep(0.5)
