"""What is remembered of a customer for an aggregate over sliding windows of event time. Bounded, exact while small.

Facts are kept one by one while they are few; then those that lie together become one cell, which counts as old as its
newest fact. So a fact never leaves a window early, and late by less than a twelfth of the window (with a shorter
window beside it: of both together) and one second. The idea is that of exponential histograms (Datar, Gionis, Indyk
and Motwani 2002) with cells bounded in time instead of in count, so that sums, means and extremes keep the same bound.
"""

import math
from bisect import bisect_right, insort
from dataclasses import dataclass, field
from struct import Struct

SLOTS = 12  # cells of a window once facts are many
CELLS = 16  # cells kept for each window before they are joined
DIFFERENT = 32  # different values that are told apart
_FEW, _SUMS, _EXTREMES = Struct("<II"), Struct("<IIq"), Struct("<IIqqq")
_LATEST = Struct("<3sdq")
_VALUE = Struct("<II")
_CODE = Struct("<3s")
_LARGEST = 2**62
_LAST = 2**32 - 1

Cell = tuple[int, int, int, int, int]  # newest second, count, total, least, most


@dataclass(frozen=True, slots=True)
class Shape:
    """How a window's memory is laid out: its windows in seconds, shortest first, and what of the values it keeps."""

    windows: tuple[int, ...]
    sums: bool = False
    extremes: bool = False

    @property
    def layout(self) -> Struct:
        return _EXTREMES if self.extremes else _SUMS if self.sums else _FEW

    @property
    def most(self) -> int:
        return CELLS * len(self.windows)

    @property
    def largest(self) -> int:
        """Bytes it may take."""
        return _CODE.size + self.most * self.layout.size

    def late_by(self, window: int) -> float:
        """A fact counts in `window` for less than this many seconds too long."""
        return sum(w / SLOTS for w in self.windows if w <= window) + 1


@dataclass(slots=True)
class Cells:
    """Counts, totals (ten-thousandths) and extremes of facts by time. Money is of one currency at a time: the first
    that comes, until nothing of it is left in any window."""

    shape: Shape
    currency: str = ""
    cells: list[Cell] = field(default_factory=list)

    def add(self, at: float, value: int, currency: str = "") -> None:
        """A fact at `at`. Those of another currency, and those older than every window, leave no trace."""
        second, longest = _second(at), self.shape.windows[-1]
        newest = self.cells[-1][0] if self.cells else second
        if second <= newest - longest:
            return
        if currency != self.currency:
            if self.cells and second - newest < longest:
                return
            self.currency, self.cells = currency, []
        cell = (second, 1, value, value, value)
        if not self.cells or second >= self.cells[-1][0]:
            self.cells.append(cell)
        else:
            insort(self.cells, cell)
        if len(self.cells) > self.shape.most:
            self._join()

    def read(self, now: float, window: int, before: int | None = None) -> tuple[int, int]:
        """Count and total of the last `window` seconds before `now`, which is included; `before`: without those of the
        last so many seconds.
        """
        cells = self.cells
        first = bisect_right(cells, (now - window, math.inf))
        end = len(cells) if before is None else bisect_right(cells, (now - before, math.inf))
        count = total = 0
        for _, n, value, _, _ in cells[first:end]:
            count += n
            total += value
        return count, total

    def extremes(self, now: float, window: int) -> tuple[int, int] | None:
        """Least and most of the window; None when it is empty."""
        inside = self.cells[bisect_right(self.cells, (now - window, math.inf)) :]
        return (min(c[3] for c in inside), max(c[4] for c in inside)) if inside else None

    def leaves(self, now: float, window: int) -> float:
        """When the next fact falls out of the window; infinity when it is empty."""
        first = bisect_right(self.cells, (now - window, math.inf))
        return float(self.cells[first][0] + window) if first < len(self.cells) else math.inf

    def merge(self, other: "Cells") -> None:
        """The same memory of another key of the same customer. Of two currencies the one with more facts stays."""
        if self.currency != other.currency and self.cells and other.cells:
            if _weight(other) > _weight(self):
                self.currency, self.cells = other.currency, list(other.cells)
            return
        self.currency = self.currency if self.cells else other.currency
        self.cells = sorted(self.cells + other.cells)
        if len(self.cells) > self.shape.most:
            self._join()

    def _join(self) -> None:
        """Joins the cells that lie in the same slot of time; older ones have wider slots."""
        newest, windows = self.cells[-1][0], self.shape.windows
        joined: list[Cell] = []
        last: tuple[int, int] | None = None
        for cell in self.cells:
            window = next((w for w in windows if newest - cell[0] < w), None)
            if window is None:
                continue
            slot = (window, cell[0] * SLOTS // window)
            if slot == last:
                joined[-1] = _sum(joined[-1], cell)
            else:
                joined.append(cell)
            last = slot
        self.cells = joined

    def pack(self) -> bytes:
        layout, wide = self.shape.layout, len(self.shape.layout.unpack(bytes(self.shape.layout.size)))
        return _CODE.pack(self.currency.encode()) + b"".join(layout.pack(*cell[:wide]) for cell in self.cells)

    @classmethod
    def unpack(cls, shape: Shape, packed: bytes) -> "Cells":
        found = shape.layout.iter_unpack(packed[_CODE.size :])
        return cls(shape, _code(packed), [(*cell, 0, 0, 0)[:5] for cell in found])


@dataclass(slots=True)
class Latest:
    """The newest fact: when, and its value."""

    at: float = -math.inf
    value: int = 0
    currency: str = ""

    def add(self, at: float, value: int, currency: str = "") -> None:
        if at >= self.at:
            self.at, self.value, self.currency = at, value, currency

    def merge(self, other: "Latest") -> None:
        if (other.at, other.value, other.currency) > (self.at, self.value, self.currency):
            self.at, self.value, self.currency = other.at, other.value, other.currency

    def pack(self) -> bytes:
        return _LATEST.pack(self.currency.encode(), self.at, self.value)

    @classmethod
    def unpack(cls, packed: bytes) -> "Latest":
        code, at, value = _LATEST.unpack(packed)
        return cls(at, value, _code(code))

    largest = _LATEST.size


@dataclass(slots=True)
class Different:
    """When each different value was last seen; the latest 32 of them, by a hash of 32 bits."""

    window: int
    seen: dict[int, int] = field(default_factory=dict)

    def add(self, at: float, value: int) -> None:
        self.seen[value] = max(_second(at), self.seen.get(value, 0))
        self._forget()

    def count(self, now: float) -> int:
        return sum(at > now - self.window for at in self.seen.values())

    def leaves(self, now: float) -> float:
        """When the next value falls out of the window; infinity when it is empty."""
        return min((float(at + self.window) for at in self.seen.values() if at > now - self.window), default=math.inf)

    def merge(self, other: "Different") -> None:
        for value, at in other.seen.items():
            self.seen[value] = max(at, self.seen.get(value, 0))
        self._forget()

    def _forget(self) -> None:
        if len(self.seen) > DIFFERENT:
            kept = sorted(self.seen.items(), key=lambda item: (-item[1], item[0]))[:DIFFERENT]
            self.seen = dict(kept)

    def pack(self) -> bytes:
        return b"".join(_VALUE.pack(value, at) for value, at in sorted(self.seen.items()))

    @classmethod
    def unpack(cls, window: int, packed: bytes) -> "Different":
        return cls(window, dict(_VALUE.iter_unpack(packed)))

    largest = DIFFERENT * _VALUE.size


def _second(at: float) -> int:
    """Rounded up, so that no fact leaves early; what is before 1970 or after 2106 counts as the end of it."""
    return math.ceil(at) if 0.0 < at < _LAST else _LAST if at > 0.0 else 0


def _code(packed: bytes) -> str:
    return packed[:3].rstrip(b"\0").decode()


def _weight(cells: Cells) -> tuple[int, str]:
    return sum(cell[1] for cell in cells.cells), cells.currency


def _sum(a: Cell, b: Cell) -> Cell:
    """Two cells as one, as old as the newer `b`."""
    total = max(-_LARGEST, min(a[2] + b[2], _LARGEST))
    return b[0], min(a[1] + b[1], 2**32 - 1), total, min(a[3], b[3]), max(a[4], b[4])
