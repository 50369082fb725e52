"""What is known about one person. Of two statements the later one holds, whatever order they arrive in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Protocol

from common.keys import entity_key

STRONG = ("user_id", "loyalty_number")
STRENGTH = (*STRONG, "email", "phone", "anonymous_id")  # the strongest first
WORDS = {
    "user_id": "user id",
    "loyalty_number": "loyalty number",
    "email": "e-mail",
    "phone": "phone number",
    "anonymous_id": "browser",
}
MAX_SHOWN = 50  # identifiers of one kind that the record lists; identity itself has no limit
MAX_TRAITS = 100


@dataclass(frozen=True, slots=True)
class Identifier:
    """Something that names a person; `key` is its customer key."""

    kind: str
    value: str
    key: str

    @staticmethod
    @lru_cache(maxsize=65_536)
    def of(kind: str, value: str) -> "Identifier":
        return Identifier(kind, value, entity_key("c", kind, value))


@dataclass(frozen=True, slots=True)
class Fact:
    """What one fact says about a person.

    `key` is the customer key it travels under, `identifiers` are the strongest first, `aliases` are customer keys
    that it declares to be the same person, and `seen` says that the person themselves did something.
    """

    key: str
    time: datetime
    identifiers: tuple[Identifier, ...] = ()
    aliases: tuple[str, ...] = ()
    source: str | None = None
    name: str | None = None
    company: str | None = None
    consent: Mapping[str, bool] = field(default_factory=dict)
    traits: Mapping[str, Any] = field(default_factory=dict)
    seen: bool = False

    @property
    def own(self) -> str:
        """The key of the strongest identifier: whose it is decides whose the fact is."""
        return self.identifiers[0].key if self.identifiers else self.key

    @property
    def known(self) -> bool:
        return any(identifier.kind != "anonymous_id" for identifier in self.identifiers)

    @property
    def says_something(self) -> bool:
        """Whether it says more than which key it travels under."""
        return bool(self.identifiers or self.name or self.company or self.consent or self.traits or self.seen)


@dataclass(slots=True)
class Person:
    """A contact. `stamps` holds, per statement, the event time (seconds) of the fact that made it.

    `parted`: somebody decided that a part of them is another person.
    """

    id: str
    created_at: datetime
    last_seen_at: datetime | None = None
    first_source: str | None = None
    name: str | None = None
    email: str | None = None
    phone: str | None = None
    company: str | None = None
    identifiers: dict[str, list[str]] = field(default_factory=dict)
    consent: dict[str, bool] = field(default_factory=dict)
    traits: dict[str, Any] = field(default_factory=dict)
    stamps: dict[str, float] = field(default_factory=dict)
    parted: bool = False

    @property
    def known(self) -> bool:
        return is_known(self)

    @property
    def search(self) -> str:
        """What a search looks at, lower case."""
        found = [self.name, self.email, self.phone, self.company]
        for kind in STRENGTH[:-1]:
            found += (value for value in self.identifiers.get(kind, ()) if value not in found)
        return " ".join(text for text in found if text).lower()

    def holds(self, identifier: Identifier) -> bool:
        """Lists an identifier as this person's. False when it was listed already."""
        values = self.identifiers.setdefault(identifier.kind, [])
        if identifier.value in values or len(values) >= MAX_SHOWN:
            return False
        values.append(identifier.value)
        values.sort()
        return True

    def hear(self, fact: Fact) -> set[str]:
        """Takes in what a fact says. Returns the names of what changed."""
        if fact.time < self.created_at or self.first_source is None:
            self.first_source = fact.source or self.first_source
        self.created_at = min(self.created_at, fact.time)
        if fact.seen:
            self.last_seen_at = max(self.last_seen_at or fact.time, fact.time)
        at = fact.time.timestamp()
        said = {identifier.kind: identifier.value for identifier in fact.identifiers}
        changed = self._attribute("email", said.get("email"), at) | self._attribute("phone", said.get("phone"), at)
        changed |= self._attribute("name", fact.name, at) | self._attribute("company", fact.company, at)
        for channel, given in fact.consent.items():
            changed |= self._entry("consent", self.consent, channel, given, at)
        for trait, value in fact.traits.items():
            changed |= self._entry("traits", self.traits, trait, value, at)
        return changed

    def absorb(self, other: "Person") -> set[str]:
        """Takes in everything known about another record of the same person. Returns what changed."""
        if (other.created_at, other.id) < (self.created_at, self.id):
            self.created_at = other.created_at
            self.first_source = other.first_source or self.first_source
        seen = [moment for moment in (self.last_seen_at, other.last_seen_at) if moment]
        self.last_seen_at = max(seen, default=None)
        self.parted = self.parted or other.parted
        changed: set[str] = {"identifiers"}
        for name in ("email", "phone", "name", "company"):
            changed |= self._attribute(name, getattr(other, name), other.stamps.get(name, 0))
        for channel, given in other.consent.items():
            changed |= self._entry("consent", self.consent, channel, given, other.stamps[f"consent.{channel}"])
        for trait, value in other.traits.items():
            changed |= self._entry("traits", self.traits, trait, value, other.stamps[f"traits.{trait}"])
        for kind, values in other.identifiers.items():
            self.identifiers[kind] = sorted({*self.identifiers.get(kind, ()), *values})[:MAX_SHOWN]
        return changed

    def _attribute(self, name: str, value: str | None, at: float) -> set[str]:
        current = getattr(self, name)
        if not value or not self._newer(name, current, value, at):
            return set()
        self.stamps[name] = at
        setattr(self, name, value)
        return {name} if value != current else set()

    def _entry(self, group: str, entries: dict[str, Any], name: str, value: Any, at: float) -> set[str]:
        current, stamp = entries.get(name), f"{group}.{name}"
        if not self._newer(stamp, current, value, at):
            return set()
        if name not in entries and len(entries) >= MAX_TRAITS:
            return set()
        self.stamps[stamp] = at
        entries[name] = value
        return {group} if value != current else set()

    def _newer(self, stamp: str, current: Any, value: Any, at: float) -> bool:
        """Of two statements of the same moment the lesser text holds, so that a refusal beats a consent."""
        before = self.stamps.get(stamp)
        return before is None or at > before or (at == before and str(value) < str(current))


class Described(Protocol):
    """What a person and a stored contact have in common."""

    name: Any
    email: Any
    phone: Any
    identifiers: Any


def is_known(person: Described) -> bool:
    """Whether more is known than a browser."""
    return any(person.identifiers.get(kind) for kind in STRENGTH if kind != "anonymous_id")


def label(person: Described) -> str:
    """What to call somebody: the name, else the best way to reach them, else what they are to us."""
    if called := person.name or person.email or person.phone:
        return str(called)
    for kind, word in (("user_id", "Customer"), ("loyalty_number", "Card")):
        if values := person.identifiers.get(kind):
            return f"{word} {values[0]}"
    return "Visitor"
