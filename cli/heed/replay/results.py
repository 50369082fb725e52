"""What comes of a replay: the tables as it goes on, and what the report needs of it."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from analytics.operators.base import Noted
from common.envelope import Envelope
from heed.replay.figures import Judge
from heed.replay.options import Settings
from heed.replay.reading import Log
from heed.replay.rows import DAY, SECOND
from heed.replay.writing import NOT_ENOUGH, Tables

_EXAMPLES_OF_A_KIND = 4
_SHOWN = (
    "trigger",
    "kind",
    "customer",
    "time",
    "direction",
    "severity",
    "sentence",
    "expected",
    "observed",
    "score",
    "reasons",
    "recent_orders",
    "suggested_step",
    "model_version",
)


class Alerts:
    """Counts of what was raised, and the strongest examples of each kind."""

    def __init__(self, log: Log, every: int) -> None:
        self._log, self._every = log, every * DAY
        self._spans = max(1, -((log.start - log.end) // self._every))
        self.raised: Counter[str] = Counter()
        self.steps: Counter[str] = Counter()
        self.customers: set[str] = set()
        self.by_span: Counter[int] = Counter()
        self.alarms: list[dict[str, Any]] = []
        self._examples: dict[str, list[Mapping[str, Any]]] = {}

    def decided(self, action: str, step: Envelope) -> None:
        """One step of a trigger."""
        self.steps[action] += 1
        if action != "raised":
            return
        data = step.data
        self.raised[data["kind"]] += 1
        self.customers.add(data["customer"])
        self.by_span[self._span(round(step.time.timestamp() * SECOND))] += 1
        examples = self._examples.setdefault(data["kind"], [])
        examples.append({name: data[name] for name in _SHOWN})
        examples.sort(key=lambda example: -example["score"])
        del examples[_EXAMPLES_OF_A_KIND:]

    def _span(self, time: int) -> int:
        """The last one also holds what the closing midnight itself says."""
        return min((time - self._log.start) // self._every, self._spans - 1)

    def over_time(self) -> list[dict[str, Any]]:
        """Events and alerts raised per span of the grid."""
        spans = (self._log.time - self._log.start) // self._every
        events = np.bincount(spans, minlength=self._spans).tolist()
        return [
            {"from": _day(self._log.start + i * self._every), "events": count, "raised": self.by_span[i]}
            for i, count in enumerate(events)
        ]

    def examples(self) -> list[Mapping[str, Any]]:
        """The strongest of each kind, kinds by their name."""
        return [example for kind in sorted(self._examples) for example in self._examples[kind]]


class Results:
    """Takes the driver's answers (its `Output`)."""

    def __init__(self, log: Log, settings: Settings, tables: Tables) -> None:
        self._log, self._tables = log, tables
        self.judge = Judge(log, settings.horizon)
        self.alerts = Alerts(log, settings.score_every)
        self.scored_rows = 0
        self.last_segments: Counter[str] = Counter()
        self.last_enough = 0

    def noticed(self, event: int, noted: Noted) -> None:
        self._tables.noticed(event, noted)

    @property
    def flagged(self) -> int:
        """Events so far from usual that they do not teach."""
        return self._tables.flagged

    def scored(self, as_of: float, scores: Mapping[int, Mapping[str, Any]]) -> None:
        moment = round(as_of * SECOND)
        seen = self.judge.seen(moment)
        self._tables.scored(as_of, seen, scores)
        self.judge.take(moment, scores)
        self.scored_rows += seen.size
        self.last_segments = Counter(row["segment"] for row in scores.values() if row.get("segment"))
        self.last_enough = sum(row.get("evidence", NOT_ENOUGH) != NOT_ENOUGH for row in scores.values())

    def decided(self, action: str, step: Envelope, events: list[int]) -> None:
        self._tables.decided(action, step, events)
        self.alerts.decided(action, step)

    def alarmed(self, alarm: Envelope) -> None:
        self.alerts.alarms.append({"type": alarm.type, "time": alarm.time.isoformat(), **alarm.data})


def _day(time: int) -> str:
    return str(np.datetime64(time, "us").astype("datetime64[D]"))
