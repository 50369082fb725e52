"""A task: one partition of the log, owned by this process, with its fold."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from analytics import metrics
from analytics.checkpoint import Checkpoint, Step
from analytics.customers import Changes, CompletedExample, Stored
from analytics.events import WIDESPREAD_SILENCE, Event, What
from analytics.fold import Fold
from analytics.teaching import Lesson
from analytics.telling import Telling
from analytics.visits import Sifted
from common.envelope import Envelope

# Counters that begin at nothing, so that the first of a kind shows as an increase.
_FILTERED = {sifted: metrics.FILTERED.labels(sifted.name.lower()) for sifted in Sifted if not sifted.teaches}


@dataclass(frozen=True)
class Topics:
    """The names of the topics the runtime touches."""

    facts: str
    triggers: str
    examples: str


class Foldable(Protocol):
    """What a task needs of a fold; benchmarks bring their own."""

    @property
    def noticed(self) -> bool: ...
    @property
    def urgent(self) -> bool: ...

    def load(self, customers: Iterable[Stored]) -> None: ...
    def apply(self, event: Event) -> None: ...
    def take_triggers(self) -> list[Envelope]: ...
    def take_changes(self) -> Changes: ...
    def state(self) -> bytes: ...
    def passes_on(self, event: Event) -> bool: ...
    def __len__(self) -> int: ...


FoldFactory = Callable[[int, bytes | None, int], Foldable]


@dataclass(kw_only=True)
class Task:
    """`folded` is the offset after the last record done with, `applied` that after the last event folded in, `written`
    that of the last checkpoint begun; `examples` is how many the partition had completed by then. Triggers because of
    records before `told` were told, maybe by a former owner. `seen` are the ids folded since the checkpoint,
    `in_flight` those of one that is being written.
    """

    partition: int
    fold: Foldable
    written: int
    folded: int
    told: int = 0
    applied: int = 0
    quiet_until: int = 0
    examples: int = 0
    seen: dict[str, bool] = field(default_factory=dict)
    in_flight: dict[str, bool] = field(default_factory=dict)

    def knows(self, id_: str) -> bool:
        """Whether it was folded here, and the database need not know yet."""
        return id_ in self.seen or id_ in self.in_flight

    def apply(self, event: Event, id_: str) -> None:
        """Folds an event; `id_` is what it is known by when it comes again, "" where it may."""
        if id_ and not self.fold.passes_on(event):
            self.seen[id_] = event.what is What.ORDER
        self.fold.apply(event)
        self.applied = event.offset + 1

    def leave_out_told(self, event: Event) -> None:
        """To be called once an event is folded in, before the next is."""
        if event.offset < self.told:
            self.fold.take_triggers()

    def tell(self, into: Telling) -> None:
        """Moves the triggers noticed since the last call."""
        if triggers := self.fold.take_triggers():
            into.places.append((self.partition, self.applied, self.told))
            into.triggers.extend(triggers)
            self.told = self.applied
            _count_triggers(triggers)

    def collect(self, into: Checkpoint, topics: Topics) -> None:
        """Moves this task's dirt into a checkpoint; nothing when no record was folded since the last. To be told first:
        `tell`.
        """
        if self.folded == self.written:
            return
        changes = self.fold.take_changes()
        into.examples.extend(map(self._numbered, changes.examples))
        into.steps.append(Step(self.partition, self.written, self.folded, self.fold.state(), self.examples))
        into.profiles.extend((customer, self.partition, packed) for customer, packed in changes.profiles.items())
        into.pending.extend((customer, self.partition, rows) for customer, rows in changes.pending.items())
        into.seen.extend((id_, self.partition, for_good) for id_, for_good in self.seen.items())
        into.emitted.extend((topics.facts, envelope) for envelope in changes.facts)
        metrics.LATE.inc(changes.late)
        for sifted, count in changes.sifted.items():
            _FILTERED[sifted].inc(count)
        self.written, self.in_flight, self.seen = self.folded, self.seen, {}

    def _numbered(self, example: CompletedExample) -> Lesson:
        self.examples += 1
        return Lesson(self.partition, self.examples, example)


def _count_triggers(triggers: Iterable[Envelope]) -> None:
    for told in triggers:
        if told.type == WIDESPREAD_SILENCE:
            metrics.WIDESPREAD.inc()
        else:
            metrics.TRIGGERS.labels(told.data["kind"], told.type.split(".")[2]).inc()


def analytics_fold(partition: int, state: bytes | None, quiet_until: int) -> Foldable:
    return Fold(partition, state, quiet_until=quiet_until)
