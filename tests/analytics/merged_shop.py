"""The partitions of a log and a task on each, without a bus: what a task says about identities is another's record."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any
from uuid import UUID

from analytics.customers import Changes
from analytics.events import TYPES, Event, What, decode, emission, id_text
from analytics.fold import Fold
from analytics.profile import Profile
from analytics.rebuilding import rebuild
from analytics.separating import SIGNS
from common.envelope import Envelope
from common.keys import entity_key
from common.testing.bus import StoredRecord
from tests.analytics.stories import hash_of, order

PARTITIONS = 4


@dataclass
class Task:
    """A fold, and what its last checkpoint wrote: offset, state, rows."""

    partition: int
    fold: Fold = field(init=False)
    at: int = 0
    ids: set[str] = field(default_factory=set)
    written_ids: set[str] = field(default_factory=set)
    written_at: int = 0
    written_state: bytes | None = None
    rows: dict[str, tuple[bytes, bytes | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.load()

    def load(self) -> None:
        """As a new owner finds it; what was folded since the last checkpoint is folded once more."""
        self.fold = Fold(self.partition, self.written_state)
        self.fold.load((customer, packed, pending) for customer, (packed, pending) in self.rows.items())
        self.at, self.ids = self.written_at, set()

    def write(self) -> Changes:
        changes = self.fold.take_changes()
        for customer, packed in changes.profiles.items():
            self.rows[customer] = (packed, self.rows.get(customer, (b"", None))[1])
        for customer, pending in changes.pending.items():
            self.rows[customer] = (self.rows[customer][0], pending)
        self.written_at, self.written_state = self.at, self.fold.state()
        self.written_ids |= self.ids
        self.ids = set()
        return changes


class Shop:
    """Customers live on partitions as `places` says, elsewhere on the last one."""

    def __init__(self, places: Mapping[str, int]) -> None:
        self.places = {key(who): partition for who, partition in places.items()}
        self.log: list[list[StoredRecord]] = [[] for _ in range(PARTITIONS)]
        self.tasks = [Task(partition) for partition in range(PARTITIONS)]
        self.told: list[Envelope] = []
        self.said: list[Envelope] = []

    async def records(self, partition: int, first: int, end: int) -> AsyncIterator[Sequence[StoredRecord]]:
        """The log, as `rebuilding` reads it: in small parts."""
        for at in range(first, end, 7):
            yield self.log[partition][at : min(at + 7, end)]

    def tell(self, events: Iterable[Event]) -> None:
        """Puts facts on the log; those of nobody on every partition."""
        for event in events:
            data = dict(event.data)
            if event.what in (What.ORDER, What.RETURN):
                data |= {"total": f"{event.amount / 10_000:.4f}", "currency": event.currency}
            said = emission(TYPES[event.what], event.customer, data, event, event.time, event.id)
            for partition in [self._place(said.key)] if said.key else range(PARTITIONS):
                self._publish(said, partition)

    def _place(self, customer: str) -> int:
        return self.places.get(customer, PARTITIONS - 1)

    def _publish(self, said: Envelope, partition: int) -> None:
        log = self.log[partition]
        log.append(
            StoredRecord("facts", partition, len(log), said.key.encode() or None, said.value(), tuple(said.headers()))
        )

    async def play(self, events: Iterable[Event], chances: Random | None = None) -> None:
        """Tells one fact after the other; the tasks keep up, or lag behind as it happens."""
        for event in events:
            self.tell([event])
            if chances is None:
                await self.run()
            elif chances.random() < 0.2:
                await self.run(*chances.sample(range(PARTITIONS), chances.randrange(1, PARTITIONS)), chances=chances)
        await self.run(chances=chances)

    async def run(self, *only: int, chances: Random | None = None) -> None:
        """Until the tasks have folded everything, also what they said to each other.

        With `chances` they take turns as it happens, write now and then, and die now and then.
        """
        wanted = [self.tasks[partition] for partition in only or range(PARTITIONS)]
        while waiting := [task for task in wanted if min(task.at, task.written_at) < len(self.log[task.partition])]:
            task = chances.choice(waiting) if chances else waiting[0]
            if task.at < len(self.log[task.partition]):
                await self._step(task)
            said = task.fold.noticed or task.fold.urgent
            if task.at == len(self.log[task.partition]) or said or (chances and chances.random() < 0.02):
                if chances and chances.random() < 0.3:
                    task.load()
                else:
                    self._write(task)

    async def _step(self, task: Task) -> None:
        """One record."""
        record = self.log[task.partition][task.at]
        task.at += 1
        fold, event = task.fold, decode(record)
        if event is None or (event.customer and id_text(event.id) in task.written_ids | task.ids):
            return
        if event.customer and not fold.passes_on(event):
            task.ids.add(id_text(event.id))
        fold.apply(event)
        if event.what in SIGNS and fold.rebuilds(event):
            found = await rebuild(self, fold, event)
            fold.rebuilt(event, found)
            task.ids.update(found.ids)

    def _write(self, task: Task) -> None:
        changes = task.write()
        self.told += changes.triggers
        self.said += (said for said in changes.facts if said.type.startswith("heed.profile."))
        for said in changes.facts:
            self._publish(said, self._place(said.key))

    async def refold(self) -> None:
        """Folds a recorded log again, partition by partition; what it says is on the log already."""
        for task in self.tasks:
            while task.at < len(self.log[task.partition]):
                await self._step(task)
            self.told += task.write().triggers

    def profile(self, who: str) -> Profile | None:
        """Of whichever task knows them."""
        return self.tasks[self._place(key(who))].fold.profile(key(who))


def key(value: str) -> str:
    """The customer key of a user."""
    return entity_key("c", "user_id", value)


def by(who: str, event: Event, *, under: str | None = None, **data: Any) -> Event:
    """A captured fact that names a user, keyed by another one where capture took them for one person."""
    event.data = {**event.data, "identifiers": {"user_id": who}, **data}
    event.customer = key(under or who)
    return event


def orders(who: str, moments: Iterable[float], *, under: str | None = None, amount: float = 40.0) -> list[Event]:
    return [by(who, order(who, at, amount + (7 * n) % 5), under=under) for n, at in enumerate(moments)]


def identity(what: What, customer: str, at: float, data: Mapping[str, Any]) -> Event:
    """What contact says about who is who."""
    id_ = str(UUID(int=hash_of(what.name, customer, at)))
    return Event(what, id_, key(customer), at, at, data=data)


def merged(losing: str, surviving: str, at: float) -> Event:
    data = {"surviving": key(surviving), "losing": key(losing), "reason": "same card"}
    return identity(What.CONTACT_MERGED, losing, at, data)


def separated(
    losing: str, surviving: str, at: float, *, keys: Iterable[str] = (), via: Iterable[str] = ()
) -> list[Event]:
    """The records of one decision: under the losing key, those between, and the surviving one."""
    data = {
        "separation": int(at),
        "surviving": key(surviving),
        "losing": key(losing),
        "identifiers": {"user_id": [losing, *keys]},
        "keys": sorted(map(key, (losing, *keys))),
        "reason": "separated by Sam",
        "last_order_at": {"surviving": None, "losing": None},
    }
    return [identity(What.CONTACT_SEPARATED, customer, at, data) for customer in (losing, *via, surviving)]


def in_time(*stories: Iterable[Event]) -> list[Event]:
    """As they come to be on the log: by their moments, ticks last."""
    events = [event for story in stories for event in story]
    return sorted(events, key=lambda event: (event.received, event.what is What.TICK))
