"""Completed examples on their way to the trainer, many in a record: one order in four completes some, and an alert must
not wait behind them in the outbox.

Each partition numbers its own: whoever folds the same records again, in other checkpoints, tells the same numbers.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

import orjson

from analytics.customers import CompletedExample
from analytics.events import EXAMPLES, emission, stable_id
from common.envelope import Envelope

_MOST_BYTES: Final = 256 * 1024  # of a record of several; the topic takes 2 MiB


class Lesson(NamedTuple):
    """The example a partition completed as its `number`th, from 1."""

    partition: int
    number: int
    example: CompletedExample

    @property
    def data(self) -> dict[str, Any]:
        """What the trainer is given: what the learner is, and where it stands."""
        return {**self.example.data, "place": [self.partition, self.number]}


def told(lessons: Iterable[Lesson]) -> Iterator[Envelope]:
    """Envelopes with as many examples each as fit, in the same order; an example is never cut."""
    part: list[Lesson] = []
    bodies: list[orjson.Fragment] = []
    size = 0
    for lesson in lessons:
        body = orjson.dumps(lesson.data)
        if part and size + len(body) > _MOST_BYTES:
            yield _envelope(part, bodies)
            part, bodies, size = [], [], 0
        part.append(lesson)
        bodies.append(orjson.Fragment(body))
        size += len(body)
    if part:
        yield _envelope(part, bodies)


def _envelope(part: list[Lesson], bodies: list[Any]) -> Envelope:
    first, last = part[0], part[-1]
    id_ = stable_id("examples", *first[:2], *last[:2])
    return emission(EXAMPLES, "", {"examples": bodies}, last.example.cause, last.example.now, id_)
