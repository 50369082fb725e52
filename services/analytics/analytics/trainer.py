"""Learns over all partitions from completed examples, scores itself before it learns, publishes versions.

Its position, memory and what it publishes commit together, so each example is learned from once. A version is written
to `models` in the transaction whose outbox carries the adoption records: a task never waits for what is not there.
"""

import asyncio
import pickle
import time
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import orjson
import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from pydantic import BaseModel, ConfigDict, ValidationError
from river import compose, metrics

from analytics import metrics as gauges
from analytics.checkpoint import FencedError, write_outbox
from analytics.events import MODEL_ADOPTED, MODEL_PUBLISHED, SOURCE, stable_id
from analytics.operators import churn_risk
from common.clock import Clock
from common.database import Database, is_transient
from common.deadletters import DeadLetters, Record
from common.envelope import Envelope
from common.ids import new_id
from common.topics import PARTITIONS

log = structlog.get_logger()

_LOCK = "SELECT pg_advisory_lock(hashtext('heed trainer'))"
_CLAIM = """
INSERT INTO trainers (name, owner_token, next_offset, version) VALUES ($1, $2, 0, 0)
ON CONFLICT (name) DO UPDATE SET owner_token = EXCLUDED.owner_token RETURNING next_offset, version, state
"""
_FENCE = """
UPDATE trainers SET next_offset = $4, version = $5, state = $6
WHERE name = $1 AND owner_token = $2 AND next_offset = $3
"""
_PUBLISH = "INSERT INTO models (name, version, state, examples, metrics) VALUES ($1, $2, $3, $4, $5)"
_BINS = 10


class Example(BaseModel):
    model_config = ConfigDict(extra="ignore")

    model: str
    label: int
    features: dict[str, float]


@dataclass
class Learner:
    """A model with its progressive figures: each example is predicted before it is learned."""

    model: compose.Pipeline = field(default_factory=churn_risk.new_model)
    auc: metrics.ROCAUC = field(default_factory=metrics.ROCAUC)
    log_loss: metrics.LogLoss = field(default_factory=metrics.LogLoss)
    squared: float = 0.0
    examples: int = 0
    positives: int = 0
    bins: list[list[float]] = field(default_factory=lambda: [[0.0, 0.0, 0.0] for _ in range(_BINS)])

    def take(self, example: Example) -> None:
        """Predict, score, then learn."""
        label = bool(example.label)
        risk = self.model.predict_proba_one(dict(example.features)).get(True, 0.5)
        self.auc.update(label, risk)
        self.log_loss.update(label, risk)
        self.squared += (risk - label) ** 2
        self.examples += 1
        self.positives += label
        predicted = self.bins[min(_BINS - 1, int(risk * _BINS))]
        for at, number in enumerate((risk, float(label), 1.0)):
            predicted[at] += number
        self.model.learn_one(dict(example.features), label)

    def figures(self) -> dict[str, Any]:
        """What is published beside a version."""
        seen = max(1, self.examples)
        calibration = [
            {"predicted": round(p / n, 4), "observed": round(o / n, 4), "count": int(n)} for p, o, n in self.bins if n
        ]
        return {
            "auc": round(float(self.auc.get()), 4),
            "log_loss": round(float(self.log_loss.get()), 4),
            "brier": round(self.squared / seen, 4),
            "base_rate": round(self.positives / seen, 4),
            "calibration": calibration,
        }


class Trainer:
    """One at a time, by advisory lock; others stand by."""

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
        publish_examples: int,
    ) -> None:
        self._bootstrap, self._database, self._dead_letters, self._clock = (
            bootstrap_servers,
            database,
            dead_letters,
            clock,
        )
        self._partition = TopicPartition(examples_topic, 0)
        self._facts, self._models = facts_topic, models_topic
        self._publish_examples = publish_examples
        self._learner = Learner()
        self._token, self._offset, self._version, self._published_at = "", 0, 0, 0

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
        await self._claim(connection)
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            consumer.assign([self._partition])
            consumer.seek(self._partition, self._offset)
            await self._learn_for_ever(connection, consumer)
        finally:
            await consumer.stop()

    async def _claim(self, connection: asyncpg.Connection) -> None:
        self._token = new_id()
        row = await connection.fetchrow(_CLAIM, churn_risk.MODEL, self._token)
        assert row is not None
        self._offset, self._version = row["next_offset"], row["version"]
        # Written by this class into a database that only this service's role can write.
        self._learner = pickle.loads(row["state"]) if row["state"] else Learner()  # noqa: S301
        self._published_at = self._learner.examples
        self._measure()

    async def _learn_for_ever(self, connection: asyncpg.Connection, consumer: AIOKafkaConsumer) -> None:
        written_at, offset = time.monotonic(), self._offset
        while True:
            batches = await consumer.getmany(timeout_ms=500, max_records=2_000)
            for record in batches.get(self._partition, ()):
                await self._take(record)
                offset = record.offset + 1
                if self._learner.examples - self._published_at >= self._publish_examples:
                    await self._commit(connection, offset, publish=True)
                    written_at = time.monotonic()
            if offset != self._offset and time.monotonic() - written_at > 2.0:
                await self._commit(connection, offset, publish=False)
                written_at = time.monotonic()

    async def _take(self, record: ConsumerRecord) -> None:
        try:
            example = Example.model_validate_json(record.value or b"null")
        except ValidationError as error:
            await self._bury(record, f"not an example: {error.errors(include_input=False)[:2]}")
            return
        if example.model == churn_risk.MODEL:
            self._learner.take(example)

    async def _bury(self, record: Record, reason: str) -> None:
        log.warning("dead letter", partition=record.partition, offset=record.offset, reason=reason)
        await self._dead_letters.bury(record, reason)

    async def _commit(self, connection: asyncpg.Connection, offset: int, *, publish: bool) -> None:
        version = self._version + publish
        async with connection.transaction():
            state = pickle.dumps(self._learner)
            args = (churn_risk.MODEL, self._token, self._offset, offset, version, state)
            if await connection.execute(_FENCE, *args) != "UPDATE 1":
                raise FencedError("another trainer owns the model")
            if publish:
                await self._publish(connection, version)
        self._offset, self._version = offset, version
        if publish:
            self._published_at = self._learner.examples
        self._measure()

    async def _publish(self, connection: asyncpg.Connection, version: int) -> None:
        learner, figures = self._learner, self._learner.figures()
        snapshot = pickle.dumps(learner.model)
        figures_text = orjson.dumps(figures).decode()
        await connection.execute(_PUBLISH, churn_risk.MODEL, version, snapshot, learner.examples, figures_text)
        data = {"model": churn_risk.MODEL, "version": version, "examples": learner.examples, "metrics": figures}
        published = self._announcement(MODEL_PUBLISHED, f"{churn_risk.MODEL}:{version}", data)
        await write_outbox(connection, [(self._models, published)])
        for partition in range(PARTITIONS):
            adopted = self._announcement(MODEL_ADOPTED, "", {**data, "partition": partition})
            await write_outbox(connection, [(self._facts, adopted)], partition)

    def _announcement(self, type_: str, key: str, data: dict[str, Any]) -> Envelope:
        now = self._clock.now()
        id_ = stable_id(type_, *data.values())
        return Envelope(type=type_, source=SOURCE, key=key, data=data, time=now, received=now, id=id_)

    def _measure(self) -> None:
        figures = self._learner.figures()
        name = churn_risk.MODEL
        gauges.MODEL_EXAMPLES.labels(name).set(self._learner.examples)
        gauges.MODEL_AUC.labels(name).set(figures["auc"])
        gauges.MODEL_BRIER.labels(name).set(figures["brier"])
        gauges.MODEL_BASE_RATE.labels(name).set(figures["base_rate"])
