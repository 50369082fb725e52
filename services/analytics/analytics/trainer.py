"""Learns over all partitions from completed examples, publishes versions, and has tasks adopt them.

Each learner's position, memory and what it publishes commit together, and a partition's examples come by number, so
each is learned from once, also where a record was published twice or told anew. A version is written to `models` in the
transaction whose outbox carries the adoption records: a task never waits for what is not there. The log keeps the order
in which examples were taken.
"""

import asyncio
import pickle
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import orjson
import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from analytics import adoption
from analytics import metrics as gauges
from analytics.learners import LEARNERS
from analytics.learners.base import Learner
from analytics.writing import FencedError
from common.clock import Clock
from common.database import Database, is_transient
from common.deadletters import DeadLetters
from common.ids import new_id
from common.outbox import put_by
from common.record import Record

log = structlog.get_logger()

_LOCK = "SELECT pg_advisory_lock(hashtext('heed trainer'))"
_CLAIM = """
INSERT INTO trainers (name, owner_token, next_offset, version) VALUES ($1, $2, 0, 0)
ON CONFLICT (name) DO UPDATE SET owner_token = EXCLUDED.owner_token RETURNING next_offset, version, state, learned
"""
_FENCE = """
UPDATE trainers SET next_offset = $4, version = $5, state = $6, learned = $7
WHERE name = $1 AND owner_token = $2 AND next_offset = $3
"""
_PUBLISH = "INSERT INTO models (name, version, state, examples, metrics) VALUES ($1, $2, $3, $4, $5)"
_PINNED = "SELECT pinned FROM adoptions WHERE name = $1 ORDER BY position DESC LIMIT 1"
_ADOPT = "INSERT INTO adoptions (name, version, pinned, by) VALUES ($1, $2, false, 'trainer')"
# How much is learned again after a crash, at least; a memory of megabytes is written so much more seldom that it comes
# to no more bytes a second than this.
_KEEP_SECONDS, _KEEP_BYTES = 5.0, 20_000.0
# Each version is a record in every partition, which waits there until it is loaded: in a shop of thousands of orders a
# second, or when history is imported, a learner's own pace would be several a second.
_VERSION_SECONDS = 30.0
_AT_A_STRETCH = 50  # examples, about a millisecond
_REST_SECONDS = 0.003  # after each stretch: the fold, and whoever is being told, go first
_GAUGES = {
    "auc": gauges.MODEL_AUC,
    "brier": gauges.MODEL_BRIER,
    "base_rate": gauges.MODEL_BASE_RATE,
}


@dataclass
class Version:
    """What was learned so far, as it will be published."""

    number: int
    snapshot: bytes
    examples: int
    figures: Mapping[str, Any]


@dataclass
class Pupil:
    """A learner with its place in the examples: `offset` is committed, `taken` is learned, and to be committed when it
    is `due`, or once versions were `made`; none is made while it `rests_until` a moment (both by the monotonic clock).
    `learned` is the number of each partition's last example it was shown.
    """

    learner: Learner
    offset: int
    version: int
    published_at: int
    taken: int
    learned: dict[str, int]
    due: float = 0.0
    rests_until: float = 0.0
    made: list[Version] = field(default_factory=list)

    def is_new(self, place: Sequence[int] | None) -> bool:
        """Whether it was not shown the example of this partition and number before; notes it. Those that earlier
        versions told have no place.
        """
        if place is None:
            return True
        partition, number = str(place[0]), int(place[1])
        if number <= self.learned.get(partition, 0):
            return False
        self.learned[partition] = number
        return True

    def consider(self, every: int | None) -> None:
        """Makes a version of what is known when enough was learned since the last one, and that was not just now.

        `every` is the pace somebody set. What a learner put together itself (one example is enough) is not put off.
        """
        learner = self.learner
        enough = every or learner.publish_every
        if learner.examples - self.published_at < enough:
            return
        if every is None and enough > 1 and time.monotonic() < self.rests_until:
            return
        self.published_at, self.rests_until = learner.examples, time.monotonic() + _VERSION_SECONDS
        self.version += 1
        snapshot = pickle.dumps(learner.snapshot())
        self.made.append(Version(self.version, snapshot, learner.examples, learner.figures()))


class Trainer:
    """One at a time, by advisory lock; others stand by. `publish_examples` overrides the learners' own pace."""

    def __init__(
        self,
        bootstrap_servers: str,
        database: Database,
        dead_letters: DeadLetters,
        clock: Clock,
        *,
        examples_topic: str,
        facts_topic: str,
        models_topic: str,
        publish_examples: int | None = None,
        learners: Sequence[Callable[[], Learner]] = LEARNERS,
    ) -> None:
        self._bootstrap, self._database, self._clock = bootstrap_servers, database, clock
        self._dead_letters = dead_letters
        self._partition = TopicPartition(examples_topic, 0)
        self._facts, self._models = facts_topic, models_topic
        self._publish_examples, self._learners = publish_examples, learners
        self._token = ""
        self._pupils: dict[str, Pupil] = {}

    async def run(self) -> None:
        """Until cancelled; waits while another process trains or a part is away."""
        while True:
            try:
                connection = await self._database.connect()
            except (OSError, asyncpg.PostgresError) as error:
                await self._wait(error)
                continue
            try:
                await self._lead(connection)
            except FencedError:
                log.warning("another trainer took over")
            except (OSError, KafkaError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                if not (is_transient(error) or isinstance(error, KafkaError)):
                    raise
                await self._wait(error)
            finally:
                connection.terminate()

    async def _wait(self, error: Exception) -> None:
        log.warning("trainer waits", error=str(error))
        await asyncio.sleep(1.0)

    async def _lead(self, connection: asyncpg.Connection) -> None:
        await connection.execute(_LOCK)
        self._token = new_id()
        self._pupils = {
            pupil.learner.name: pupil for pupil in [await self._claim(connection, n) for n in self._learners]
        }
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            consumer.assign([self._partition])
            consumer.seek(self._partition, min(pupil.offset for pupil in self._pupils.values()))
            await self._learn_for_ever(connection, consumer)
        finally:
            await consumer.stop()

    async def _claim(self, connection: asyncpg.Connection, new_learner: Callable[[], Learner]) -> Pupil:
        learner = new_learner()
        row = await connection.fetchrow(_CLAIM, learner.name, self._token)
        assert row is not None
        if row["state"]:
            # Written by this class into a database that only this service's role can write.
            learner = pickle.loads(row["state"])  # noqa: S301
        _measure(learner)
        offset, learned = row["next_offset"], orjson.loads(row["learned"])
        return Pupil(learner, offset, row["version"], learner.examples, offset, learned)

    async def _learn_for_ever(self, connection: asyncpg.Connection, consumer: AIOKafkaConsumer) -> None:
        while True:
            batches = await consumer.getmany(timeout_ms=500, max_records=2_000)
            records = batches.get(self._partition, [])
            for record in records:
                await self._take(record)
            for pupil in self._pupils.values():
                if records:  # also where none was for this one, which need not begin with them again
                    pupil.taken = max(pupil.taken, records[-1].offset + 1)
                pupil.consider(self._publish_examples)
                if pupil.made or (pupil.taken != pupil.offset and time.monotonic() >= pupil.due):
                    await self._commit(connection, pupil)

    async def _take(self, record: ConsumerRecord) -> None:
        """Whatever is no example in a record goes to the dead letters with it; the others are learned from."""
        try:
            told = orjson.loads(record.value or b"null")
            examples = list(told.get("examples", [told]))  # earlier versions told each by itself
        except (ValueError, TypeError, AttributeError) as error:
            await self._bury(record, f"no examples: {type(error).__name__} {error}")
            return
        refused = []
        for number, example in enumerate(examples, start=1):
            if reason := self._refused(example, record.offset):
                refused.append(reason)
            if number % _AT_A_STRETCH == 0:
                await asyncio.sleep(_REST_SECONDS)
        if refused:
            await self._bury(record, f"{len(refused)} of {len(examples)} not an example: {refused[0]}")

    def _refused(self, example: Any, offset: int) -> str:
        """Has it learned from; says why not where it is no example."""
        try:
            pupil = self._pupils.get(example["model"])
            if pupil is not None and offset >= pupil.taken and pupil.is_new(example.get("place")):
                pupil.learner.take(example)
                pupil.consider(self._publish_examples)
        except (ValueError, LookupError, TypeError, OverflowError) as error:
            return f"{type(error).__name__} {error}"
        return ""

    async def _bury(self, record: Record, reason: str) -> None:
        log.warning("dead letter", partition=record.partition, offset=record.offset, reason=reason)
        await self._dead_letters.bury(record, reason)

    async def _commit(self, connection: asyncpg.Connection, pupil: Pupil) -> None:
        learner, state = pupil.learner, pickle.dumps(pupil.learner)
        alarms: set[str] = set()
        async with connection.transaction():
            place = (learner.name, self._token, pupil.offset, pupil.taken, pupil.version)
            learned = orjson.dumps(pupil.learned).decode()
            if await connection.execute(_FENCE, *place, state, learned) != "UPDATE 1":
                raise FencedError("another trainer owns the model")
            for version in pupil.made:
                alarms |= await self._publish(connection, learner.name, version)
        self._database.ring(alarms)
        pupil.offset, pupil.made = pupil.taken, []
        pupil.due = time.monotonic() + max(_KEEP_SECONDS, len(state) / _KEEP_BYTES)
        _measure(learner)

    async def _publish(self, connection: asyncpg.Connection, name: str, made: Version) -> set[str]:
        row = (name, made.number, made.snapshot, made.examples, orjson.dumps(made.figures).decode())
        await connection.execute(_PUBLISH, *row)
        data = {"model": name, "version": made.number, "examples": made.examples, "metrics": made.figures}
        said = [adoption.published(self._models, data, self._clock.now())]
        if not await connection.fetchval(_PINNED, name):
            await connection.execute(_ADOPT, name, made.number)
            said += adoption.messages(self._facts, data, self._clock.now())
        return await put_by(connection, said)


def _measure(learner: Learner) -> None:
    figures: Mapping[str, Any] = learner.figures()
    gauges.MODEL_EXAMPLES.labels(learner.name).set(learner.examples)
    for name, gauge in _GAUGES.items():
        if figures.get(name) is not None:
            gauge.labels(learner.name).set(figures[name])
