"""What a rule would have said in the last days, from the log. Bounded: in records, and in time."""

import time
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

from analytics.events import Event, What
from analytics.log_reader import LogReader
from analytics.operators.base import Adopted
from analytics.orders import DAY
from analytics.queries.checking import Plan
from analytics.trial import Firing, Trial

MOST_SHOWN = 200


@dataclass
class Answer:
    """`since` and `until` bound what was looked at (seconds since 1970); `complete`: all of the days that were asked.

    `holding`: of how many customers the rule is true at the end.
    """

    since: float
    until: float
    days: int
    firings: list[Firing] = field(default_factory=list)
    holding: int = 0
    records: int = 0
    of_records: int = 0

    @property
    def complete(self) -> bool:
        return self.records >= self.of_records and self.since <= self.until - self.days * DAY


async def dry_run(
    reader: LogReader,
    plan: Plan,
    days: int,
    now: float,
    models: Mapping[str, Adopted],
    *,
    most_records: int,
    seconds: float,
) -> Answer:
    """Folds the days, and before them what the rule looks back to. Raises KafkaError where the bus is away."""
    begun, count_from = time.monotonic(), now - days * DAY
    # States are what came of a customer's whole life.
    wanted = 0.0 if plan.states else count_from - plan.horizon
    part = await reader.part(wanted, now, most_records)
    answer = Answer(max(count_from, part.since), now, days, of_records=part.records)
    for partition, first in part.first.items():
        trial, last = Trial(partition, plan, part.since, count_from, models), first
        async with aclosing(reader.events(partition, first, part.end[partition])) as events:
            async for record, event in events:
                if last == first:
                    trial.take(_tick(record.timestamp / 1000))
                trial.take(event)
                last = record.offset + 1
                if time.monotonic() - begun > seconds:
                    break
            else:
                last = part.end[partition]
        trial.take(_tick(now))
        answer.records += last - first
        answer.firings += trial.firings
        answer.holding += len(trial.holding)
    answer.firings.sort(key=lambda firing: (-firing.time, firing.customer))
    return answer


def _tick(at: float) -> Event:
    return Event(What.TICK, "trial", "", at, at)
