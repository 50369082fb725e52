"""The rules of identity."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contact.domain.people import Merge, Outcome, People
from contact.domain.person import STRENGTH, STRONG, Fact, Identifier, Person, label

START = datetime(2026, 3, 1, tzinfo=UTC)


def fact(at: int = 0, /, previous: str | None = None, **given: Any) -> Fact:
    """A captured fact with these identifiers, `at` minutes into the day."""
    identifiers = tuple(Identifier.of(kind, given.pop(kind)) for kind in STRENGTH if kind in given)
    aliases = tuple(Identifier.of(kind, previous).key for kind in ("user_id", "anonymous_id")) if previous else ()
    return Fact(identifiers[0].key, START + timedelta(minutes=at), identifiers, aliases, seen=True, **given)


def key(kind: str, value: str) -> str:
    return Identifier.of(kind, value).key


def applied(*facts: Fact) -> tuple[People, list[Outcome]]:
    people = People([], [])
    return people, [people.apply(each) for each in facts]


def partition(people: People) -> set[frozenset[str]]:
    """The identifiers, grouped by whose they are."""
    groups: dict[str, set[str]] = {}
    for identity in people.identities.values():
        if identity.kind:
            groups.setdefault(people.current(identity.contact), set()).add(f"{identity.kind}:{identity.value}")
    return {frozenset(group) for group in groups.values()}


def test_a_first_fact_makes_a_person_under_its_own_key() -> None:
    people, (outcome,) = applied(fact(email="ada@example.com", name="Ada"))
    assert outcome.created
    assert outcome.person.id == key("email", "ada@example.com")
    assert (outcome.person.name, outcome.person.email) == ("Ada", "ada@example.com")
    assert outcome.merges == []
    assert people.touched == {outcome.person.id}


def test_a_visitor_who_gives_an_address_goes_on_under_the_key_of_the_address() -> None:
    people, (_, second) = applied(fact(anonymous_id="b1"), fact(1, email="ada@example.com", anonymous_id="b1"))
    visitor, known = key("anonymous_id", "b1"), key("email", "ada@example.com")
    assert second.created
    assert second.merges == [Merge(visitor, known, "became known")]
    assert people.of(visitor) is people.of(known) is second.person
    assert second.person.created_at == START


def test_a_known_person_keeps_their_id_when_a_stronger_identifier_comes() -> None:
    _, (first, second) = applied(fact(email="ada@example.com"), fact(1, user_id="u1", email="ada@example.com"))
    assert second.person.id == first.person.id
    assert second.merges == [Merge(key("user_id", "u1"), first.person.id, "same e-mail")]
    assert second.changed == {"identifiers"}


def test_two_records_become_one_and_the_older_known_one_survives() -> None:
    people, (_, older, third) = applied(
        fact(0, anonymous_id="b1"),
        fact(1, email="ada@example.com"),
        fact(2, email="ada@example.com", anonymous_id="b1"),
    )
    assert third.person.id == older.person.id
    assert third.merges == [Merge(key("anonymous_id", "b1"), older.person.id, "same browser")]
    assert len(people.persons) == 1


def test_a_key_that_was_only_an_identifier_is_told_when_a_fact_travels_under_it() -> None:
    _, (_, second, third) = applied(
        fact(user_id="u1", email="ada@example.com"), fact(1, email="ada@example.com"), fact(2, email="ada@example.com")
    )
    assert second.merges == [Merge(key("email", "ada@example.com"), key("user_id", "u1"), "same e-mail")]
    assert second.changed == set()
    assert third.merges == []


@pytest.mark.parametrize("kind", STRONG)
def test_a_shared_address_does_not_make_one_person_of_two(kind: str) -> None:
    shared = "home@example.com"
    people, (first, second) = applied(fact(email=shared, **{kind: "1"}), fact(1, email=shared, **{kind: "2"}))
    assert first.person.id != second.person.id
    assert second.merges == []
    assert people.conflicts == {(key("email", shared), second.person.id)}
    assert people.of(key("email", shared)) is first.person
    assert second.person.email == shared


def test_two_user_ids_on_one_card_are_one_person() -> None:
    people, outcomes = applied(
        fact(user_id="u1", loyalty_number="L1"), fact(1, user_id="u2"), fact(2, user_id="u2", loyalty_number="L1")
    )
    assert len(people.persons) == 1
    assert outcomes[2].merges == [Merge(key("user_id", "u2"), key("user_id", "u1"), "same loyalty number")]


def test_an_alias_joins_whatever_it_named() -> None:
    for facts in (
        [fact(anonymous_id="b1"), fact(1, user_id="u1", previous="b1")],
        [fact(1, user_id="u1", previous="b1"), fact(anonymous_id="b1")],
    ):
        people, _ = applied(*facts)
        assert partition(people) == {frozenset({"user_id:u1", "anonymous_id:b1"})}


def test_a_fact_of_another_service_finds_its_person_by_the_key_alone() -> None:
    people, (first, second) = applied(fact(user_id="u1"), Fact(key("user_id", "u1"), START + timedelta(days=1)))
    assert second.person is first.person
    assert not second.created
    assert not second.changed
    assert second.person.last_seen_at == START
    assert people.touched == {first.person.id}


def test_a_fact_without_identifiers_about_a_stranger_makes_a_person_who_is_known_later() -> None:
    stranger = key("user_id", "u1")
    people, (first, second) = applied(Fact(stranger, START), fact(1, user_id="u1"))
    assert first.created
    assert second.person is first.person
    assert people.identities[stranger].kind == "user_id"
    assert second.changed == {"identifiers"}


def test_what_was_said_later_holds_whenever_it_arrives() -> None:
    late = fact(0, user_id="u1", name="Ada King", consent={"email": True}, traits={"plan": "free", "city": "London"})
    early = fact(9, user_id="u1", name="Ada Byron", consent={"email": False}, traits={"plan": "pro"})
    for order in ([early, late], [late, early]):
        _, outcomes = applied(*order)
        person = outcomes[-1].person
        assert person.name == "Ada Byron"
        assert person.consent == {"email": False}
        assert person.traits == {"plan": "pro", "city": "London"}


def test_of_two_answers_at_one_moment_the_refusal_holds() -> None:
    yes, no = fact(user_id="u1", consent={"email": True}), fact(user_id="u1", consent={"email": False})
    assert applied(yes, no)[1][-1].person.consent == applied(no, yes)[1][-1].person.consent == {"email": False}


def test_a_repeated_statement_is_no_change() -> None:
    _, (_, second) = applied(fact(user_id="u1", name="Ada"), fact(1, user_id="u1", name="Ada"))
    assert second.changed == set()


def test_somebody_without_a_name_is_called_by_what_is_known() -> None:
    assert label(Person("c_", START, name="Ada", email="a@example.com")) == "Ada"
    assert label(Person("c_", START, email="a@example.com")) == "a@example.com"
    assert label(Person("c_", START, identifiers={"user_id": ["17850"]})) == "Customer 17850"
    assert label(Person("c_", START, identifiers={"anonymous_id": ["x"]})) == "Visitor"


identifier_sets = st.dictionaries(st.sampled_from(STRENGTH), st.sampled_from("123"), min_size=1, max_size=4)
stories = st.lists(
    st.builds(
        lambda given, at, previous: fact(at, previous if "user_id" in given else None, **given),
        identifier_sets,
        st.integers(0, 5),
        st.none() | st.none() | st.sampled_from("123"),
    ),
    max_size=10,
)


def components(facts: Sequence[Fact], *, strong_only: bool = False) -> list[set[str]]:
    """An independent recomputation: connected keys, by repeated joining."""
    groups: list[set[str]] = []
    for each in facts:
        keys = [i.key for i in each.identifiers if not strong_only or i.kind in STRONG] + list(each.aliases)
        if not keys:
            continue
        touching = [group for group in groups if group & set(keys)]
        groups = [group for group in groups if group not in touching] + [set(keys).union(*touching)]
    return groups


def at_odds(component: set[str], facts: Sequence[Fact]) -> bool:
    """Whether it holds two user ids, or two loyalty numbers, that no strong evidence joins."""
    strong = components(facts, strong_only=True)
    identifiers = {i for each in facts for i in each.identifiers if i.key in component}
    for kind in STRONG:
        keys = [i.key for i in identifiers if i.kind == kind]
        homes = {index for index, group in enumerate(strong) if group & set(keys)}
        if len(homes) > 1:
            return True
    return False


def groups_of(people: People, keys: Iterable[str]) -> set[frozenset[str]]:
    found: dict[str, set[str]] = {}
    for each in keys:
        person = people.of(each)
        assert person
        found.setdefault(person.id, set()).add(each)
    return {frozenset(group) for group in found.values()}


@settings(max_examples=100, deadline=None)
@given(stories.flatmap(lambda facts: st.tuples(st.just(facts), st.permutations(facts))))
def test_any_order_of_facts_gives_the_same_people(case: tuple[list[Fact], list[Fact]]) -> None:
    facts, shuffled = case
    one, other = applied(*facts)[0], applied(*shuffled)[0]
    for component in components(facts):
        if at_odds(component, facts):
            strong = {i.key for f in facts for i in f.identifiers if i.kind in STRONG} & component
            for group in components(facts, strong_only=True):
                if group & strong:
                    assert len(groups_of(one, group)) == len(groups_of(other, group)) == 1
        else:
            assert groups_of(one, component) == groups_of(other, component) == {frozenset(component)}


@settings(max_examples=100, deadline=None)
@given(stories)
def test_weak_evidence_never_joins_two_user_ids_or_cards(facts: list[Fact]) -> None:
    people = People([], [])
    for each in facts:
        strong = [i.key for i in each.identifiers if i.kind in STRONG] + list(each.aliases)
        named = {person.id for person in map(people.of, strong) if person}
        held = {kind: {p.id for p in people.persons.values() if p.identifiers.get(kind)} for kind in STRONG}
        now = people.apply(each).person.id
        for kind in STRONG:
            joined = {id_ for id_ in held[kind] if people.current(id_) == now}
            claims = any(identifier.kind == kind for identifier in each.identifiers)
            if len(joined) > 1 or (joined and claims):
                assert joined <= named


@settings(max_examples=100, deadline=None)
@given(stories)
def test_whoever_follows_the_merges_finds_everybody(facts: list[Fact]) -> None:
    """Each key that a fact travelled under leads to its person by the merges that were said, and to nobody else."""
    people = People([], [])
    told: dict[str, str] = {}
    announced: set[str] = set()
    for each in facts:
        outcome = people.apply(each)
        if outcome.created:
            announced.add(outcome.person.id)
        for merge in outcome.merges:
            told[merge.losing] = merge.surviving
        at = each.key
        while at in told:
            at = told[at]
        assert at == people.current(outcome.person.id)
        assert at in announced
    assert set(people.persons) == announced - set(told)
    assert people.touched == set(people.persons)


@settings(max_examples=100, deadline=None)
@given(stories)
def test_what_is_known_of_a_person_does_not_depend_on_the_order(facts: list[Fact]) -> None:
    forward, backward = applied(*facts)[0], applied(*reversed(facts))[0]
    for component in components(facts):
        if not at_odds(component, facts):
            one, other = forward.of(next(iter(component))), backward.of(next(iter(component)))
            assert one
            assert other
            for name in ("email", "phone", "identifiers", "created_at", "last_seen_at"):
                assert getattr(one, name) == getattr(other, name)
