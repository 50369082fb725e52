"""Triggers told ahead of their checkpoint: whoever folds the same records again tells only what was not told."""

from collections.abc import Sequence

import pytest

from analytics.checkpoint import Checkpoint
from analytics.events import Event
from analytics.orders import DAY
from analytics.ownership import Ownership
from analytics.task import Task
from analytics.telling import Telling
from analytics.writing import FencedError
from common.database import Database
from tests.analytics.owners import TOPICS, owner, taken
from tests.analytics.stories import START, order, regular

PARTITION, CALM = 3, 14


def log() -> list[Event]:
    """Steady orders of two customers, then one of each that is far from what they usually spend."""
    events = [event for who in ("c_1", "c_2") for event in regular(who, CALM, 7)]
    events += [order(who, START + CALM * 7 * DAY, 4_000) for who in ("c_1", "c_2")]
    for offset, event in enumerate(events):
        event.partition, event.offset = PARTITION, offset
    return events


async def held(ownership: Ownership) -> Task:
    return (await taken(ownership, PARTITION))[PARTITION]


def told(task: Task, events: Sequence[Event]) -> Telling:
    """What there is to tell once these are folded, as the runtime goes about it."""
    for event in events[task.folded :]:
        task.apply(event, event.id)
        task.leave_out_told(event)
        task.folded = event.offset + 1
    telling = Telling(TOPICS.triggers)
    task.tell(telling)
    return telling


def customers(telling: Telling) -> list[str]:
    return [step.key for step in telling.triggers]


async def count(database: Database, table: str) -> int:
    connection = await database.connect()
    try:
        return int(await connection.fetchval(f"SELECT count(*) FROM {table}"))
    finally:
        await connection.close()


async def test_what_was_told_before_a_crash_is_not_told_again(database: Database) -> None:
    events, one, two = log(), owner(database), owner(database)
    before = told(await held(one), events[:-1])
    await one.teller.write(before)
    assert customers(before) == ["c_1"]

    after = await held(two)
    assert (after.written, after.told) == (0, len(events) - 1)
    rest = told(after, events)
    assert customers(rest) == ["c_2"]
    await two.teller.write(rest)
    checkpoint = Checkpoint()
    after.collect(checkpoint, TOPICS)
    await two.writer.write(checkpoint)
    assert await count(database, "triggers") == await count(database, "decisions") == 2
    assert await count(database, "outbox") >= 2
    later = await held(owner(database))
    assert (later.written, later.told) == (len(events), len(events))
    assert later.examples == after.examples > 0


async def test_a_former_owner_tells_nobody(database: Database) -> None:
    one = owner(database)
    telling = told(await held(one), log())
    await held(owner(database))
    with pytest.raises(FencedError):
        await one.teller.write(telling)
    assert await count(database, "outbox") == 0


async def test_a_telling_whose_answer_was_lost_is_not_repeated(database: Database) -> None:
    one = owner(database)
    telling = told(await held(one), log())
    await one.teller.write(telling)
    await one.teller.write(telling)
    assert await count(database, "outbox") == len(telling.triggers)


async def test_a_checkpoint_need_not_have_anything_to_tell(database: Database) -> None:
    events, one = log()[:CALM], owner(database)
    task = await held(one)
    assert not told(task, events).places
    checkpoint = Checkpoint()
    task.collect(checkpoint, TOPICS)
    await one.writer.write(checkpoint)
    again = await held(owner(database))
    assert (again.written, again.told) == (CALM, 0)
