"""Drives the fold that runs live over the orders of a file, in event time.

Ticks come just often enough not to be read as an outage. At the midnights of the grid the learners, in this same
process, are given the examples whose label is known by then, the fold adopts what they have learned, and everybody who
was seen is scored. Nothing here reads a clock: the same log gives the same answers.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np

from analytics.events import CLEARED, RAISED, UPDATED, Event, What
from analytics.fold import OUTAGE_SECONDS, Fold
from analytics.learners import LEARNERS
from analytics.learners.base import Learner
from analytics.operators.base import Adopted, Noted, Plan
from common.envelope import Envelope
from heed.replay.options import Settings
from heed.replay.reading import Lines, Log
from heed.replay.rows import DAY, SECOND

ACTIONS = {RAISED: "raised", UPDATED: "updated", CLEARED: "cleared"}
_DAY_SECONDS = DAY / SECOND
_CHUNK = 4_096
_TICK = "tick"


class Output(Protocol):
    """Where the answers go. Events and customers by their place in the log."""

    def noticed(self, event: int, noted: Noted) -> None:
        """What an operator said of one event; several may speak of the same."""
        ...

    def scored(self, as_of: float, scores: Mapping[int, Mapping[str, Any]]) -> None:
        """A scoring moment, in seconds; those who were seen by then and are not among `scores` could not be scored."""
        ...

    def decided(self, action: str, step: Envelope, events: list[int]) -> None:
        """A trigger was raised, updated or cleared, because of these events; none when time itself did it."""
        ...

    def alarmed(self, alarm: Envelope) -> None:
        """Something that concerns no single customer."""
        ...


class Driver:
    """One replay of one log."""

    def __init__(self, log: Log, settings: Settings, output: Output) -> None:
        self._log, self._settings, self._output = log, settings, output
        self._start, self._end = log.start / SECOND, log.end / SECOND
        plan = Plan(
            horizon=settings.horizon * _DAY_SECONDS,
            score_every=settings.score_every * _DAY_SECONDS,
            grid_from=self._start,
            stop_after=float("inf"),
            quiet_until=self._start + settings.warm_up * _DAY_SECONDS,
        )
        self._plan, self.fold = plan, Fold(0, plan=plan)
        learners: list[Learner] = [new() for new in LEARNERS]
        self.learners = {learner.name: learner for learner in learners}
        self._versions = dict.fromkeys(self.learners, 0)
        self._learned = dict.fromkeys(self.learners, 0)
        self._places = {name: place for place, name in enumerate(log.customers)}

    def run(self, moved: Callable[[int], None]) -> None:
        """`moved` hears how many events are done."""
        apply, due, done = self.fold.apply, self._start + OUTAGE_SECONDS, 0
        for event in _events(self._log, self._settings.currency):
            while event.time >= due:
                self._tick(due)
                due += OUTAGE_SECONDS
            apply(event)
            done += 1
            if not done % _CHUNK:
                self._drain()
                moved(done)
        while due <= self._end:
            self._tick(due)
            due += OUTAGE_SECONDS
        self._drain()
        moved(done)

    def _tick(self, at: float) -> None:
        """Time has come to `at`, and all that was before it has been folded."""
        tick = Event(What.TICK, f"{_TICK}:{at:.0f}", "", at, at, partition=0)
        if (at - self._start) % self._plan.score_every:
            self.fold.apply(tick)
            return
        self.fold.complete(at, tick)
        self._drain()
        self._adopt(tick)
        self.fold.apply(tick)
        self._output.scored(at, self._drain())

    def _adopt(self, tick: Event) -> None:
        """What the learners have learned since the last moment is scored with from now on."""
        for name, learner in self.learners.items():
            if learner.examples > self._learned[name]:
                self._learned[name] = learner.examples
                self._versions[name] += 1
                self.fold.adopt(tick, Adopted(name, self._versions[name], learner.examples, learner.snapshot()))

    def _drain(self) -> dict[int, dict[str, Any]]:
        """Takes what was said to where it belongs; returns the scores by customer."""
        said = self.fold.take_said()
        for example in said.examples:
            learner = self.learners.get(example.example.model)
            if learner is not None:
                learner.take(example.data)
        noticed = self._output.noticed
        for id_, noted in said.noted:
            noticed(int(id_), noted)
        for step in said.triggers:
            self._decide(step)
        scores: dict[int, dict[str, Any]] = {}
        for row in said.scored:
            scores.setdefault(self._places[row.customer], {}).update(row.values)
        return scores

    def _decide(self, step: Envelope) -> None:
        """Passes a step on; an alarm about everybody not while everything only learns."""
        action = ACTIONS.get(step.type)
        if action is not None:
            causes = [int(id_) for id_ in step.data["event_ids"] if not id_.startswith(_TICK)]
            self._output.decided(action, step, causes)
        elif step.time.timestamp() >= self._plan.quiet_until:
            self._output.alarmed(step)


def _events(log: Log, currency: str) -> Iterator[Event]:
    """The orders and returns of a log as the fold takes them, oldest first; an event's id is its place."""
    order = log.by_time()
    names, lines = log.customers, log.lines
    for at in range(0, len(order), _CHUNK):
        places = order[at : at + _CHUNK]
        columns = (places, log.customer[places], log.time[places] / SECOND, log.amount[places])
        for place, who, time, amount in zip(*(column.tolist() for column in columns), strict=True):
            what = What.ORDER if amount >= 0 else What.RETURN
            data = {} if lines is None else {"items": _items(lines, place)}
            yield Event(what, str(place), names[who], time, time, 0.0, abs(amount), currency, "", data, 0, place)


def _items(lines: Lines, place: int) -> list[dict[str, Any]]:
    """The products of an order as capture has them."""
    first, last = lines.first[place : place + 2]
    rows = zip(
        lines.sku[first:last].tolist(),
        lines.quantity[first:last].tolist(),
        np.round(lines.price[first:last], 4).tolist(),
        strict=True,
    )
    skus = lines.skus
    return [
        {"sku": skus[sku], "quantity": int(count) if count == int(count) else count, "unit_price": str(price)}
        for sku, count, price in rows
        if skus[sku]
    ]
