"""Taking partitions over: what stands as it was left is not loaded again, what another wrote meanwhile is."""

import pytest

from analytics.checkpoint import Checkpoint
from analytics.orders import DAY
from analytics.ownership import Ownership
from analytics.task import Task
from analytics.writing import FencedError
from common.database import Database
from tests.analytics.owners import TOPICS, owner, taken
from tests.analytics.stories import START, regular


async def folded(ownership: Ownership, task: Task, orders: int = 8) -> None:
    """Orders of a customer of this partition, as a checkpoint of their owner leaves them."""
    checkpoint = Checkpoint()
    for event in regular(f"c_{task.partition}", orders, 7, start=START + task.folded * 7 * DAY):
        task.apply(event, event.id)
        task.folded += 1
    task.collect(checkpoint, TOPICS)
    await ownership.writer.write(checkpoint)


async def test_what_was_left_and_nobody_took_comes_back_as_it_was(database: Database) -> None:
    one = owner(database)
    tasks = await taken(one, 3, 5)
    await folded(one, tasks[3])
    one.leave(tasks)
    again = await taken(one, 3, 4)
    assert again[3] is tasks[3]
    assert again[3].written == 8
    assert again[4].written == 0
    await folded(one, again[3])


async def test_what_another_wrote_meanwhile_is_loaded(database: Database) -> None:
    one, two = owner(database), owner(database)
    left = await taken(one, 3)
    await folded(one, left[3])
    one.leave(left)
    theirs = await taken(two, 3)
    await folded(two, theirs[3], orders=12)
    again = await taken(one, 3)
    assert again[3] is not left[3]
    assert again[3].written == 20
    assert again[3].fold.state() == theirs[3].fold.state()
    assert len(again[3].fold) == 1
    with pytest.raises(FencedError):
        await folded(two, theirs[3])


async def test_what_another_only_held_is_claimed_from_them(database: Database) -> None:
    one, two = owner(database), owner(database)
    left = await taken(one, 3)
    one.leave(left)
    theirs = await taken(two, 3)
    await taken(one, 3)
    with pytest.raises(FencedError):
        await folded(two, theirs[3])
