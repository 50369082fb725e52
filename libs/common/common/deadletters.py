"""Where invalid records go, with where they came from and why; past a limit the consumer halts instead."""

from collections import deque
from collections.abc import Sequence

from common.bus import Message, Publisher
from common.record import Record

_MAX_REASON = 1_000


class TooManyDeadLettersError(Exception):
    """So much is invalid that the fault is more likely here than in the records: a person has to look."""


class DeadLetterLimit:
    """Halts at `run` invalid records in a row, or when more than `ratio` of the last `window` were."""

    def __init__(self, *, run: int = 200, window: int = 2_000, ratio: float = 0.25) -> None:
        self._run, self._ratio = run, ratio
        self._recent: deque[bool] = deque(maxlen=window)
        self._in_a_row = 0

    def check(self, invalid: Sequence[bool]) -> None:
        """Raises TooManyDeadLettersError when a batch with these outcomes would pass the limit. Counts nothing."""
        trial = DeadLetterLimit(run=self._run, window=self._recent.maxlen or 0, ratio=self._ratio)
        trial._recent, trial._in_a_row = self._recent.copy(), self._in_a_row
        for bad in invalid:
            trial.add([bad])
            if trial._passed():
                raise TooManyDeadLettersError(f"{trial._in_a_row} invalid records in a row")

    def add(self, invalid: Sequence[bool]) -> None:
        """Counts a batch: one outcome a record, True for an invalid one."""
        for bad in invalid:
            self._in_a_row = self._in_a_row + 1 if bad else 0
        self._recent.extend(invalid)

    def _passed(self) -> bool:
        full = len(self._recent) == self._recent.maxlen
        return self._in_a_row >= self._run or (full and sum(self._recent) > self._ratio * len(self._recent))


class DeadLetters:
    """Publishes to the dead-letter topic; returns after the ack."""

    def __init__(self, publisher: Publisher, topic: str, group: str) -> None:
        self._publisher, self._topic, self._group = publisher, topic, group

    async def bury(self, record: Record, reason: str) -> None:
        """Raises TransientError when the bus is away."""
        await self.bury_all([(record, reason)])

    async def bury_all(self, letters: Sequence[tuple[Record, str]]) -> None:
        """Several records at once, in order. Raises TransientError when the bus is away."""
        await self._publisher.publish([self._message(record, reason) for record, reason in letters])

    def _message(self, record: Record, reason: str) -> Message:
        origin = {
            "heed-reason": reason[:_MAX_REASON],
            "heed-group": self._group,
            "heed-topic": record.topic,
            "heed-partition": str(record.partition),
            "heed-offset": str(record.offset),
        }
        given = [(name, value or b"") for name, value in record.headers]
        headers = [*given, *((name, text.encode("utf-8", "replace")) for name, text in origin.items())]
        return Message(self._topic, (record.key or b"").decode("utf-8", "replace"), record.value or b"", headers)
