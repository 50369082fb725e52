"""The customers of one partition in memory: packed, unpacked only while they change."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from analytics.events import EXAMPLE, Event, emission, stable_id
from analytics.operators.base import Example, Noted
from analytics.profile import Profile, open_episodes, pack, peek, unpack
from analytics.timers import Timers
from analytics.visits import Sifted
from common.envelope import Envelope

_HOT: Final = 2_000  # profiles of a partition that are kept unpacked between checkpoints; about 7 KiB each
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
    """An example whose label is known, because of `cause`. It is put into an envelope only where one is needed."""

    customer: str
    example: Example
    cause: Event
    now: float

    @property
    def id(self) -> str:
        example = self.example
        return stable_id("example", example.model, self.customer, example.as_of, example.data.get("part", ""))

    @property
    def data(self) -> dict[str, Any]:
        """What the learner is given."""
        example = self.example
        return {"model": example.model, "customer": self.customer, "as_of": example.as_of, **example.data}

    def envelope(self) -> Envelope:
        return emission(EXAMPLE, self.customer, self.data, self.cause, self.now, self.id)


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
        self._hot: dict[str, Profile] = {}
        self._dirty: dict[str, Profile] = {}
        self._unpacked = 0  # of the hot ones those that were never packed

    def __len__(self) -> int:
        return len(self._packed) + self._unpacked

    def keys(self) -> list[str]:
        """Everybody known; sorted, so that two folds compare."""
        return sorted(self._packed.keys() | self._hot.keys())

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
        found = self._hot.get(customer)
        if found is None and customer in self._packed:
            found = unpack(self._packed[customer], self._pending.get(customer, b""))
        return found

    def copy(self, customer: str) -> Profile | None:
        """As it stands now, to be tried things on: nothing of it is kept."""
        hot = self._hot.get(customer)
        packed = self._packed.get(customer) if hot is None else pack(hot)
        return None if packed is None else unpack(packed)

    def with_episode(self, key: int) -> list[str]:
        """Whose episode of this key is open."""
        hot = (customer for customer, profile in self._hot.items() if key in profile.episodes)
        cold = (c for c, packed in self._packed.items() if c not in self._hot and key in open_episodes(packed))
        return sorted([*hot, *cold])

    def touch(self, customer: str) -> Profile:
        """To be changed; a new one when nobody knew this customer."""
        profile = self._hot.get(customer)
        if profile is None:
            known = self.look(customer)
            self._unpacked += known is None
            profile = self._hot[customer] = known or Profile()
        self._dirty[customer] = profile
        return profile

    def put(self, customer: str, profile: Profile) -> None:
        """In place of whatever was known; waiting examples too."""
        self._unpacked += customer not in self._hot and customer not in self._packed
        self._hot[customer] = self._dirty[customer] = profile
        profile.pending.changed = True
        if profile.import_open:
            self.importing.add(customer)
        else:
            self.importing.discard(customer)
            self.timers.set(profile.next_due(), customer)

    def move(self, customer: str, to: str) -> bool:
        """Forgets a customer who is somebody else now; later facts are passed on. True when examples were waiting."""
        self.moved[customer] = to
        hot, packed = self._hot.pop(customer, None), self._packed.pop(customer, None)
        self._unpacked -= hot is not None and packed is None
        self._dirty.pop(customer, None)
        self.importing.discard(customer)
        return bool(self._pending.pop(customer, b""))

    def collect(self, changes: Changes) -> None:
        """Packs what changed since the last call. Those last seen stay unpacked as well: the same come again."""
        for customer, profile in self._dirty.items():
            self._packed[customer] = changes.profiles[customer] = pack(profile)
            if profile.pending.changed:
                self._keep(customer, profile.pending.pack(), changes)
                profile.pending.changed = False
        self._dirty.clear()
        self._unpacked = 0
        for customer in list(islice(self._hot, max(0, len(self._hot) - _HOT))):
            del self._hot[customer]
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
