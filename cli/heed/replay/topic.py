"""Folds the recorded log once more, from its start, into a scratch state, and compares what is said with what was told.

A task is a fold of its log and of nothing else: time and the versions of models are records of the log too. So every
step of a trigger must come out again with the same id and the same bytes.
"""

import math
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import orjson
from aiokafka import ConsumerRecord

from analytics.customers import Changes
from analytics.events import Event, What, decode, id_text
from analytics.fold import Fold
from analytics.model_store import ModelStore
from analytics.query_store import QueryStore
from analytics.rebuilding import Log, rebuild
from analytics.stored_facts import StoredFacts
from common import topics
from common.clock import parse_rfc3339
from common.database import Database
from common.envelope import Envelope
from common.failures import InvalidError
from heed.replay.recorded import Place, Reach, facts, reach, reachable, steps

_WEEK_MS = 7 * 86_400_000  # how long ids are known, those of orders apart
_SAY_EVERY = 2_000  # events of a partition at most, before what is of no use here is thrown away


@dataclass(frozen=True)
class Window:
    """Steps told between these moments (seconds since 1970) are compared."""

    since: float = -math.inf
    until: float = math.inf


@dataclass(frozen=True)
class Step:
    """One thing said on the topic of triggers, as it stands there."""

    id: str
    type: str
    customer: str
    time: float
    body: bytes

    @property
    def kind(self) -> str:
        """What it is about; of an alarm that concerns no single customer its type."""
        return str(orjson.loads(self.body).get("kind", self.type))

    @property
    def action(self) -> str:
        return self.type.split(".")[2]


@dataclass(frozen=True)
class Difference:
    """A step that is not the same: `how` is one of `not told live`, `told live only`, `told in other words`."""

    how: str
    step: Step
    fields: tuple[str, ...] = ()


@dataclass
class Comparison:
    """Counts, and every difference."""

    records: int = 0
    events: int = 0
    repeats: int = 0
    customers: int = 0
    live: int = 0
    replayed: int = 0
    same: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)


class Scratch:
    """The folds of all partitions, and which ids they have taken."""

    def __init__(self, reached: dict[int, Reach], database: Database, stored: Log) -> None:
        self.folds = {p: Fold(p, quiet_until=r.quiet_until) for p, r in reached.items()}
        self._quiet_until = {p: r.quiet_until for p, r in reached.items()}
        self._models, self._queries, self._stored = ModelStore(database), QueryStore(database), stored
        self._seen: dict[tuple[int, str], float] = {}  # by partition and id, as the tasks do
        self._unsaid = dict.fromkeys(reached, 0)
        self.repeats = self.events = 0

    async def take(self, record: ConsumerRecord) -> Changes | None:
        """Folds a record as the task of its partition did; what is said because of it, if anything is."""
        try:
            event = decode(record)
        except InvalidError:
            return None  # live, it went to the dead letters
        if event is None:
            return None
        fold = self.folds[event.partition]
        if event.customer and self._is_repeat(fold, event, record.timestamp):
            self.repeats += 1
            return None
        self.events += 1
        self._unsaid[event.partition] += 1
        await self._load(fold, event)
        fold.apply(event)
        if fold.rebuilds(event):
            await self._rebuild(fold, event, record.timestamp)
        if not (fold.noticed or fold.urgent) and self._unsaid[event.partition] < _SAY_EVERY:
            return None
        self._unsaid[event.partition] = 0
        return fold.take_said()

    def _is_repeat(self, fold: Fold, event: Event, at_ms: int) -> bool:
        """Ids are known a week, those of orders for good; what is passed on to a survivor counts there."""
        place = event.partition, id_text(event.id)
        known_until = self._seen.get(place)
        if known_until is not None and at_ms <= known_until:
            return True
        if not fold.passes_on(event):
            self._seen[place] = math.inf if event.what is What.ORDER else at_ms + _WEEK_MS
        return False

    async def _rebuild(self, fold: Fold, event: Event, at_ms: int) -> None:
        """A merge was undone: the customer is folded again, as the task did."""
        found = await rebuild(self._stored, fold, event)
        fold.rebuilt(event, found)
        for id_, is_order in found.ids.items():
            self._seen.setdefault((event.partition, id_), math.inf if is_order else at_ms + _WEEK_MS)

    async def _load(self, fold: Fold, event: Event) -> None:
        """What the log only names. Of a version older than the tasks' present memory it may be gone."""
        try:
            if event.what is What.MODEL_ADOPTED:
                fold.adopt(event, await self._models.load(event.data["model"], int(event.data["version"])))
            elif event.what is What.QUERY_PRIMED:
                fold.prime(event, await self._queries.history(event.data["query"], event.partition))
        except LookupError:
            if event.offset >= self._quiet_until[fold.partition]:
                raise


async def compare(place: Place, window: Window, told: Callable[[int, int], None]) -> Comparison:
    """`told` hears (records done, records in all). Raises PlatformError when something cannot be reached."""
    async with reachable(place):
        database = Database(place.database_url)
        reached = await reach(database, place.prefix)
        stored = StoredFacts(place.bootstrap, f"{place.prefix}.{topics.CUSTOMER_FACTS}")
        scratch, found = Scratch(reached, database, stored), Comparison()
        total = sum(part.end for part in reached.values())
        replayed: dict[str, Step] = {}
        async for record in facts(place, reached):
            found.records += 1
            changes = await scratch.take(record)
            if changes is not None:
                said = (_step_of(envelope) for envelope in changes.triggers)
                replayed.update({step.id: step for step in said if _counts(step, window, scratch, reached)})
                told(found.records, total)
        told(total, total)
        live = {step.id: step async for step in _live(place) if _counts(step, window, scratch, reached)}
    _match(replayed, live, found)
    found.events, found.repeats = scratch.events, scratch.repeats
    found.customers = sum(len(fold) for fold in scratch.folds.values())
    return found


def _counts(step: Step, window: Window, scratch: Scratch, reached: dict[int, Reach]) -> bool:
    """Whether a step is one of those to compare: within the window, and of a record that is within reach."""
    if not window.since <= step.time <= window.until:
        return False
    data = orjson.loads(step.body)
    if "log" in data:
        part = reached.get(data["log"]["partition"])
        return part is not None and part.quiet_until <= data["log"]["offset"] < part.end
    part, fold = reached.get(data["partition"]), scratch.folds.get(data["partition"])
    return part is not None and fold is not None and not part.quiet_until and step.time <= fold.last_tick


def _match(replayed: dict[str, Step], live: dict[str, Step], found: Comparison) -> None:
    found.replayed, found.live = len(replayed), len(live)
    for id_, step in sorted(replayed.items(), key=lambda item: (item[1].time, item[0])):
        found.kinds[f"{step.kind} {step.action}"] += 1
        other = live.get(id_)
        if other is None:
            found.differences.append(Difference("not told live", step))
        elif (step.body, step.type, step.customer) != (other.body, other.type, other.customer):
            found.differences.append(Difference("told in other words", step, _fields(step, other)))
        else:
            found.same += 1
    only = [live[id_] for id_ in live.keys() - replayed.keys()]
    found.differences += [Difference("told live only", s) for s in sorted(only, key=lambda s: (s.time, s.id))]


def _fields(step: Step, other: Step) -> tuple[str, ...]:
    """The parts that are not the same."""
    mine, theirs = orjson.loads(step.body), orjson.loads(other.body)
    return tuple(name for name in sorted(mine.keys() | theirs.keys()) if mine.get(name) != theirs.get(name))


def _step_of(envelope: Envelope) -> Step:
    return Step(envelope.id, envelope.type, envelope.key, envelope.time.timestamp(), envelope.value())


async def _live(place: Place) -> AsyncIterator[Step]:
    async for record in steps(place):
        headers = dict(record.headers)
        time = parse_rfc3339(headers["ce_time"].decode()).timestamp()
        key = (record.key or b"").decode()
        yield Step(headers["ce_id"].decode(), headers["ce_type"].decode(), key, time, record.value or b"{}")
