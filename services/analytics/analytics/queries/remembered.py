"""What is remembered of one customer for the rules: a section of the profile."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from struct import Struct

from analytics.queries.tracks import Memory, Track
from analytics.sections import Section, stored

_QUIET = Struct("<Hd")
_PART = Struct("<HH")


@dataclass(slots=True)
class Remembered(Section):
    """`since`: when the customer was first heard of; `checked`: the moment the rules were last looked at, which never
    goes back; `quiet`: rules that say nothing before a moment, by number. Memories are by the numbers of their tracks.

    Memories stay packed until `recall` gives them the shape of their track; after a merge there are two of a number.
    """

    since: float = math.inf
    checked: float = 0.0
    quiet: dict[int, float] = field(default_factory=dict)
    packed: list[tuple[int, bytes]] = field(default_factory=list)
    memory: dict[int, Memory] = field(default_factory=dict)

    def recall(self, tracks: Mapping[int, Track]) -> dict[int, Memory]:
        """The memories of these tracks; those of others are forgotten."""
        if not self.packed and self.memory.keys() <= tracks.keys():
            return self.memory
        for number, packed in self.packed:
            if number in tracks:
                self.take_in(number, tracks[number].unpack(packed))
        self.packed.clear()
        for number in [number for number in self.memory if number not in tracks]:
            del self.memory[number]
        return self.memory

    def take_in(self, number: int, theirs: Memory) -> None:
        """Adds a memory of the same track and customer, from before or from another key."""
        ours = self.memory.setdefault(number, theirs)
        if ours is not theirs:
            ours.merge(theirs)  # type: ignore[arg-type]  # one track has one kind of memory

    def forget(self) -> None:
        """There are no rules any more."""
        self.quiet.clear()
        self.packed.clear()
        self.memory.clear()

    def parts(self) -> list[tuple[int, bytes]]:
        """All memories, packed."""
        return [*self.packed, *((number, memory.pack()) for number, memory in sorted(self.memory.items()))]

    def pack(self) -> bytes:
        if self == Remembered():
            return b""
        parts = self.parts()
        head = self.LAYOUT.pack(self.since, self.checked, len(self.quiet), len(parts))
        quiet = [_QUIET.pack(number, until) for number, until in sorted(self.quiet.items())]
        return b"".join((head, *quiet, *(_PART.pack(number, len(part)) + part for number, part in parts)))

    @classmethod
    def unpack(cls, packed: bytes) -> "Remembered":
        if not packed:
            return cls()
        since, checked, n_quiet, n_parts = cls.LAYOUT.unpack_from(packed)
        at = cls.LAYOUT.size
        end = at + n_quiet * _QUIET.size
        quiet, parts = dict(_QUIET.iter_unpack(packed[at:end])), []
        for _ in range(n_parts):
            number, size = _PART.unpack_from(packed, end)
            parts.append((number, packed[end + _PART.size : end + _PART.size + size]))
            end += _PART.size + size
        return cls(since, checked, quiet, parts)

    def merge(self, other: "Remembered") -> None:
        self.since = min(self.since, other.since)
        self.checked = max(self.checked, other.checked)
        for number, until in other.quiet.items():
            self.quiet[number] = max(until, self.quiet.get(number, until))
        self.packed += other.parts()


stored(Remembered, 70, Struct("<2dBB"))
