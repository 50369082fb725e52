"""What a line of the timeline keeps of its fact, so that a record can be made again from its lines. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from contact.domain.people import Identity
from contact.domain.person import MAX_SHOWN, STRENGTH, Fact, Identifier, Person
from contact.reading import ACTS_OF_CUSTOMERS

_NEVER = datetime.max.replace(tzinfo=UTC)
_TOLD = ("name", "company", "consent", "traits")


@dataclass(frozen=True, slots=True)
class Line:
    """A fact as it is kept."""

    captured_as: str
    type: str
    time: datetime
    source: str | None
    said: Mapping[str, Any] | None


def said(fact: Fact) -> dict[str, Any] | None:
    """What a fact told beside the one identifier that names its person; None for nothing."""
    told = {name: value for name in _TOLD if (value := getattr(fact, name))}
    if len(fact.identifiers) > 1:
        told["identifiers"] = {identifier.kind: identifier.value for identifier in fact.identifiers}
    return told or None


def fact_of(line: Line, own: Identifier | None) -> Fact:
    """The fact again. `own` is the identifier that the line was captured as, where it is one."""
    told = dict(line.said or {})
    named = told.pop("identifiers", {own.kind: own.value} if own else {})
    return Fact(
        key=line.captured_as,
        time=line.time,
        identifiers=tuple(Identifier.of(kind, named[kind]) for kind in STRENGTH if kind in named),
        source=line.source,
        seen=line.type in ACTS_OF_CUSTOMERS,
        **told,
    )


@dataclass(slots=True)
class Side:
    """One of two people while their facts are read: who they are so far, and every key that their facts name."""

    person: Person
    keys: frozenset[str]
    named: set[str] = field(default_factory=set)


class Sides:
    """Two people who were one record, made again from what it keeps.

    `known` are all keys of the record, `branch` those of the one who was merged away. Give it each snapshot (`begin`)
    and each line (`hear`); `both` are then as if they had never been one.
    """

    def __init__(self, held: Person, losing: str, known: Mapping[str, Identity], branch: frozenset[str]) -> None:
        self.held, self.known = held, known
        self.kept = Side(Person(held.id, _NEVER), frozenset(known.keys() - branch))
        self.lost = Side(Person(losing, _NEVER), branch)

    def begin(self, key: str, person: Person) -> None:
        """What the contact of this key held when its facts began to be kept."""
        self._whose(key).person.absorb(person)

    def hear(self, line: Line) -> None:
        """The next line; the older ones come first."""
        side = self._whose(line.captured_as)
        fact = fact_of(line, _identifier(self.known.get(line.captured_as)))
        side.person.hear(fact)
        side.named.update(identifier.key for identifier in fact.identifiers)

    def both(self) -> tuple[Side, Side]:
        """The survivor and the other, after the last line."""
        for side in (self.kept, self.lost):
            person, shown = side.person, identifiers_of(self.known, side.keys)
            person.identifiers = {kind: values[:MAX_SHOWN] for kind, values in shown.items()}
            if person.created_at == _NEVER:  # nothing is kept of them but their keys
                person.created_at = self.held.created_at
            person.parted = True
        return self.kept, self.lost

    def _whose(self, key: str) -> Side:
        return self.lost if key in self.lost.keys else self.kept


def identifiers_of(known: Mapping[str, Identity], keys: Iterable[str]) -> dict[str, list[str]]:
    """What some keys stand for, by kind, the strongest first."""
    found = [known[key] for key in keys]
    values = {kind: sorted(i.value for i in found if i.kind == kind and i.value) for kind in STRENGTH}
    return {kind: of_kind for kind, of_kind in values.items() if of_kind}


def _identifier(identity: Identity | None) -> Identifier | None:
    if identity is None or identity.kind is None or identity.value is None:
        return None
    return Identifier(identity.kind, identity.value, identity.key)
