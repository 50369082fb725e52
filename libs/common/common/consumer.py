"""The consumer loop: batches of a partition, one transaction each, the Kafka offset after it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from common import metrics, telemetry
from common.database import Database
from common.deadletters import DeadLetterLimit, DeadLetters
from common.envelope import Envelope, decode, type_of
from common.failures import InvalidError, TransientError
from common.inbox import admit

log = structlog.get_logger()

Handler = Callable[[AsyncSession, Envelope], Awaitable[None]]
BatchHandler = Callable[[AsyncSession, Sequence[Envelope]], Awaitable[None]]

_BACKOFF_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_STUCK_SECONDS = 60.0


def dispatch(handlers: Mapping[str, Handler]) -> BatchHandler:
    """A batch handler that gives each envelope to the handler of its type, in order."""

    async def handle(session: AsyncSession, envelopes: Sequence[Envelope]) -> None:
        for envelope in envelopes:
            with telemetry.handling(envelope):
                await handlers[envelope.type](session, envelope)

    return handle


@dataclass(frozen=True)
class Subscription:
    """What a consumer takes: topics, the types it cares for (None: all), and what it does with a batch."""

    group: str
    topics: tuple[str, ...]
    handle: BatchHandler
    types: frozenset[str] | None = None
    instance: str | None = None


@dataclass
class _Pause:
    """A partition that waits after a transient failure."""

    failures: int = 0
    until: float = field(default_factory=time.monotonic)


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
    ) -> None:
        self._bootstrap = bootstrap_servers
        self._subscription = subscription
        self._database = database
        self._dead_letters = dead_letters
        self._limit = limit or DeadLetterLimit()
        self._paused: dict[TopicPartition, _Pause] = {}
        self._taken: dict[TopicPartition, int] = {}
        self._moved_at = time.monotonic()

    async def run(self) -> None:
        """Until cancelled, or an error that has no name."""
        consumer = await self._started()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._poll_for_ever(consumer))
                tasks.create_task(self._watch())
        finally:
            await consumer.stop()

    async def _started(self) -> AIOKafkaConsumer:
        failures = 0
        while True:
            consumer = AIOKafkaConsumer(
                *self._subscription.topics,
                bootstrap_servers=self._bootstrap,
                group_id=self._subscription.group,
                group_instance_id=self._subscription.instance,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                session_timeout_ms=10_000,
                max_partition_fetch_bytes=4 * 1024 * 1024,
            )
            try:
                await consumer.start()
                return consumer
            except (KafkaError, OSError) as error:
                await consumer.stop()
                pause = _BACKOFF_SECONDS[min(failures, len(_BACKOFF_SECONDS) - 1)]
                failures += 1
                log.warning("consumer cannot reach the bus", error=str(error), pause_seconds=pause)
                await asyncio.sleep(pause)

    async def _poll_for_ever(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            self._resume_due(consumer)
            batches = await consumer.getmany(timeout_ms=200, max_records=500)
            for partition, records in batches.items():
                await self._take(consumer, partition, records)
            self._measure(consumer)

    async def _take(self, consumer: AIOKafkaConsumer, partition: TopicPartition, records: list[ConsumerRecord]) -> None:
        try:
            with metrics.CONSUMER_BATCH.labels(self._subscription.group).time():
                await self._apply(records)
        except TransientError as error:
            self._put_back(consumer, partition, records[0].offset, error)
            return
        self._paused.pop(partition, None)
        self._moved_at = time.monotonic()
        self._taken[partition] = records[-1].offset + 1
        try:
            await consumer.commit({partition: records[-1].offset + 1})
        except (CommitFailedError, IllegalStateError, KafkaError) as error:
            # Moved away or broker gone: the next owner sees the batch again and the inbox collapses it.
            log.warning("offset not committed", partition=partition.partition, error=str(error))

    async def _apply(self, records: Sequence[ConsumerRecord]) -> None:
        envelopes: list[tuple[ConsumerRecord, Envelope]] = []
        for record in records:
            try:
                envelope = self._wanted(record)
            except InvalidError as error:
                await self._bury(record, error.reason)
                continue
            if envelope:
                envelopes.append((record, envelope))
        try:
            await self._handle([envelope for _, envelope in envelopes])
        except (InvalidError, ValidationError):
            await self._one_by_one(envelopes)

    def _wanted(self, record: ConsumerRecord) -> Envelope | None:
        types = self._subscription.types
        if types is not None:
            type_ = type_of(record.headers)
            if type_ is not None and type_ not in types:
                return None
        return decode(record.key, record.headers, record.value)

    async def _handle(self, envelopes: Sequence[Envelope]) -> None:
        if not envelopes:
            return
        async with self._database.transaction() as session:
            fresh = await admit(session, self._subscription.group, envelopes)
            if fresh:
                await self._subscription.handle(session, fresh)
        self._limit.good(len(envelopes))
        self._count("applied", len(fresh))
        self._count("repeated", len(envelopes) - len(fresh))

    async def _one_by_one(self, envelopes: Sequence[tuple[ConsumerRecord, Envelope]]) -> None:
        """Something in the batch is invalid: find it without holding up the rest."""
        for record, envelope in envelopes:
            try:
                await self._handle([envelope])
            except InvalidError as error:
                await self._bury(record, error.reason)
            except ValidationError as error:
                await self._bury(record, f"not as promised: {error.errors(include_input=False)[:3]}")

    async def _bury(self, record: ConsumerRecord, reason: str) -> None:
        log.warning("dead letter", topic=record.topic, partition=record.partition, offset=record.offset, reason=reason)
        await self._dead_letters.bury(record, reason)
        metrics.DEAD_LETTERS.labels(self._subscription.group).inc()
        self._count("invalid", 1)
        self._limit.bad()

    def _put_back(
        self, consumer: AIOKafkaConsumer, partition: TopicPartition, offset: int, error: TransientError
    ) -> None:
        pause = self._paused.setdefault(partition, _Pause())
        seconds = _BACKOFF_SECONDS[min(pause.failures, len(_BACKOFF_SECONDS) - 1)]
        pause.failures += 1
        pause.until = self._moved_at = time.monotonic()
        pause.until += seconds
        metrics.CONSUMER_RETRIES.labels(self._subscription.group).inc()
        log.warning("batch put back", partition=partition.partition, error=str(error), pause_seconds=seconds)
        if partition in consumer.assignment():
            consumer.seek(partition, offset)
            consumer.pause(partition)

    def _resume_due(self, consumer: AIOKafkaConsumer) -> None:
        now, mine = time.monotonic(), consumer.assignment()
        for partition in [p for p in self._paused if p not in mine]:
            del self._paused[partition]
        due = [p for p, pause in self._paused.items() if pause.until <= now]
        consumer.resume(*due)

    def _measure(self, consumer: AIOKafkaConsumer) -> None:
        lag = sum(self._lag(consumer, partition) for partition in consumer.assignment())
        if lag == 0:
            self._moved_at = time.monotonic()

    def _lag(self, consumer: AIOKafkaConsumer, partition: TopicPartition) -> int:
        position, high = self._taken.get(partition), consumer.highwater(partition)
        lag = max(0, high - position) if position is not None and high is not None else 0
        metrics.CONSUMER_LAG.labels(self._subscription.group, partition.topic, partition.partition).set(lag)
        return lag

    async def _watch(self) -> None:
        """Ends the consumer that has records to take, and neither moved nor retried for a minute."""
        while True:
            await asyncio.sleep(5)
            if time.monotonic() - self._moved_at > _STUCK_SECONDS:
                raise RuntimeError(f"consumer {self._subscription.group} is stuck")

    def _count(self, outcome: str, count: int) -> None:
        metrics.CONSUMED.labels(self._subscription.group, outcome).inc(count)
