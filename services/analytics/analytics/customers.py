"""The customers of one partition in memory: packed, unpacked only while they change."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from analytics.events import Event
from analytics.operators.base import Example, Noted
from analytics.profile import NEVER, Profile, open_episodes, pack, peek, unpack
from analytics.timers import Timers
from analytics.visits import Sifted
from common.envelope import Envelope

Stored = tuple[str, bytes, bytes | None]  # a customer, the packed profile, the packed examples that wait
_MOVED: Final = 0  # in the place of a profile's layout version: this customer is somebody else now


@dataclass(frozen=True, slots=True)
class ScoredRow:
    """What was said about a customer at a scoring moment."""

    customer: str
    as_of: float
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CompletedExample:
    """An example whose label is known, because of `cause`. How it is told: `teaching`."""

    customer: str
    example: Example
    cause: Event
    now: float

    @property
    def data(self) -> dict[str, Any]:
        """What the learner is given."""
        example = self.example
        return {"model": example.model, "customer": self.customer, "as_of": example.as_of, **example.data}


@dataclass
class Changes:
    """What a checkpoint has to write, and what has been said since the last one.

    `noted` and `scored` are for a replay; live they are dropped.
    """

    profiles: dict[str, bytes] = field(default_factory=dict)
    pending: dict[str, bytes] = field(default_factory=dict)
    triggers: list[Envelope] = field(default_factory=list)
    examples: list[CompletedExample] = field(default_factory=list)
    facts: list[Envelope] = field(default_factory=list)
    noted: list[tuple[str, Noted]] = field(default_factory=list)
    scored: list[ScoredRow] = field(default_factory=list)
    late: int = 0  # events older than their customer's last one
    sifted: Counter[Sifted] = field(default_factory=Counter)  # what came and taught nothing


class Customers:
    """Profiles, timers, open imports, and where merged customers went."""

    def __init__(self) -> None:
        self.importing: set[str] = set()
        self.moved: dict[str, str] = {}
        self.timers = Timers()
        self._packed: dict[str, bytes] = {}
        self._pending: dict[str, bytes] = {}
        # What changed since the last checkpoint. Nobody else's stays unpacked: it takes 7 KiB, which to fetch from
        # memory costs as much as to unpack 1 KiB, and a shop of a million would not have what one of thousands has.
        self._open: dict[str, Profile] = {}
        self._new = 0  # of these, those that were never packed

    def __len__(self) -> int:
        return len(self._packed) + self._new

    def keys(self) -> list[str]:
        """Everybody known; sorted, so that two folds compare."""
        return sorted(self._packed.keys() | self._open.keys())

    def load(self, customers: Iterable[Stored]) -> None:
        """Puts customers back as the last checkpoint wrote them."""
        for customer, packed, pending in customers:
            if packed[0] == _MOVED:
                self.moved[customer] = packed[1:].decode()
                continue
            due, importing = peek(packed)
            self._packed[customer] = packed
            if pending:
                self._pending[customer] = pending
            if importing:
                self.importing.add(customer)
            else:
                self.timers.set(due, customer)

    def look(self, customer: str) -> Profile | None:
        """As it stands now, not to be changed."""
        found = self._open.get(customer)
        if found is None and customer in self._packed:
            found = unpack(self._packed[customer], self._pending.get(customer, b""))
        return found

    def next_due(self, customer: str) -> float:
        """When the earliest timer of somebody rings; never that of somebody nobody knows."""
        changed, packed = self._open.get(customer), self._packed.get(customer)
        if changed is not None:
            return changed.next_due()
        return peek(packed)[0] if packed is not None else NEVER

    def copy(self, customer: str) -> Profile | None:
        """As it stands now, to be tried things on: nothing of it is kept."""
        changed = self._open.get(customer)
        packed = self._packed.get(customer) if changed is None else pack(changed)
        return None if packed is None else unpack(packed)

    def with_episode(self, key: int) -> list[str]:
        """Whose episode of this key is open."""
        changed = (customer for customer, profile in self._open.items() if key in profile.episodes)
        others = (c for c, packed in self._packed.items() if c not in self._open and key in open_episodes(packed))
        return sorted([*changed, *others])

    def touch(self, customer: str) -> Profile:
        """To be changed; a new one when nobody knew this customer."""
        profile = self._open.get(customer)
        if profile is None:
            known = self.look(customer)
            self._new += known is None
            profile = self._open[customer] = known or Profile()
        return profile

    def put(self, customer: str, profile: Profile) -> None:
        """In place of whatever was known; waiting examples too."""
        self._new += customer not in self._open and customer not in self._packed
        self._open[customer] = profile
        profile.pending.changed = True
        if profile.import_open:
            self.importing.add(customer)
        else:
            self.importing.discard(customer)
            self.timers.set(profile.next_due(), customer)

    def move(self, customer: str, to: str) -> bool:
        """Forgets a customer who is somebody else now; later facts are passed on. True when examples were waiting."""
        self.moved[customer] = to
        changed, packed = self._open.pop(customer, None), self._packed.pop(customer, None)
        self._new -= changed is not None and packed is None
        self.importing.discard(customer)
        return bool(self._pending.pop(customer, b""))

    def collect(self, changes: Changes) -> None:
        """Packs what changed since the last call."""
        for customer, profile in self._open.items():
            self._packed[customer] = changes.profiles[customer] = pack(profile)
            if profile.pending.changed:
                self._keep(customer, profile.pending.pack(), changes)
        self._open.clear()
        self._new = 0
        if len(self.timers) > 4 * len(self._packed) + 1000:
            self.timers.compact({c: peek(p)[0] for c, p in self._packed.items() if c not in self.importing})

    def _keep(self, customer: str, pending: bytes, changes: Changes) -> None:
        changes.pending[customer] = pending
        if pending:
            self._pending[customer] = pending
        else:
            self._pending.pop(customer, None)


def moved_row(to: str) -> bytes:
    """What is stored in place of a merged customer's profile."""
    return bytes([_MOVED]) + to.encode()
