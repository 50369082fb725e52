"""What Heed remembers of one customer: a small core and the operators' sections, packed about 1 KiB, 3 at most.

Times are seconds since 1970 (UTC, float).
"""

import math
import struct
from dataclasses import dataclass, field
from typing import Final

from analytics.pending import Pending
from analytics.sections import S, Sections

NEVER: Final = math.inf
WEEKLY: Final = 0  # the timer of the scoring moments; an operator's own timer has its kind's number

_VERSION: Final = 3
_HEAD: Final = struct.Struct("<Bd3dHBB")  # version and next due first: `peek` reads them alone
_TIMER: Final = struct.Struct("<Hd")
_EPISODE: Final = struct.Struct("<HB16sdddH")
_AHEAD: Final = struct.Struct("<xd8xd")  # of the head: next due, and until when an import is open


@dataclass(slots=True)
class Episode:
    """One kind of noticing from raised to cleared. `silent` ones happened in imported history: nobody is told."""

    kind: int
    trigger: bytes
    opened_at: float
    updated_at: float
    score: float
    updates: int = 0
    silent: bool = False


@dataclass(slots=True)
class Profile:
    """One customer. Everything here is learned from the log and nothing else.

    `timers` holds when each operator wants to be asked again; `segment` is the number of the customer's segment, 0
    while none is known; `pending` are features that wait for their label, kept apart from the rest.
    """

    last_event_at: float = 0.0
    import_open: float = 0.0
    backfill_until: float = 0.0
    segment: int = 0
    timers: dict[int, float] = field(default_factory=dict)
    episodes: dict[int, Episode] = field(default_factory=dict)
    sections: Sections = field(default_factory=Sections)
    pending: Pending = field(default_factory=Pending)

    def of(self, cls: type[S]) -> S:
        """A section, to be read and changed; a new one where there was none."""
        found: S | None = self.sections.opened.get(cls)
        return self.sections.of(cls) if found is None else found

    def get(self, cls: type[S]) -> S | None:
        """A section where there is one; asking does not make it."""
        return self.sections.get(cls)

    def next_due(self) -> float:
        """When the earliest timer rings; infinity for none."""
        earliest = NEVER
        for due in self.timers.values():
            if due < earliest:
                earliest = due
        return earliest

    def set_timer(self, kind: int, due: float) -> None:
        """`NEVER` stops it."""
        if due == NEVER:
            self.timers.pop(kind, None)
        else:
            self.timers[kind] = due


def pack(profile: Profile) -> bytes:
    """The profile as bytes; the same profile always gives the same bytes."""
    p = profile
    head = _HEAD.pack(
        _VERSION,
        p.next_due(),
        p.last_event_at,
        p.import_open,
        p.backfill_until,
        p.segment,
        len(p.timers),
        len(p.episodes),
    )
    timers = [_TIMER.pack(kind, due) for kind, due in sorted(p.timers.items())]
    episodes = [
        _EPISODE.pack(e.kind, e.silent, e.trigger, e.opened_at, e.updated_at, e.score, e.updates)
        for _, e in sorted(p.episodes.items())
    ]
    return b"".join((head, *timers, *episodes, p.sections.pack()))


def peek(packed: bytes) -> tuple[float, bool]:
    """The next due moment and whether an import is open, without unpacking the rest."""
    due, import_open = _AHEAD.unpack_from(packed)
    return due, import_open > 0


def open_episodes(packed: bytes) -> list[int]:
    """The keys of the open episodes, without unpacking the rest."""
    *_, n_timers, n_episodes = _HEAD.unpack_from(packed)
    at = _HEAD.size + n_timers * _TIMER.size
    return [key for key, *_ in _EPISODE.iter_unpack(packed[at : at + n_episodes * _EPISODE.size])]


def readable(packed: bytes) -> bool:
    """Whether this code knows the form."""
    return packed[0] == _VERSION


def unpack(packed: bytes, pending: bytes = b"") -> Profile:
    """The inverse of `pack`. Raises ValueError for a layout this code does not know."""
    if not readable(packed):
        raise ValueError(f"profile layout {packed[0]} is not known")
    _, _, last, importing, until, segment, n_timers, n_episodes = _HEAD.unpack_from(packed)
    at = _HEAD.size
    end = at + n_timers * _TIMER.size
    timers = dict(_TIMER.iter_unpack(packed[at:end]))
    at, end = end, end + n_episodes * _EPISODE.size
    episodes = {}
    for kind, silent, trigger, opened, updated, score, updates in _EPISODE.iter_unpack(packed[at:end]):
        episodes[kind] = Episode(kind, trigger, opened, updated, score, updates, bool(silent))
    sections = Sections.unpack(packed, end)
    return Profile(last, importing, until, segment, timers, episodes, sections, Pending.unpack(pending))
