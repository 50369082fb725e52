"""What was before a rule: collected from the log, tried on it, merged with who turned out to be the same."""

import json
import math
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import jsonschema
import pytest

from analytics.announcing import announcements
from analytics.collecting import Collector, Past
from analytics.events import QUERY_ACTIVATED, QUERY_PRIMED, QUERY_RETIRED, Event, What
from analytics.log_reader import LogReader, log_reader, partition_of
from analytics.operators.standing_query import begin
from analytics.orders import DAY
from analytics.queries.book import Active, RulesPopulation
from analytics.queries.checking import check
from analytics.queries.history import Histories
from analytics.queries.remembered import Remembered
from analytics.trial import Trial
from common.topics import PARTITIONS
from tests.analytics.conftest import Tell
from tests.analytics.stories import START, order, tick, ticket, ticks
from tests.analytics.test_queries import CONTRACTS, activated, rules_said, running

RULE = "count(order) over 7d >= 3"


def told(rule: str = RULE) -> dict[str, object]:
    return dict(activated(rule).data)


def merged(losing: str, surviving: str, at: float) -> Event:
    return Event(What.CONTACT_MERGED, f"m {losing}", losing, at, at, data={"surviving": surviving})


def memory_of(histories: dict[int, bytes], customer: str) -> Remembered:
    return Histories.unpack(histories[partition_of(customer)]).of_customers[customer]


def test_a_past_is_what_a_task_would_remember() -> None:
    facts = [order("c_a", START + day * DAY) for day in range(3)]
    collector, fold = Collector(0, told(), frozenset({1})), running(RULE)
    for event in [*facts, facts[1]]:  # one of them told twice
        collector.take(event)
    for event in facts:
        fold.apply(event)
    remembered = fold.profile("c_a").of(Remembered)  # type: ignore[union-attr]
    assert collector.memories()["c_a"].parts() == remembered.parts()
    assert collector.memories()["c_a"].since == START


def test_tracks_whose_past_is_known_are_left_out() -> None:
    collector = Collector(0, told("count(order) over 7d > 3 and no(order) over 3d"), frozenset({2}))
    collector.take(order("c_a", START))
    assert [number for number, _ in collector.memories()["c_a"].parts()] == [2]


def test_a_past_goes_along_with_whoever_turned_out_to_be_somebody_else() -> None:
    """Through a chain of merges, to the partition of the last one."""
    past, customers = Past(-math.inf), ("c_first", "c_second", "c_last")
    homes = {customer: partition_of(customer) for customer in customers}
    for partition in range(PARTITIONS):
        collector = Collector(partition, told(), frozenset({1}))
        for customer in (c for c in customers if homes[c] == partition):
            collector.take(order(customer, START))
        for losing, surviving in pairwise(customers):
            if homes[losing] == partition:
                collector.take(merged(losing, surviving, START + DAY))
        past.keep(collector)

    remembered = memory_of(past.histories(partition_of), "c_last")
    assert len(remembered.parts()) == 3
    assert remembered.recall({track.number: track for track in _numbered()})[1].read(START, 7 * 86_400) == (3, 0)  # type: ignore[union-attr]


def _numbered() -> Any:
    return check(RULE).tracks


def test_a_trial_counts_what_happened_in_its_days_and_who_is_left() -> None:
    trial = Trial(0, check("tickets.open > 1"), -math.inf, START, {})
    for customer, at in (("c_before", START - DAY), ("c_a", START + DAY), ("c_b", START + 2 * DAY)):
        trial.take(ticket(customer, at))
        trial.take(ticket(customer, at + 1))
    solving = Event(What.TICKET_STATUS, "s", "c_a", START + 3 * DAY, START + 3 * DAY, data={"status": "solved"})
    trial.take(solving)
    assert [(f.customer, f.time) for f in trial.firings] == [("c_a", START + DAY + 1), ("c_b", START + 2 * DAY + 1)]
    assert trial.holding == {"c_before", "c_b"}


def test_a_trial_hears_of_absences_and_not_of_other_rules() -> None:
    trial = Trial(0, check("no(order) over 5d"), -math.inf, START, {})
    trial.take(activated("tickets.open > 0"))
    for event in [order("c_a", START), ticket("c_a", START), *ticks(START, START + 6 * DAY)]:
        trial.take(event)
    assert [(f.customer, f.time) for f in trial.firings] == [("c_a", START + 5 * DAY)]


def test_a_rule_that_begins_touches_nobody_it_says_nothing_of() -> None:
    fold = running("tickets.open > 5")
    fold.apply(order("c_a", START))
    before = fold.profile("c_a")
    assert before is not None
    rule = next(iter(fold.world.of(RulesPopulation).rules.values()))
    assert isinstance(rule, Active)
    assert begin(before, rule, START, fold.world) is None
    assert rules_said(fold.take_changes().triggers) == []


@pytest.mark.parametrize(
    ("type_", "more"),
    [
        (QUERY_ACTIVATED, ("name", "rule", "severity", "direction", "tracks")),
        (QUERY_PRIMED, ("covered_from",)),
        (QUERY_RETIRED, ()),
    ],
)
def test_what_is_announced_keeps_its_contract(type_: str, more: tuple[str, ...]) -> None:
    known = {**told(), "covered_from": None}
    data = {name: known[name] for name in ("query", "number", *more)}
    messages = announcements(type_, "facts", data, datetime.now(UTC))
    assert [message.partition for message in messages] == list(range(PARTITIONS))
    schema = json.loads((CONTRACTS / f"{type_}.json").read_text())["schema"]
    for message in messages:
        jsonschema.validate(json.loads(message.value), schema)


@pytest.fixture
async def reader(kafka: str, topic_prefix: str) -> Any:
    async with log_reader(kafka, f"{topic_prefix}.customer-facts") as reader:
        yield reader


async def test_a_part_of_the_log_is_as_recent_as_it_can_be_within_its_bound(tell: Tell, reader: LogReader) -> None:
    await tell([order(f"c_{n}", START + n, n=n) for n in range(600)])
    await tell([tick(START)])
    now = datetime.now(UTC).timestamp()

    everything = await reader.part(0.0, now, 10_000_000)
    assert everything.since == -math.inf
    assert everything.records >= 600 + PARTITIONS
    nothing = await reader.part(now + 60, now + 60, 10)
    assert nothing.records == 0
    little = await reader.part(0.0, now + 60, 100)
    assert little.records <= 100
    assert little.since > now - DAY

    read = []
    for partition, first in everything.first.items():
        async for record, event in reader.events(partition, first, everything.end[partition]):
            assert record.partition == partition
            read.append(event)
    assert len({event.id for event in read if event.what is What.ORDER}) >= 600
    assert {partition_of(event.customer) for event in read if event.customer == "c_1"} == {partition_of("c_1")}
