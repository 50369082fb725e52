"""Owners of partitions, without a bus: who takes one over, and what they find."""

from analytics.model_store import ModelStore
from analytics.ownership import Ownership
from analytics.task import Task, Topics, analytics_fold
from common.database import Database

TOPICS = Topics("facts", "triggers", "examples")


def owner(database: Database) -> Ownership:
    return Ownership(database, ModelStore(database), analytics_fold)


async def taken(ownership: Ownership, *partitions: int) -> dict[int, Task]:
    return {task.partition: task async for task in ownership.take(list(partitions))}
