"""What the folds said and changed on its way out, while the loop goes on folding.

Triggers are told at once, whatever a checkpoint waits for. A checkpoint is written once everything was told that was
noticed up to it.
"""

import asyncio
from collections.abc import Collection

from analytics import metrics, teaching
from analytics.checkpoint import Checkpoint
from analytics.ownership import Ownership
from analytics.task import Task, Topics
from analytics.telling import Telling

_TELL_SECONDS = 0.02  # several times what it takes to tell


class Keeper:
    """One telling and one checkpoint at a time. Every method raises FencedError once the partitions are not ours."""

    def __init__(self, ownership: Ownership, topics: Topics) -> None:
        self._ownership, self._topics = ownership, topics
        self._telling: asyncio.Task[None] | None = None
        self._writing: asyncio.Task[None] | None = None

    @property
    def busy(self) -> bool:
        """Whether a checkpoint is being written; false once `settle` has noted its end."""
        return self._writing is not None

    async def tell(self, tasks: Collection[Task]) -> None:
        """Tells what was noticed. Leaves it to itself where that takes longer than usual; what is noticed meanwhile is
        told next.
        """
        if self._telling is not None and not self._telling.done():
            return
        await self.told()
        if any(task.fold.noticed for task in tasks):
            self._begin_telling(tasks)
        if self._telling is not None:
            await asyncio.wait([self._telling], timeout=_TELL_SECONDS)

    async def checkpoint(self, tasks: Collection[Task]) -> None:
        """Begins to write what is folded."""
        await self.written(tasks)
        self._begin_telling(tasks)
        checkpoint = Checkpoint()
        try:
            for task in tasks:
                task.collect(checkpoint, self._topics)
                await asyncio.sleep(0)  # packing takes some milliseconds a partition; who is being told need not wait
        finally:  # cancelled or not: what a task has handed over is nowhere else
            if checkpoint.steps:
                self._writing = asyncio.create_task(self._write(checkpoint, self._telling))

    async def settle(self, tasks: Collection[Task]) -> None:
        """Notes that a checkpoint was written, if one was."""
        if self._writing is not None and self._writing.done():
            await self.written(tasks)

    async def written(self, tasks: Collection[Task]) -> None:
        """Waits for the checkpoint under way."""
        writing, self._writing = self._writing, None
        if writing is not None:
            await writing
            for task in tasks:
                task.in_flight = {}
            metrics.CUSTOMERS.set(sum(len(task.fold) for task in tasks))

    async def told(self) -> None:
        """Waits for what is being told."""
        telling, self._telling = self._telling, None
        if telling is not None:
            await telling

    def _begin_telling(self, tasks: Collection[Task]) -> None:
        telling = Telling(self._topics.triggers)
        for task in tasks:
            task.tell(telling)
        if telling.places:
            self._telling = asyncio.create_task(self._say(telling, self._telling))

    async def _say(self, telling: Telling, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await before
        await self._ownership.teller.write(telling)

    async def _write(self, checkpoint: Checkpoint, telling: asyncio.Task[None] | None) -> None:
        if telling is not None:
            await telling
        told = teaching.told(checkpoint.examples)
        checkpoint.emitted.extend((self._topics.examples, envelope) for envelope in told)
        await self._ownership.writer.write(checkpoint)
