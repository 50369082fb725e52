"""What a rule may look at: one customer at one moment, or what was written down of such a moment."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from analytics.queries.tracks import Memory, Track
from analytics.queries.windows import Cells, Different, Latest

Value = float | str | bool | None
StateReader = Callable[[str], tuple[float | str, str] | None]


class Leaf(Protocol):
    """Part of a rule that is read and not computed. `key` names it."""

    @property
    def key(self) -> str: ...
    def measure(self, view: "Now") -> Value: ...
    def currency(self, view: "Now") -> str: ...


class View(Protocol):
    def read(self, leaf: Leaf) -> Value: ...
    def agree(self, leaves: Iterable[Leaf], currency: str) -> bool: ...


class Now:
    """One customer at `now` (seconds since 1970). `since` is when they were first heard of.

    `covered` says from when on each track has seen everything; what reaches back further is unknown.
    """

    __slots__ = ("_covered", "_memory", "_states", "now", "since")

    def __init__(
        self, now: float, since: float, memory: Mapping[int, Memory], covered: Mapping[int, float], states: StateReader
    ) -> None:
        self.now, self.since = now, since
        self._memory, self._covered, self._states = memory, covered, states

    def read(self, leaf: Leaf) -> Value:
        return leaf.measure(self)

    def agree(self, leaves: Iterable[Leaf], currency: str) -> bool:
        """Whether all amounts are of one currency, and of the one named if any is."""
        return len({currency, *(leaf.currency(self) for leaf in leaves)} - {""}) <= 1

    def state(self, name: str) -> tuple[float | str, str] | None:
        """A state value with its currency (empty for all but money); None while it is unknown."""
        return self._states(name)

    def complete(self, track: Track, window: int) -> bool:
        """Whether the track saw all of the last `window` seconds."""
        return self.now - window >= self._covered.get(track.number, -math.inf)

    def covered_from(self, track: Track) -> float:
        return self._covered.get(track.number, -math.inf)

    def cells(self, track: Track) -> Cells | None:
        """None when nothing was remembered."""
        found = self._memory.get(track.number)
        return found if isinstance(found, Cells) else None

    def latest(self, track: Track) -> Latest | None:
        found = self._memory.get(track.number)
        return found if isinstance(found, Latest) else None

    def different(self, track: Track) -> Different | None:
        found = self._memory.get(track.number)
        return found if isinstance(found, Different) else None


class Recorded:
    """The values of a decision as they were stored."""

    def __init__(self, values: Mapping[str, Value]) -> None:
        self._values = values

    def read(self, leaf: Leaf) -> Value:
        return self._values.get(leaf.key)

    def agree(self, leaves: Iterable[Leaf], currency: str) -> bool:
        """Values that did not agree were never stored."""
        return True
