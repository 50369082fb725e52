"""The consumer loop: what a poll brought in one transaction, the Kafka offsets after it."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from common import metrics
from common.database import Database
from common.deadletters import DeadLetterLimit, DeadLetters
from common.failures import TransientError
from common.processor import BatchHandler, Handler, Processor, Subscription, dispatch

__all__ = ["BatchHandler", "Consumer", "Handler", "StuckError", "Subscription", "dispatch"]

log = structlog.get_logger()

_BACKOFF_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_STUCK_SECONDS = 60.0
_MAX_RECORDS = 500
_LINGERING_BYTES = 512 * 1024
_COMMIT_SECONDS = 5.0
_IDLE_COMMIT_SECONDS = 5.0
_STOP_SECONDS = 3.0


class StuckError(Exception):
    """There are records to take, and for too long none was taken or put back."""


@dataclass
class _Pause:
    """A partition that waits after a transient failure."""

    failures: int = 0
    until: float = 0.0


class Consumer:
    """Runs one subscription.

    Transient failures pause that partition with a growing backoff; invalid records go to the dead letters; any
    other error ends `run` without a commit, so that the supervisor starts the process again.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        subscription: Subscription,
        database: Database,
        dead_letters: DeadLetters,
        limit: DeadLetterLimit | None = None,
        *,
        stuck_seconds: float = _STUCK_SECONDS,
    ) -> None:
        self._bootstrap = bootstrap_servers
        self._subscription = subscription
        self._processor = Processor(subscription, database, dead_letters, limit)
        self._stuck_seconds = stuck_seconds
        self._paused: dict[TopicPartition, _Pause] = {}
        self._taken: dict[TopicPartition, int] = {}
        self._committed_at: dict[TopicPartition, float] = {}
        self._moved_at = time.monotonic()

    async def run(self) -> None:
        """Until cancelled, or an error that has no name. Raises StuckError from the watchdog."""
        consumer = await self._started()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._poll_for_ever(consumer))
                tasks.create_task(self._watch(consumer))
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            await _stop(consumer)

    async def _started(self) -> AIOKafkaConsumer:
        failures = 0
        while True:
            consumer = self._build()
            log.info("consumer waits for its partitions", topics=self._subscription.topics)
            try:
                await consumer.start()
            except (KafkaError, OSError) as error:
                await _stop(consumer)
                pause = _BACKOFF_SECONDS[min(failures, len(_BACKOFF_SECONDS) - 1)]
                failures += 1
                log.warning("consumer cannot reach the bus", error=repr(error), pause_seconds=pause)
                await asyncio.sleep(pause)
            except BaseException:
                await _stop(consumer)
                raise
            else:
                log.info("consumer has its partitions", topics=self._subscription.topics)
                self._moved_at = time.monotonic()
                return consumer

    def _build(self) -> AIOKafkaConsumer:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            group_id=self._subscription.group,
            group_instance_id=self._subscription.instance,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=10_000,
            heartbeat_interval_ms=1_000,
            max_partition_fetch_bytes=4 * 1024 * 1024,
            **_fetching(self._subscription.linger_seconds),
        )
        consumer.subscribe(self._subscription.topics, listener=_Forget(self._forget))
        return consumer

    async def _poll_for_ever(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            self._resume_due(consumer)
            batches = await consumer.getmany(timeout_ms=200, max_records=_MAX_RECORDS)
            if batches:
                await self._take(consumer, batches)
            self._measure(consumer)

    async def _take(self, consumer: AIOKafkaConsumer, batches: Mapping[TopicPartition, list[ConsumerRecord]]) -> None:
        """All partitions together, since a transaction costs more than a record; one by one where that fails."""
        for partition, records in batches.items():
            self._taken.setdefault(partition, records[0].offset)
        try:
            with metrics.CONSUMER_BATCH.labels(self._subscription.group).time():
                wanted = await self._processor.apply(list(chain.from_iterable(batches.values())))
        except TransientError as error:
            if len(batches) > 1:
                await self._take_one_by_one(consumer, batches)
            else:
                self._put_back(consumer, *next(iter(batches.items())), error)
            return
        self._moved_at = time.monotonic()
        await self._done(consumer, {p: records[-1].offset + 1 for p, records in batches.items()}, wanted > 0)

    async def _take_one_by_one(
        self, consumer: AIOKafkaConsumer, batches: Mapping[TopicPartition, list[ConsumerRecord]]
    ) -> None:
        for partition, records in batches.items():
            # A rebalance may have taken it away meanwhile; its new owner starts at the committed offset.
            if partition in consumer.assignment():
                await self._take(consumer, {partition: records})

    async def _done(self, consumer: AIOKafkaConsumer, offsets: Mapping[TopicPartition, int], wanted: bool) -> None:
        for partition in offsets:
            self._paused.pop(partition, None)
        mine = {p: offset for p, offset in offsets.items() if p in consumer.assignment()}
        self._taken.update(mine)
        if due := {p: offset for p, offset in mine.items() if wanted or self._commit_is_due(p)}:
            await self._commit(consumer, due)

    def _commit_is_due(self, partition: TopicPartition) -> bool:
        """Records that nobody wanted may be read again; their offsets are committed only now and then."""
        return time.monotonic() - self._committed_at.get(partition, 0.0) > _IDLE_COMMIT_SECONDS

    async def _commit(self, consumer: AIOKafkaConsumer, offsets: Mapping[TopicPartition, int]) -> None:
        try:
            async with asyncio.timeout(_COMMIT_SECONDS):
                await consumer.commit(dict(offsets))
            self._committed_at.update(dict.fromkeys(offsets, time.monotonic()))
        except (KafkaError, TimeoutError) as error:
            # Moved away or broker gone: the next owner sees the batch again and the inbox collapses it.
            log.warning("offsets not committed", partitions=[p.partition for p in offsets], error=repr(error))

    def _put_back(
        self,
        consumer: AIOKafkaConsumer,
        partition: TopicPartition,
        records: list[ConsumerRecord],
        error: TransientError,
    ) -> None:
        pause = self._paused.setdefault(partition, _Pause())
        seconds = _BACKOFF_SECONDS[min(pause.failures, len(_BACKOFF_SECONDS) - 1)]
        pause.failures += 1
        # Whoever waits on purpose does not stand still.
        pause.until = self._moved_at = time.monotonic() + seconds
        metrics.CONSUMER_RETRIES.labels(self._subscription.group).inc()
        log.warning("batch put back", partition=partition.partition, error=str(error), pause_seconds=seconds)
        if partition in consumer.assignment():
            consumer.seek(partition, records[0].offset)
            consumer.pause(partition)

    def _resume_due(self, consumer: AIOKafkaConsumer) -> None:
        now, mine = time.monotonic(), consumer.assignment()
        due = [p for p, pause in self._paused.items() if pause.until <= now and p in mine]
        consumer.resume(*due)

    def _forget(self, partitions: Iterable[TopicPartition]) -> None:
        """What was known of partitions that moved away would be wrong when they come back."""
        for partition in partitions:
            self._paused.pop(partition, None)
            self._taken.pop(partition, None)
            self._committed_at.pop(partition, None)
            with contextlib.suppress(KeyError):
                metrics.CONSUMER_LAG.remove(self._subscription.group, partition.topic, str(partition.partition))

    def _measure(self, consumer: AIOKafkaConsumer) -> None:
        lag = sum(self._lag(consumer, partition) for partition in consumer.assignment())
        if lag == 0:
            self._moved_at = time.monotonic()

    def _lag(self, consumer: AIOKafkaConsumer, partition: TopicPartition) -> int:
        position, high = self._taken.get(partition), consumer.highwater(partition)
        lag = max(0, high - position) if position is not None and high is not None else 0
        metrics.CONSUMER_LAG.labels(self._subscription.group, partition.topic, partition.partition).set(lag)
        return lag

    async def _watch(self, consumer: AIOKafkaConsumer) -> None:
        """Ends the consumer that has records to take, and neither moved nor retried for a minute."""
        while True:
            await asyncio.sleep(self._stuck_seconds / 12)
            if time.monotonic() - self._moved_at <= self._stuck_seconds:
                continue
            if await _bus_answers(consumer):
                raise StuckError(f"consumer {self._subscription.group} took nothing for {self._stuck_seconds:g} s")
            self._moved_at = time.monotonic()


class _Forget(ConsumerRebalanceListener):  # type: ignore[misc]
    """Tells the consumer which partitions it lost."""

    def __init__(self, forget: Callable[[Iterable[TopicPartition]], None]) -> None:
        self._forget = forget

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        self._forget(revoked)

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Nothing to do: positions start at the committed offsets."""


def _fetching(linger_seconds: float) -> dict[str, int]:
    """The broker itself waits until there is much to send, so that a lingering consumer costs it little as well."""
    if not linger_seconds:
        return {}
    return {"fetch_max_wait_ms": round(1_000 * linger_seconds), "fetch_min_bytes": _LINGERING_BYTES}


async def _bus_answers(consumer: AIOKafkaConsumer) -> bool:
    """Whether the broker can be reached and gave us partitions: else standing still is nobody's fault here."""
    mine = list(consumer.assignment())
    if not mine:
        return False
    try:
        async with asyncio.timeout(_COMMIT_SECONDS):
            await consumer.end_offsets(mine)
    except (KafkaError, TimeoutError):
        return False
    return True


async def _stop(consumer: AIOKafkaConsumer) -> None:
    """A clean goodbye where the broker answers; otherwise a few seconds have to be enough."""
    # aiokafka lets no static member leave, so its partitions would wait for the session to end.
    if consumer._coordinator is not None:
        consumer._coordinator._group_instance_id = None
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await consumer.stop()
    except (KafkaError, OSError, TimeoutError) as error:
        log.warning("consumer ended without a goodbye", error=repr(error))
