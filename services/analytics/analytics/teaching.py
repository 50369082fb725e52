"""Completed examples on their way to the trainer, many in a record: one order in four completes some, and an alert must
not wait behind them in the outbox.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import orjson

from analytics.customers import CompletedExample
from analytics.events import EXAMPLES, emission, stable_id
from common.envelope import Envelope

_MOST_BYTES: Final = 256 * 1024  # of a record of several; the topic takes 2 MiB


def told(examples: Iterable[CompletedExample]) -> Iterator[Envelope]:
    """Envelopes with as many examples each as fit, in the same order; an example is never cut."""
    part: list[CompletedExample] = []
    bodies: list[orjson.Fragment] = []
    size = 0
    for example in examples:
        body = orjson.dumps(example.data)
        if part and size + len(body) > _MOST_BYTES:
            yield _envelope(part, bodies)
            part, bodies, size = [], [], 0
        part.append(example)
        bodies.append(orjson.Fragment(body))
        size += len(body)
    if part:
        yield _envelope(part, bodies)


def _envelope(part: list[CompletedExample], bodies: list[Any]) -> Envelope:
    first, last = part[0], part[-1]
    # A customer's two orders of one moment complete examples of the same id: their causes tell them apart.
    id_ = stable_id("examples", first.id, last.id, last.cause.id)
    return emission(EXAMPLES, "", {"examples": bodies}, last.cause, last.now, id_)
