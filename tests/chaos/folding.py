"""What a fresh fold of a recorded log says, against what the running service has stored and told."""

import asyncio
import pickle
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncpg
import orjson
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from analytics.events import What, decode, id_text
from analytics.fold import Fold
from analytics.learners import LEARNERS
from analytics.learners.base import Learner
from analytics.model_store import ModelStore
from common.database import Database
from common.topics import PARTITIONS

Rows = dict[str, bytes]


@dataclass
class State:
    """Everything analytics knows and has said: `steps` are the triggers' by event id, each with its body, `taught` how
    many examples each model has learned from.
    """

    profiles: Rows = field(default_factory=dict)
    pending: Rows = field(default_factory=dict)
    tasks: dict[int, bytes] = field(default_factory=dict)
    taught: dict[str, int] = field(default_factory=dict)
    steps: Rows = field(default_factory=dict)
    decisions: set[str] = field(default_factory=set)

    def differences(self, other: "State") -> Iterator[str]:
        """In words; none when both are equal, byte for byte."""
        for name in ("profiles", "pending", "tasks", "taught", "steps"):
            mine, theirs = getattr(self, name), getattr(other, name)
            keys = {key for key in mine.keys() | theirs.keys() if mine.get(key) != theirs.get(key)}
            if keys:
                yield f"{len(keys)} {name} of {len(mine.keys() | theirs.keys())} differ: {sorted(keys, key=str)[:3]}"
        if self.decisions != other.decisions:
            yield f"decisions differ: {len(self.decisions ^ other.decisions)}"


async def records(kafka: str, topic: str) -> AsyncIterator[ConsumerRecord]:
    """A whole topic, partition by partition, as it is now."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    try:
        places = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
        ends = await consumer.end_offsets(places)
        for place in places:
            consumer.assign([place])
            await consumer.seek_to_beginning(place)
            while await consumer.position(place) < ends[place]:
                for record in (await consumer.getmany(place, timeout_ms=500)).get(place, ()):
                    yield record
    finally:
        await consumer.stop()


async def folds(kafka: str, prefix: str, url: str) -> dict[int, Fold]:
    """The log folded from its start, in this process, each fact once, by partition."""
    store, found = ModelStore(Database(url)), {p: Fold(p) for p in range(PARTITIONS)}
    seen: dict[int, set[str]] = {partition: set() for partition in range(PARTITIONS)}
    async for record in records(kafka, f"{prefix}.customer-facts"):
        fold, event = found[record.partition], decode(record)
        if event is None or (event.customer and id_text(event.id) in seen[record.partition]):
            continue
        if event.customer and not fold.passes_on(event):
            seen[record.partition].add(id_text(event.id))
        if event.what is What.MODEL_ADOPTED:
            fold.adopt(event, await store.load(event.data["model"], int(event.data["version"])))
        fold.apply(event)
    return found


async def fresh(kafka: str, prefix: str, url: str) -> State:
    """What a fold of the log in one piece knows and says."""
    state, learners = State(), {learner.name: learner for learner in (new() for new in LEARNERS)}
    for partition, fold in (await folds(kafka, prefix, url)).items():
        changes = fold.take_changes()
        state.profiles |= changes.profiles
        state.pending |= {customer: rows for customer, rows in changes.pending.items() if rows}
        state.tasks[partition] = fold.state()
        for completed in changes.examples:
            learners[completed.example.model].take(orjson.loads(orjson.dumps(completed.data)))
        state.steps |= {said.id: said.value() for said in changes.triggers if said.key}
    state.decisions, state.taught = set(state.steps), _counted(learners.values())
    return state


async def stored(kafka: str, prefix: str, url: str) -> State:
    """What the service's tables hold and what it has published; a step told twice is told in the same words."""
    state, connection = State(), await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        state.profiles = {row[0]: row[1] for row in await connection.fetch("SELECT customer, packed FROM profiles")}
        waiting = "SELECT customer, examples FROM pending_examples WHERE examples <> ''"
        state.pending = {row[0]: row[1] for row in await connection.fetch(waiting)}
        state.tasks = {row[0]: row[1] for row in await connection.fetch("SELECT partition, state FROM tasks")}
        rows = await connection.fetch("SELECT state FROM trainers WHERE state IS NOT NULL")
        state.taught = _counted(pickle.loads(row[0]) for row in rows)
        state.decisions = {row[0] for row in await connection.fetch("SELECT id FROM decisions")}
    finally:
        await connection.close()
    async for record in records(kafka, f"{prefix}.triggers"):
        headers = dict(record.headers)
        id_, value = headers["ce_id"].decode(), record.value or b""
        if headers["ce_type"].startswith(b"heed.trigger."):
            assert state.steps.setdefault(id_, value) == value, f"{id_} was told in two ways"
    return state


def _counted(learners: Iterable[Learner]) -> dict[str, int]:
    return {learner.name: learner.examples for learner in learners}


async def recorded(kafka: str, prefix: str) -> int:
    """How many records the log of facts has by now."""
    async with _bystander(kafka) as consumer:
        return sum((await _ends(consumer, prefix)).values())


@asynccontextmanager
async def _bystander(kafka: str) -> AsyncIterator[AIOKafkaConsumer]:
    """Sees how long topics are."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka)
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


async def _ends(consumer: AIOKafkaConsumer, prefix: str) -> dict[int, int]:
    """Where the log of facts ends, by partition."""
    places = [TopicPartition(f"{prefix}.customer-facts", partition) for partition in range(PARTITIONS)]
    return {place.partition: offset for place, offset in (await consumer.end_offsets(places)).items()}


async def settled(kafka: str, prefix: str, url: str) -> None:
    """Waits until everything on the log is folded, everything said is published and every example learned from."""
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    examples = TopicPartition(f"{prefix}.training-examples", 0)
    try:
        async with _bystander(kafka) as consumer:
            calm = 0
            while calm < 3:
                ends = await _ends(consumer, prefix)
                tasks = await connection.fetch("SELECT partition, next_offset FROM tasks")
                folded = {task["partition"]: task["next_offset"] for task in tasks}
                waiting = await connection.fetchval("SELECT count(*) FROM outbox")
                told = (await consumer.end_offsets([examples]))[examples]
                learned = await connection.fetchval("SELECT min(next_offset) FROM trainers")
                calm = calm + 1 if folded == ends and not waiting and learned == told else 0
                await asyncio.sleep(0.5)  # what is under way between the topics is seen by none of them
    finally:
        await connection.close()
