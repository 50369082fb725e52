"""The rules of undoing a merge: as if the two had never been one."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contact.domain.people import Apart, Outcome, People
from contact.domain.person import STRENGTH, Fact, Identifier, Person
from contact.domain.separation import Branch, NotMergedError, branch_of
from contact.keeping import Line, Sides, said

START = datetime(2026, 3, 1, tzinfo=UTC)
TOUCH = "heed.touchpoint.captured.v1"


def fact(at: int = 0, /, **given: Any) -> Fact:
    """A captured fact with these identifiers, `at` minutes into the day."""
    identifiers = tuple(Identifier.of(kind, given.pop(kind)) for kind in STRENGTH if kind in given)
    moment = START + timedelta(minutes=at)
    return Fact(identifiers[0].key, moment, identifiers, seen=True, source="shop", **given)


def key(kind: str, value: str) -> str:
    return Identifier.of(kind, value).key


@dataclass
class Book:
    """What the service keeps: people, and a line for each fact."""

    people: People
    lines: list[tuple[str, Line]] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)

    @classmethod
    def of(cls, facts: Sequence[Fact], *apart: Apart) -> "Book":
        book = cls(People([], [], apart))
        for each in facts:
            book.take(each)
        return book

    def take(self, each: Fact) -> None:
        outcome = self.people.apply(each)
        line = Line(each.own, TOUCH, each.time, each.source, said(each))
        self.lines.append((outcome.person.id, line))
        self.outcomes.append(outcome)

    def whose(self, kind: str, value: str) -> Person:
        person = self.people.of(key(kind, value))
        assert person
        return person

    def branch(self, contact: str, losing: str) -> Branch:
        return branch_of(self._known(contact), contact, losing)

    def separate(self, contact: str, losing: str) -> tuple[Person, Person, set[tuple[str, str]]]:
        """Both people, and who uses whose identifiers."""
        branch = self.branch(contact, losing)
        sides = Sides(self.people.persons[contact], losing, self._known(contact), branch.keys)
        mine = [line for id_, line in self.lines if self.people.current(id_) == contact]
        for line in sorted(mine, key=lambda line: line.time):
            sides.hear(line)
        kept, lost = sides.both()
        conflicts = {(k, side.person.id) for side in (kept, lost) for k in side.named - side.keys}
        return kept.person, lost.person, conflicts

    def _known(self, contact: str) -> dict[str, Any]:
        current = self.people.current
        return {k: i for k, i in self.people.identities.items() if current(i.contact) == contact}


def as_told(person: Person) -> Person:
    return replace(person, parted=False, identifiers={kind: v for kind, v in person.identifiers.items() if v})


ADA = {"email": "ada@x", "phone": "+1"}
BOB = {"email": "bob@x", "anonymous_id": "b1"}


def test_each_gets_back_what_they_brought_and_what_came_since() -> None:
    book = Book.of(
        [
            fact(0, **ADA, name="Ada", traits={"plan": "pro"}),
            fact(1, **BOB, name="Bob", consent={"email": False}),
            fact(2, phone="+1", anonymous_id="b1"),
            fact(3, email="bob@x", loyalty_number="L9", name="Robert"),
            fact(4, email="ada@x", consent={"email": True}),
            fact(5, loyalty_number="L9", anonymous_id="b2"),
        ]
    )
    ada, bob = key("email", "ada@x"), key("email", "bob@x")
    assert book.whose("loyalty_number", "L9").id == ada

    kept, lost, conflicts = book.separate(ada, bob)

    assert (kept.name, kept.consent, kept.traits) == ("Ada", {"email": True}, {"plan": "pro"})
    assert kept.identifiers == {"email": ["ada@x"], "phone": ["+1"]}
    assert (lost.id, lost.name, lost.consent, lost.traits) == (bob, "Robert", {"email": False}, {})
    assert lost.identifiers == {"email": ["bob@x"], "loyalty_number": ["L9"], "anonymous_id": ["b1", "b2"]}
    assert lost.created_at == START + timedelta(minutes=1)
    assert conflicts == {(key("anonymous_id", "b1"), ada)}, "the fact that joined them was Ada's, by the stronger one"


def test_somebody_who_never_had_a_record_of_their_own_gets_one() -> None:
    """Two who share a phone: the second was taken for the first at once."""
    book = Book.of([fact(0, **ADA, name="Ada"), fact(1, email="bob@x", phone="+1", name="Bob"), fact(2, email="bob@x")])
    ada, bob = key("email", "ada@x"), key("email", "bob@x")
    assert [merge.losing for outcome in book.outcomes for merge in outcome.merges] == [bob]

    kept, lost, conflicts = book.separate(ada, bob)

    assert (kept.name, kept.email, lost.name, lost.email) == ("Ada", "ada@x", "Bob", "bob@x")
    assert lost.identifiers == {"email": ["bob@x"]}
    assert conflicts == {(key("phone", "+1"), bob)}


def test_of_a_chain_the_middle_one_goes_with_what_was_merged_into_it() -> None:
    book = Book.of(
        [
            fact(9, email="a@x"),
            fact(5, email="b@x", phone="+2"),
            fact(0, email="c@x", anonymous_id="c1"),
            fact(10, email="a@x", phone="+2"),
            fact(11, phone="+2", anonymous_id="c1"),
        ]
    )
    a, b, c = (key("email", f"{who}@x") for who in "abc")
    assert book.whose("email", "a@x").id == c

    phone = key("phone", "+2")
    assert book.branch(c, b) == Branch(frozenset({a, b, phone}), (b, c), (phone,))
    assert book.branch(c, a) == Branch(frozenset({a}), (a, b, c), ())
    assert book.separate(c, b)[1].identifiers == {"email": ["a@x", "b@x"], "phone": ["+2"]}
    assert book.separate(c, a)[0].identifiers == {"email": ["b@x", "c@x"], "phone": ["+2"], "anonymous_id": ["c1"]}


def test_a_key_that_came_with_the_lost_one_was_told_to_be_the_survivors() -> None:
    """It was heard of after the merge, so everybody has to hear once more whose it is."""
    book = Book.of(
        [
            fact(0, **ADA),
            fact(1, email="bob@x"),
            fact(2, email="bob@x", phone="+1"),
            fact(3, loyalty_number="L9", email="bob@x"),
        ]
    )
    branch = book.branch(key("email", "ada@x"), key("email", "bob@x"))
    assert branch.retold == (key("loyalty_number", "L9"),)


@pytest.mark.parametrize(
    ("losing", "words"),
    [
        (key("email", "ada@x"), "survived"),
        (key("phone", "+1"), "another way"),
    ],
)
def test_what_was_no_merge_cannot_be_undone(losing: str, words: str) -> None:
    book = Book.of([fact(0, **ADA)])
    with pytest.raises(NotMergedError, match=words):
        book.branch(key("email", "ada@x"), losing)


def test_a_merge_from_before_this_was_kept_cannot_be_undone() -> None:
    book = Book.of([fact(0, **ADA), fact(1, **BOB), fact(2, phone="+1", anonymous_id="b1")])
    bob = key("email", "bob@x")
    book.people.identities[bob].came_with = None
    with pytest.raises(NotMergedError, match="older"):
        book.branch(key("email", "ada@x"), bob)


def parted(book: Book, one: str, other: str, facts: Sequence[Fact]) -> tuple[People, list[Outcome]]:
    """People after the two were taken apart, and what the facts after that do."""
    kept, lost, _ = book.separate(one, other)
    keys = book.branch(one, other).keys
    identities = book.people.identities.values()
    owned = [replace(i, contact=other if i.key in keys else one) for i in identities]
    people = People([kept, lost], owned, [Apart(other, one, frozenset(i.key for i in identities))])
    return people, [people.apply(each) for each in facts]


JOINED = [fact(0, **ADA), fact(1, **BOB), fact(2, user_id="u1", email="ada@x"), fact(3, phone="+1", email="bob@x")]


@pytest.mark.parametrize(
    "again",
    [
        fact(9, phone="+1", email="bob@x"),
        fact(9, user_id="u1", email="bob@x"),
        fact(9, email="bob@x", anonymous_id="b9"),
        fact(9, phone="+1", anonymous_id="b1"),
        replace(fact(9, email="bob@x"), key=key("email", "ada@x")),
        replace(fact(9, user_id="u1"), aliases=(key("anonymous_id", "b1"),)),
    ],
)
def test_what_was_known_then_does_not_join_them_again(again: Fact) -> None:
    book = Book.of(JOINED)
    ada, bob = book.whose("email", "ada@x").id, key("email", "bob@x")
    people, (outcome,) = parted(book, ada, bob, [again])
    assert {ada, bob} & {merge.losing for merge in outcome.merges} == set()
    assert outcome.person.id == (bob if again.own in {key("email", "bob@x"), key("anonymous_id", "b1")} else ada)
    assert set(people.persons) == {ada, bob}


def test_a_new_browser_of_both_does_not_join_them_again() -> None:
    book = Book.of(JOINED)
    ada, bob = book.whose("email", "ada@x").id, key("email", "bob@x")
    facts = [fact(9, email="ada@x", anonymous_id="new"), fact(10, email="bob@x", anonymous_id="new")]
    people, outcomes = parted(book, ada, bob, facts)
    assert [outcome.person.id for outcome in outcomes] == [ada, bob]
    assert people.conflicts == {(key("anonymous_id", "new"), bob)}


def test_new_strong_evidence_does() -> None:
    book = Book.of(JOINED)
    ada, bob = book.whose("email", "ada@x").id, key("email", "bob@x")
    facts = [fact(9, email="bob@x", loyalty_number="L1"), fact(10, user_id="u1", loyalty_number="L1")]
    people, outcomes = parted(book, ada, bob, facts)
    assert [merge.losing for merge in outcomes[1].merges] == [bob]
    assert set(people.persons) == {ada}
    assert people.identities[bob].merged_into == ada


def story_of(who: str, kinds: Sequence[str]) -> st.SearchStrategy[Fact]:
    identifiers = st.dictionaries(st.sampled_from(kinds), st.sampled_from([f"{who}1", f"{who}2"]), min_size=1)
    return st.builds(
        lambda named, at, name, consent, trait: fact(
            at,
            **named,
            **({"name": f"{who} {name}"} if name else {}),
            **({"consent": {"email": consent}} if consent is not None else {}),
            **({"traits": {"plan": trait}} if trait else {}),
        ),
        identifiers,
        st.integers(0, 9),
        st.integers(0, 3),
        st.none() | st.booleans(),
        st.sampled_from(["", "free", "pro"]),
    )


WEAK = ("email", "phone", "anonymous_id")
mixed = st.lists(story_of("a", ("user_id", *WEAK)) | story_of("b", WEAK), max_size=8)
joining = st.sampled_from(
    [
        fact(3, email="a0", anonymous_id="b0", name="Both"),
        fact(4, user_id="a0", phone="b0", traits={"plan": "shared"}),
        fact(5, email="b0", phone="a0", consent={"email": False}),
    ]
)
FIRST = [fact(0, user_id="a0", email="a0", phone="a0"), fact(1, email="b0", phone="b0", anonymous_id="b0")]


@settings(max_examples=150, deadline=None)
@given(mixed, joining, mixed)
@example([], fact(3, email="a0", anonymous_id="b0"), [])
def test_merged_and_separated_is_as_never_merged(before: list[Fact], join: Fact, after: list[Fact]) -> None:
    """Two people with identifiers of their own, a fact that names both, and what came since by identifier."""
    facts = [*FIRST, *map(with_root, before), join, *map(with_root, after)]
    a, b = key("user_id", "a0"), key("email", "b0")
    book = Book.of(facts)
    never = Book.of(facts, Apart(a, b, frozenset(book.people.identities)))
    assert book.people.current(b) == a
    assert set(never.people.persons) == {a, b}

    kept, lost, conflicts = book.separate(a, b)

    assert as_told(kept) == as_told(never.people.persons[a])
    assert as_told(lost) == as_told(never.people.persons[b])
    assert conflicts == {(k, never.people.current(id_)) for k, id_ in never.people.conflicts}
    keys = book.branch(a, b).keys
    assert keys == {k for k, i in never.people.identities.items() if never.people.current(i.contact) == b}
    lines = [never.people.current(id_) == b for id_, _ in never.lines]
    assert [line.captured_as in keys for _, line in book.lines] == lines


def with_root(each: Fact) -> Fact:
    """Everybody's facts name them by what they were first known by, so that nobody else comes up."""
    value = each.identifiers[0].value[0]
    root = Identifier.of("user_id" if value == "a" else "email", f"{value}0")
    named = {i.kind: i for i in each.identifiers} | {root.kind: root}
    identifiers = tuple(named[kind] for kind in STRENGTH if kind in named)
    return replace(each, key=identifiers[0].key, identifiers=identifiers)
