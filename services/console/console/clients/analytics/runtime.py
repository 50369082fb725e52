"""The partitions that one process of analytics owns."""

from datetime import datetime

from console.clients.base import Answer


class Partition(Answer):
    partition: int
    next_offset: int | None = None
    lag: int | None = None
    event_time: datetime | None = None
    customers: int | None = None


class Runtime(Answer):
    """What one process owns."""

    owner: str | None = None
    partitions: list[Partition]
