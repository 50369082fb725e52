"""Which identifiers belong to one person, and what a further fact changes about that.

A fact is evidence that its identifiers name one person. User ids, loyalty numbers and declared aliases are strong
evidence and always hold. E-mail, phone and browser are weak: shared by two people with different user ids (or
loyalty numbers) they stay with whoever had them first, and the conflict is noted. Two people whom somebody took apart
are never joined by weak evidence again, nor by what was known then.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from contact.domain.person import STRONG, WORDS, Fact, Identifier, Person


@dataclass(slots=True)
class Identity:
    """A customer key and whose it is. The kind is None while only the key was heard.

    `announced`: facts may travel under this key, and everybody was told whose it is. `came_with` is the key of the same
    person that brought it, None for the first one. Where everybody was told of a merge, `merged_into` is the survivor
    and `reason` why.
    """

    key: str
    contact: str
    kind: str | None = None
    value: str | None = None
    announced: bool = False
    came_with: str | None = None
    merged_into: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Apart:
    """Two contacts that somebody said are two people, and all keys that were known of them then."""

    one: str
    other: str
    known: frozenset[str]


@dataclass(frozen=True, slots=True)
class Merge:
    """Two customer keys are one person."""

    losing: str
    surviving: str
    reason: str


@dataclass(slots=True)
class _News:
    """What others have to hear, collected while a fact is applied."""

    changed: set[str] = field(default_factory=set)
    merges: list[Merge] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a fact did. `person` is who it is about, `changed` the parts of it that others need."""

    person: Person
    created: bool
    changed: set[str]
    merges: list[Merge]


class People:
    """The people that a batch of facts is about, changed in memory.

    Give it the identities of all keys that the batch names, their persons, and who of them was taken apart. Afterwards
    `touched` are the persons to write, `moved` the ids that lost a merge, `added` and `altered` the identities,
    `conflicts` the pairs (identity key, person who uses it too).
    """

    def __init__(
        self, persons: Iterable[Person], identities: Iterable[Identity], apart: Collection[Apart] = ()
    ) -> None:
        self._apart = apart
        self.persons = {person.id: person for person in persons}
        self.identities = {identity.key: identity for identity in identities}
        self.touched: set[str] = set()
        self.moved: dict[str, Merge] = {}
        self.added: set[str] = set()
        self.altered: set[str] = set()
        self.conflicts: set[tuple[str, str]] = set()

    def current(self, contact: str) -> str:
        """The id under which a person goes on after the merges so far."""
        while contact in self.moved:
            contact = self.moved[contact].surviving
        return contact

    def of(self, key: str) -> Person | None:
        """Whose customer key this is."""
        identity = self.identities.get(key)
        return self.persons[self.current(identity.contact)] if identity else None

    def apply(self, fact: Fact) -> Outcome:
        """Finds or makes the person that a fact is about, merging people it shows to be one."""
        news = _News()
        found = self._linked(fact, news)
        outcome = self._settled(fact, found, news)
        person = outcome.person
        self._own(fact, person, news)
        first_seen = person.created_at
        news.changed |= person.hear(fact)
        if fact.says_something or news.changed or first_seen != person.created_at:
            self.touched.add(person.id)
        return outcome

    def _linked(self, fact: Fact, news: _News) -> Person | None:
        """The known person that the fact's evidence leads to, after the merges it calls for."""
        strong = [(i.key, WORDS[i.kind]) for i in fact.identifiers if i.kind in STRONG]
        strong += [(key, "alias") for key in fact.aliases]
        weak = [(i.key, WORDS[i.kind]) for i in fact.identifiers if i.kind not in STRONG]
        weak.append((fact.key, "customer key"))
        person: Person | None = None
        for key, words in strong:
            other = self.of(key)
            if not self._kept_apart(person, other, [key for key, _ in strong]):
                person = self._joined(person, other, f"same {words}", news)
        for key, words in weak:
            other = self.of(key)
            if other is None or not (_at_odds(fact, person, other) or self._kept_apart(person, other)):
                person = self._joined(person, other, f"same {words}", news)
        return person

    def _kept_apart(self, one: Person | None, other: Person | None, strong: Collection[str] = ()) -> bool:
        """Whether somebody took these two apart, and none of the strong evidence is news since."""
        if one is None or other is None or one is other:
            return False
        pair = {one.id, other.id}
        news = {key for key in strong if (found := self.of(key)) and found.id in pair}
        return any({self.current(a.one), self.current(a.other)} == pair and news <= a.known for a in self._apart)

    def _joined(self, one: Person | None, other: Person | None, reason: str, news: _News) -> Person | None:
        if one is None or other is None or one is other:
            return one or other
        survivor, loser = sorted((one, other), key=lambda p: (not p.known, p.created_at, p.id))
        self._merge(survivor, loser, reason, news)
        return survivor

    def _merge(self, survivor: Person, loser: Person, reason: str, news: _News) -> None:
        news.changed |= survivor.absorb(loser)
        merge = Merge(loser.id, survivor.id, reason)
        news.merges.append(merge)
        self.moved[loser.id] = merge
        if root := self.identities.get(loser.id):
            root.came_with, root.merged_into, root.reason = survivor.id, survivor.id, reason
        self.touched.discard(loser.id)
        self.touched.add(survivor.id)
        del self.persons[loser.id]

    def _settled(self, fact: Fact, found: Person | None, news: _News) -> Outcome:
        """The fact's person under a key that everybody knows: a new one, or the one found."""
        heard = self.identities.get(fact.key)
        if found is None:
            # A key that leads to somebody else is taken: the strongest identifier names the new person.
            return self._new(fact, fact.key if heard is None else fact.identifiers[0].key, news)
        if heard is None and fact.known and not found.known:
            outcome = self._new(fact, fact.key, news)
            self._merge(outcome.person, found, "became known", news)
            return outcome
        self._announce(fact, heard or self._attach(fact, fact.key, found), news)
        return Outcome(found, False, news.changed, news.merges)

    def _new(self, fact: Fact, id_: str, news: _News) -> Outcome:
        person = Person(id_, fact.time)
        self.persons[id_] = person
        self.touched.add(id_)
        self._add(Identity(id_, id_, announced=True))
        return Outcome(person, True, news.changed, news.merges)

    def _attach(self, fact: Fact, key: str, person: Person) -> Identity:
        """A key new to everybody: this person's, through whichever of theirs it came along with."""
        along = (fact.own, *(identifier.key for identifier in fact.identifiers), *fact.aliases, fact.key)
        anchor = next((other for other in along if other != key and self.of(other) is person), person.id)
        return self._add(Identity(key, person.id, came_with=anchor))

    def _add(self, identity: Identity) -> Identity:
        self.identities[identity.key] = identity
        self.added.add(identity.key)
        return identity

    def _announce(self, fact: Fact, identity: Identity, news: _News) -> None:
        """The first fact under a key that belongs to a person of another id: everybody has to be told."""
        if identity.announced:
            return
        identity.announced = True
        self.altered.add(fact.key)
        owner = self.current(identity.contact)
        if owner != fact.key:
            merge = Merge(fact.key, owner, self._reason(fact, owner))
            identity.merged_into, identity.reason = owner, merge.reason
            identity.came_with = identity.came_with or owner
            news.merges.append(merge)

    def _reason(self, fact: Fact, owner: str) -> str:
        """Which identifier, besides the key itself, said whose the fact is."""
        known = (i for i in fact.identifiers if i.key in self.identities and i.key != fact.key)
        leading = (WORDS[i.kind] for i in known if self.current(self.identities[i.key].contact) == owner)
        own = (WORDS[i.kind] for i in fact.identifiers if i.key == fact.key)
        return f"same {next(leading, next(own, 'customer key'))}"

    def _own(self, fact: Fact, person: Person, news: _News) -> None:
        """Gives the person the identifiers that are nobody else's."""
        for identifier in fact.identifiers:
            identity = self.identities.get(identifier.key)
            if identity is None:
                identity = self._attach(fact, identifier.key, person)
            elif self.current(identity.contact) != person.id:
                self.conflicts.add((identifier.key, person.id))
                if identity.kind is None:  # an alias of somebody else, who may turn out to be the same person yet
                    self._name(identity, identifier)
                    self._hold(self.persons[self.current(identity.contact)], identifier)
                continue
            if identity.kind is None:
                self._name(identity, identifier)
            if self._hold(person, identifier):
                news.changed.add("identifiers")
        for key in fact.aliases:
            if key not in self.identities:
                self._attach(fact, key, person)

    def _name(self, identity: Identity, identifier: Identifier) -> None:
        """A key that was only heard so far is known to stand for this."""
        identity.kind, identity.value = identifier.kind, identifier.value
        self.altered.add(identity.key)

    def _hold(self, person: Person, identifier: Identifier) -> bool:
        """Whether the person's record did not list it yet."""
        if not person.holds(identifier):
            return False
        self.touched.add(person.id)
        return True


def _at_odds(fact: Fact, person: Person | None, other: Person) -> bool:
    """Whether both sides have a user id, or both a loyalty number: weak evidence does not make them one."""
    if person is other:
        return False
    claimed = {identifier.kind for identifier in fact.identifiers}
    return any(
        other.identifiers.get(kind) and (kind in claimed or (person is not None and person.identifiers.get(kind)))
        for kind in STRONG
    )
