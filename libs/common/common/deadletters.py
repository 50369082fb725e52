"""Where invalid records go, with where they came from and why; past a limit the consumer halts instead."""

from collections import deque
from typing import Protocol

from common.bus import Message, Publisher


class Record(Protocol):
    """What a Kafka record offers; the names are aiokafka's."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


class TooManyDeadLettersError(Exception):
    """So much is invalid that the fault is more likely here than in the records: a person has to look."""


class DeadLetterLimit:
    """Halts after `run` invalid records in a row, or when more than `ratio` of the last `window` were."""

    def __init__(self, *, run: int = 200, window: int = 2_000, ratio: float = 0.25) -> None:
        self._run, self._ratio = run, ratio
        self._recent: deque[bool] = deque(maxlen=window)
        self._in_a_row = 0

    def good(self, count: int = 1) -> None:
        self._in_a_row = 0
        self._recent.extend([False] * count)

    def bad(self) -> None:
        """Raises TooManyDeadLettersError past the limit."""
        self._in_a_row += 1
        self._recent.append(True)
        full = len(self._recent) == self._recent.maxlen
        if self._in_a_row >= self._run or (full and sum(self._recent) > self._ratio * len(self._recent)):
            raise TooManyDeadLettersError(f"{self._in_a_row} invalid records in a row")


class DeadLetters:
    """Publishes to the dead-letter topic; returns after the ack."""

    def __init__(self, publisher: Publisher, topic: str, group: str) -> None:
        self._publisher, self._topic, self._group = publisher, topic, group

    async def bury(self, record: Record, reason: str) -> None:
        origin = {
            "heed-reason": reason,
            "heed-group": self._group,
            "heed-topic": record.topic,
            "heed-partition": str(record.partition),
            "heed-offset": str(record.offset),
        }
        headers = [*record.headers, *((name, text.encode()) for name, text in origin.items())]
        key = (record.key or b"").decode("utf-8", "replace")
        await self._publisher.publish([Message(self._topic, key, record.value or b"", headers)])
