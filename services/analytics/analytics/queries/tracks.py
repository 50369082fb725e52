"""What a rule asks to be remembered of each customer, and the memory that answers it."""

from dataclasses import dataclass, field
from enum import Enum
from zlib import crc32

from analytics.events import Event
from analytics.queries.streams import Stream
from analytics.queries.windows import Cells, Different, Latest, Shape

Memory = Cells | Latest | Different


class Keeps(Enum):
    """The three kinds of memory."""

    CELLS = "cells"
    LATEST = "latest"
    DIFFERENT = "different"


@dataclass(slots=True, eq=False)
class Track:
    """A stream and the windows over it that a rule looks at. Two with the same `text` are one and the same.

    `number` names it in a customer's memory; the book of rules gives it.
    """

    stream: Stream
    keeps: Keeps
    windows: set[int] = field(default_factory=set)
    sums: bool = False
    extremes: bool = False
    number: int = 0
    shape: Shape = field(init=False, default_factory=lambda: Shape((0,)))

    def settle(self) -> None:
        """Once the whole rule is read."""
        self.shape = Shape(tuple(sorted(self.windows)) or (0,), self.sums or self.extremes, self.extremes)

    @property
    def text(self) -> str:
        """Its name, the same whenever the same is remembered."""
        values = "extremes" if self.extremes else "sums" if self.sums else "counts"
        what = values if self.keeps is Keeps.CELLS else self.keeps.value
        return " | ".join((self.stream.text, what, *(f"{window}s" for window in self.shape.windows if window)))

    @property
    def largest(self) -> int:
        """The most bytes it takes for a customer."""
        if self.keeps is Keeps.CELLS:
            return self.shape.largest
        return Latest.largest if self.keeps is Keeps.LATEST else Different.largest

    def add(self, memory: dict[int, Memory], event: Event) -> bool:
        """Remembers what this fact adds. False when it adds nothing."""
        return self._different(memory, event) if self.keeps is Keeps.DIFFERENT else self._number(memory, event)

    def _number(self, memory: dict[int, Memory], event: Event) -> bool:
        value = self.stream.number(event)
        if value is None:
            return False
        found = memory.get(self.number)
        if not isinstance(found, Cells | Latest):
            found = memory[self.number] = Cells(self.shape) if self.keeps is Keeps.CELLS else Latest()
        found.add(event.time, value, event.currency if self.stream.is_money else "")
        return True

    def _different(self, memory: dict[int, Memory], event: Event) -> bool:
        found = memory.get(self.number)
        if not isinstance(found, Different):
            found = Different(self.shape.windows[-1])
        for text in self.stream.texts(event):
            found.add(event.time, crc32(text.encode()))
            memory[self.number] = found
        return self.number in memory

    def unpack(self, packed: bytes) -> Memory:
        """The inverse of a memory's `pack`."""
        if self.keeps is Keeps.CELLS:
            return Cells.unpack(self.shape, packed)
        return Latest.unpack(packed) if self.keeps is Keeps.LATEST else Different.unpack(self.shape.windows[-1], packed)
