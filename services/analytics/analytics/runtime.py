"""The loop: poll, drop repeats, fold, tell what was noticed at once, write a checkpoint now and then.

A partition's truth is `tasks.next_offset`; Kafka's own group offsets are only written for lag tools. A revoke waits for
the checkpoint under way, writes one more and lets go; a record that does not continue a task is left alone. What comes
is loaded while the rest is folded: a member that holds the group's rebalance up would be thrown out of it.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from analytics import metrics
from analytics.events import Event, What, decode, id_text
from analytics.fold import Fold
from analytics.keeping import Keeper
from analytics.model_store import ModelStore
from analytics.ownership import Ownership
from analytics.query_store import QueryStore
from analytics.rebuilder import Rebuilder
from analytics.seen import Place, SeenIds
from analytics.separating import SIGNS
from analytics.stored_facts import StoredFacts
from analytics.task import FoldFactory, Task, Topics, analytics_fold
from analytics.writing import FencedError
from common.database import Database
from common.deadletters import DeadLetterLimit, DeadLetters
from common.failures import InvalidError, TransientError
from common.record import Record

log = structlog.get_logger()

Decoder = Callable[[Record], Event | None]

_POLL_RECORDS = 2_000
_LOOK_UP = 500
# Folded at a stretch, in records and in seconds: then whoever is being told, the relay's producer and the heartbeats
# have their turn, or alerts would wait until a backlog is done.
_AT_A_STRETCH = 50
_TURN_SECONDS = 0.005
_TURNS = 4  # of the loop: what an answer wakes takes a few steps to its next question
# Records that come one by one are taken some at a time: each take costs a fetch, a look-up and a turn of the loop. Not
# for long: what was fetched meanwhile waits too, and what comes after it cannot be fetched before that is taken.
_FEW_RECORDS = 200
_GATHER_SECONDS = 0.008  # from the beginning of one take to the next
_IDLE_MS = 25  # when nothing came for so long, what is folded is written at once
_MOST_UNWRITTEN = 30_000  # records folded while the database is slow: their profiles stay unpacked, at most 7 KiB each
_STUCK_SECONDS = 60.0
_APART = frozenset({What.MODEL_ADOPTED, What.QUERY_PRIMED, What.TICK, *SIGNS})
_SESSION_TIMEOUT_MS = 8_000


class LostLogError(Exception):
    """Records that were never folded are gone from the log: restore it from the backup, or rebuild from its start."""


class Runtime(ConsumerRebalanceListener):  # type: ignore[misc]
    """Owns the partitions that Kafka assigns to this process."""

    def __init__(
        self,
        bootstrap_servers: str,
        group: str,
        topics: Topics,
        database: Database,
        dead_letters: DeadLetters,
        *,
        instance: str | None = None,
        linger_seconds: float = 0.1,
        new_fold: FoldFactory = analytics_fold,
        decoder: Decoder = decode,
    ) -> None:
        self._bootstrap, self._group, self.instance = bootstrap_servers, group, instance or ""
        self._topics, self._dead_letters = topics, dead_letters
        self._linger, self._decode = linger_seconds, decoder
        self._limit = DeadLetterLimit()
        self._models, self._seen = ModelStore(database), SeenIds(database)
        self._ownership = Ownership(database, self._models, new_fold)
        self._queries = QueryStore(database)
        self._rebuilder = Rebuilder(StoredFacts(bootstrap_servers, topics.facts, self._moved), database, decoder)
        self._taking: asyncio.Task[None] | None = None
        self._keeper = Keeper(self._ownership, topics)
        self._busy = asyncio.Lock()
        self._checkpointed_at = self._moved_at = self._turned_at = time.monotonic()
        self.tasks: dict[int, Task] = {}

    async def run(self) -> None:
        """Until cancelled. Raises FencedError when another process took over: start again with a clean state."""
        try:
            async with asyncio.TaskGroup() as self._parts:
                self._consumer = await self._start()
                self._parts.create_task(self._loop())
                self._parts.create_task(self._watch())
        finally:
            with suppress(FencedError):
                await self._let_go()
            # aiokafka does not let a static member leave; without this a planned move waits for the session to end.
            self._consumer._coordinator._group_instance_id = None
            await self._consumer.stop()
            await self._ownership.close()
            await self._seen.close()
            await self._rebuilder.close()

    async def _start(self) -> AIOKafkaConsumer:
        while True:
            consumer = AIOKafkaConsumer(
                bootstrap_servers=self._bootstrap,
                group_id=self._group,
                group_instance_id=self.instance or None,
                enable_auto_commit=False,
                auto_offset_reset="earliest",  # only until the seek of on_partitions_assigned
                session_timeout_ms=_SESSION_TIMEOUT_MS,
                heartbeat_interval_ms=1_000,
                max_partition_fetch_bytes=4 * 1024 * 1024,
            )
            self._consumer = consumer
            try:
                consumer.subscribe([self._topics.facts], listener=self)
                await consumer.start()
                return consumer
            except (KafkaError, OSError) as error:
                log.warning("runtime cannot reach the bus", error=str(error))
                await consumer.stop()
                await asyncio.sleep(1.0)

    # -- partitions come and go -------------------------------------------------------------------

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Writes what is folded and lets go. A fence that fails here only means that somebody was quicker."""
        del revoked
        if self._taking is not None:
            self._taking.cancel()
            await asyncio.wait([self._taking])
        async with self._busy:
            try:
                await self._let_go()
            except FencedError:
                log.warning("another owner took over before the last checkpoint")

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """The group hears no heartbeat until this returns."""
        partitions = sorted(assigned)
        self._consumer.pause(*partitions)
        self._taking = self._parts.create_task(self._take_over([tp.partition for tp in partitions]))

    async def _take_over(self, partitions: list[int]) -> None:
        """Each partition is folded on as soon as it is loaded. Raises LostLogError."""
        # Asked while all are paused: later the answer would wait behind what is fetched.
        first = await self._consumer.beginning_offsets([self._topic_partition(partition) for partition in partitions])
        async for task in self._ownership.take(partitions):
            if task.written < (start := first[self._topic_partition(task.partition)]):
                raise LostLogError(f"partition {task.partition} starts at {start}, needed: {task.written}")
            async with self._busy:
                self._begin(task)
        log.info("partitions taken", partitions=partitions, customers=sum(len(t.fold) for t in self.tasks.values()))

    def _begin(self, task: Task) -> None:
        place = self._topic_partition(task.partition)
        self.tasks[task.partition] = task
        self._consumer.seek(place, task.written)
        self._consumer.resume(place)
        self._moved_at = time.monotonic()

    def _topic_partition(self, partition: int) -> TopicPartition:
        return TopicPartition(self._topics.facts, partition)

    async def _let_go(self) -> None:
        """The last checkpoint of this ownership; afterwards nothing is folded here."""
        tasks = self.tasks
        try:
            await self._checkpoint()
            await self._keeper.written(tasks.values())
            self._ownership.leave(tasks)
        finally:
            self.tasks = {}
            with suppress(FencedError):
                await self._keeper.told()

    # -- the loop ---------------------------------------------------------------------------------

    async def _loop(self) -> None:
        while True:
            batches = await self._consumer.getmany(timeout_ms=_IDLE_MS, max_records=_POLL_RECORDS)
            began = time.monotonic()
            async with self._busy:
                if batches:
                    await self._take(batches)
                await self._keeper.tell(self.tasks.values())
                await self._keeper.settle(self.tasks.values())
                if self._is_due(idle=not batches):
                    await self._checkpoint()
            if 0 < sum(map(len, batches.values())) < _FEW_RECORDS:
                await asyncio.sleep(began + _GATHER_SECONDS - time.monotonic())

    async def _take(self, batches: dict[TopicPartition, list[ConsumerRecord]]) -> None:
        batches = {tp: records for tp, records in batches.items() if self._continues(tp, records[0].offset)}
        await self._fold_all([pair for tp, records in batches.items() for pair in await self._decoded(tp, records)])
        for tp, records in batches.items():
            self._advance(tp.partition, records[-1].offset + 1)
        self._moved_at = time.monotonic()

    async def _fold_all(self, events: list[tuple[Task, Event]]) -> None:
        """Folds what was not folded before, in order; the next ids are looked up while the last are folded."""
        parts = [events[at : at + _LOOK_UP] for at in range(0, len(events), _LOOK_UP)]
        lookup = self._look_up(parts[0]) if parts else None
        for number, part in enumerate(parts, start=1):
            assert lookup is not None
            ids, known = await lookup
            if number < len(parts):
                lookup = self._look_up(parts[number])
                await asyncio.sleep(0)  # lets the query go out
            for at in range(0, len(part), _AT_A_STRETCH):
                await self._fold_fresh(part[at : at + _AT_A_STRETCH], ids[at : at + _AT_A_STRETCH], known)
                if time.monotonic() - self._turned_at > _TURN_SECONDS:
                    await self._keeper.tell(self.tasks.values())
                    for _ in range(_TURNS):
                        await asyncio.sleep(0)
                    self._turned_at = time.monotonic()

    async def _fold_fresh(self, part: list[tuple[Task, Event]], ids: list[str], known: set[Place]) -> None:
        folded = 0
        for (task, event), id_ in zip(part, ids, strict=True):
            if id_ and (task.knows(id_) or (task.partition, id_) in known):
                continue
            folded += 1
            if event.what in _APART:
                await self._fold_apart(task, event, id_)
            else:
                task.apply(event, id_)
            task.leave_out_told(event)
        metrics.EVENTS.labels("folded").inc(folded)
        metrics.EVENTS.labels("repeated").inc(len(part) - folded)

    def _look_up(self, part: list[tuple[Task, Event]]) -> asyncio.Task[tuple[list[str], set[Place]]]:
        return asyncio.create_task(self._known(part))

    async def _known(self, part: list[tuple[Task, Event]]) -> tuple[list[str], set[Place]]:
        """The ids of these, "" for what is known by its offset alone, and where one is on disk as folded in before."""
        ids = [id_text(event.id) if event.customer and event.id else "" for _, event in part]
        asked = [id_ for id_ in ids if id_]
        return ids, await self._seen.among(asked) if asked else set()

    def _continues(self, tp: TopicPartition, offset: int) -> bool:
        """Whether a batch joins on to what its task has folded; one fetched before a move may not."""
        task = self.tasks.get(tp.partition)
        if task is not None and offset > task.folded:
            self._consumer.seek(tp, task.folded)
        return task is not None and offset <= task.folded

    async def _decoded(self, tp: TopicPartition, records: list[ConsumerRecord]) -> list[tuple[Task, Event]]:
        task = self.tasks[tp.partition]
        found: list[tuple[Task, Event]] = []
        letters: list[tuple[Record, str]] = []
        for record in records:
            if record.offset < task.folded:
                continue
            try:
                if (event := self._decode(record)) is not None:
                    found.append((task, event))
            except InvalidError as error:
                letters.append((record, error.reason))
        if letters:
            await self._bury(letters)
        self._limit.add([False] * len(found))
        return found

    async def _bury(self, letters: list[tuple[Record, str]]) -> None:
        for record, reason in letters:
            log.warning("dead letter", partition=record.partition, offset=record.offset, reason=reason)
        self._limit.check([True] * len(letters))
        while True:
            try:
                await self._dead_letters.bury_all(letters)
                break
            except TransientError as error:
                log.warning("dead letters wait", error=str(error))
                await asyncio.sleep(0.5)
        self._limit.add([True] * len(letters))
        metrics.EVENTS.labels("invalid").inc(len(letters))

    async def _fold_apart(self, task: Task, event: Event, id_: str) -> None:
        """What takes more than the record itself, and the ticks, from which the lag in time is told."""
        if event.what is What.MODEL_ADOPTED and isinstance(task.fold, Fold):
            await self._adopt(task, task.fold, event)
        elif event.what is What.QUERY_PRIMED and isinstance(task.fold, Fold):
            task.fold.prime(event, await self._queries.history(event.data["query"], task.partition))
        elif event.what is What.TICK:
            metrics.TIME_LAG.set(time.time() - event.time)
        task.apply(event, id_)
        if event.what in SIGNS and isinstance(task.fold, Fold) and task.fold.rebuilds(event):
            await self._rebuild(task, task.fold, event)

    async def _adopt(self, task: Task, fold: Fold, event: Event) -> None:
        try:
            fold.adopt(event, await self._models.load(event.data["model"], int(event.data["version"])))
        except LookupError:
            if event.offset >= task.quiet_until:
                raise

    async def _rebuild(self, task: Task, fold: Fold, event: Event) -> None:
        """As part of folding the record that asks for it. What counts for the customer by now must not come again."""
        # The bus takes a consumer that does not fetch for minutes for dead.
        with self._consumer._subscription.fetch_context():
            ids = await self._rebuilder.rebuild(fold, event)
        for id_, for_good in ids.items():
            if not task.knows(id_):
                task.seen[id_] = for_good

    def _moved(self) -> None:
        self._moved_at = time.monotonic()

    def _advance(self, partition: int, offset: int) -> None:
        task = self.tasks[partition]
        task.folded = max(task.folded, offset)
        metrics.LAG.labels(partition).set(self.lag(partition))

    def lag(self, partition: int) -> int:
        """Records on the log that are not folded yet."""
        high = self._consumer.highwater(self._topic_partition(partition)) or 0
        return max(0, high - self.tasks[partition].folded)

    # -- checkpoints ------------------------------------------------------------------------------

    def _is_due(self, *, idle: bool) -> bool:
        unwritten = sum(task.folded - task.written for task in self.tasks.values())
        if not unwritten or self._keeper.busy:
            return unwritten > _MOST_UNWRITTEN
        waited = time.monotonic() - self._checkpointed_at >= self._linger
        return idle or waited or any(task.fold.urgent for task in self.tasks.values())

    async def _checkpoint(self) -> None:
        await self._keeper.checkpoint(list(self.tasks.values()))
        self._checkpointed_at = time.monotonic()

    async def _watch(self) -> None:
        """Ends a process that has records to fold and has not moved for a minute."""
        while True:
            await asyncio.sleep(5)
            if not any(self.lag(partition) for partition in self.tasks):
                self._moved_at = time.monotonic()
            if time.monotonic() - self._moved_at > _STUCK_SECONDS:
                raise RuntimeError("the runtime is stuck")
