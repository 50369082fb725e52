"""Who belongs to which segment, when that changes and is said, and what is counted."""

import math

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.customers import Changes
from analytics.events import Event, What
from analytics.fold import Fold
from analytics.learners.segment_names import Centre, kinds_of, names_of
from analytics.learners.segmentation import Segmentation
from analytics.learners.segments import SegmentsLearner
from analytics.operators.base import Adopted, Example, Level, Plan, World
from analytics.operators.segment import (
    ENTERED,
    LEFT,
    MODEL,
    PURCHASES,
    Membership,
    Segment,
    SegmentPopulation,
    facts,
    features,
)
from analytics.orders import DAY, Orders
from analytics.profile import Profile, pack, unpack
from tests.analytics.stories import START, fold_all, order, regular, reloaded, ticks

WEEK = 7 * DAY
PLAN = Plan(grid_from=START, stop_after=math.inf)


def shop(weeks: int = 40) -> list[Event]:
    """Three kinds of customers: weekly ones who spend much, monthly ones, and some who came once at the beginning."""
    events = []
    for n in range(30):
        events += regular(f"c_often_{n}", weeks, 7, start=START + n * 3600)
        events += [order(f"c_some_{n}", START + 30 * i * DAY + n * 60, 20.0) for i in range(weeks // 5)]
        events.append(order(f"c_once_{n}", START + n * DAY / 3, 15.0))
    return sorted(events, key=lambda event: event.time)


def placed(weeks: int, *, owners: bool = False) -> tuple[Fold, list[Changes]]:
    """The shop folded, with the learner beside; everybody is scored each week, and each week, if so, by a new owner."""
    fold, learner, said, version = Fold(0, plan=PLAN), SegmentsLearner(), [], 0
    kept: dict[str, tuple[bytes, bytes | None]] = {}
    for event in sorted([*shop(weeks), *ticks(START, START + weeks * WEEK, WEEK)], key=lambda event: event.time):
        if event.what is What.TICK:
            version += 1
            fold.complete(event.time, event)
            fold.adopt(event, Adopted(MODEL, version, learner.examples, learner.snapshot()))
        fold.apply(event)
        said.append(fold.take_changes() if owners and event.what is What.TICK else fold.take_said())
        for example in said[-1].examples:
            if example.data["model"] == MODEL:
                learner.take(example.data)
        if owners and event.what is What.TICK:
            models, fold = fold.world.models, reloaded(fold, said[-1], kept)
            fold.world.plan, fold.world.models = PLAN, models
    return fold, said


@pytest.fixture(scope="module")
def placed_shop() -> tuple[Fold, list[Changes]]:
    return placed(40)


@pytest.fixture(scope="module")
def adopted(placed_shop: tuple[Fold, list[Changes]]) -> Adopted:
    return placed_shop[0].world.models[MODEL]


def world_of(adopted: Adopted) -> World:
    world = World()
    world.models[MODEL] = adopted
    return world


def segments_of(fold: Fold, kind: str) -> set[int]:
    return {fold.profile(key).segment for key in fold.customers() if kind in key}  # type: ignore[union-attr]


def test_customers_of_a_kind_come_together(placed_shop: tuple[Fold, list[Changes]], adopted: Adopted) -> None:
    fold, _ = placed_shop
    often, once = segments_of(fold, "often"), segments_of(fold, "once")
    assert often.isdisjoint(once)
    assert often.isdisjoint(segments_of(fold, "some"))
    assert 0 not in often | once
    assert all("regulars" in adopted.model.name(n) or "loyal" in adopted.model.name(n) for n in often)
    assert all("one-timers" in adopted.model.name(n) for n in once)


def test_what_is_counted_is_what_the_customers_are(placed_shop: tuple[Fold, list[Changes]]) -> None:
    fold, _ = placed_shop
    population = fold.world.of(SegmentPopulation)
    members: dict[str, int] = {}
    spent: dict[str, int] = {}
    for key in fold.customers():
        profile = fold.profile(key)
        assert profile is not None
        number = str(profile.segment)
        members[number] = members.get(number, 0) + 1
        account = profile.of(Orders).main_account()
        assert account is not None
        spent[f"{number} GBP"] = spent.get(f"{number} GBP", 0) + account.spent
    assert {n: count for n, count in population.customers.items() if count} == members
    assert {key: amount for key, amount in population.spent.items() if amount} == spent


def test_entering_and_leaving_is_said_in_pairs(placed_shop: tuple[Fold, list[Changes]]) -> None:
    """Each customer's facts are a chain: nobody enters without having left where they were."""
    fold, said = placed_shop
    stories: dict[str, list[tuple[str, int]]] = {}
    for changes in said:
        for fact in changes.facts:
            stories.setdefault(fact.key, []).append((fact.type, fact.data["segment"]))
    for key, story in stories.items():
        current = 0
        for type_, number in story:
            if type_ == LEFT:
                assert number == current
                current = 0
            else:
                assert type_ == ENTERED
                assert current == 0
                current = number
        assert current == fold.profile(key).segment  # type: ignore[union-attr]
    assert len(stories) == 90


def test_nobody_flaps(placed_shop: tuple[Fold, list[Changes]]) -> None:
    """Somebody whose rhythm never changes is moved as the segments form, and then no more than twice in 20 weeks."""
    _, said = placed_shop
    late = [f for changes in said for f in changes.facts if f.type == LEFT and f.time.timestamp() > START + 20 * WEEK]
    moves: dict[str, int] = {}
    for fact in late:
        moves[fact.key] = moves.get(fact.key, 0) + 1
    assert max(moves.values(), default=0) <= 2


class Nearest:
    """A segmentation that says what it is told."""

    ready, usual_gap = True, 30.0

    def __init__(self) -> None:
        self.answer = 1

    def nearest(self, x: object, currency: str, current: int, margin: float) -> int:
        return self.answer

    def name(self, number: int) -> str:
        return f"segment {number}"


@given(st.lists(st.integers(1, 3), min_size=1, max_size=30))
def test_a_segment_is_left_only_when_another_is_nearer_twice_in_a_row(answers: list[int]) -> None:
    nearest, profile = Nearest(), Profile()
    world = world_of(Adopted(MODEL, 1, 500, nearest))
    profile.of(Orders).note(order("c_a", START))
    current, before = 0, 0
    for week, answer in enumerate(answers):
        nearest.answer = answer
        Segment().weekly(profile, START + week * WEEK, world)
        if current == 0 or (answer == before and answer != current):
            current = answer
        before = answer
        assert profile.segment == current


def test_a_segment_is_left_only_by_a_margin() -> None:
    near = Segmentation(
        centres=np.array([[0.0] * 5, [2.0, 0, 0, 0, 0]]),
        mean=(0.0,) * 5,
        spread=(1.0,) * 5,
        money={"GBP": (0.0, 1.0)},
    )
    at = [near.nearest((x, 0.0, 0.0, 0.0, 0.0), "GBP", 1, 0.9) for x in (0.9, 1.02, 1.1, 1.9)]
    assert at == [1, 1, 2, 2]
    assert near.nearest((1.02, 0.0, 0.0, 0.0, 0.0), "GBP", 0, 0.9) == 2
    assert near.nearest((0.0, 99.0, 0.0, 0.0, 0.0), "XAF", 0, 0.9) == 1, "an unknown currency says nothing of money"


def test_features_know_the_rhythm() -> None:
    orders = Orders()
    for n in range(5):
        orders.note(order("c_a", START + 10 * n * DAY))
    known = facts(orders, START + 55 * DAY)
    assert known == (15.0, 5.0, 40.0, 55.0, 200.0, "GBP")
    frequency, money, gap, overdue, tenure = features(known, 30.0)
    assert math.exp(frequency) == pytest.approx(5)
    assert math.expm1(money) == pytest.approx(200)
    assert math.expm1(gap) == pytest.approx(70 / 5)
    assert math.exp(overdue) == pytest.approx(15 / 14)
    assert math.expm1(tenure) == pytest.approx(55)
    assert features(facts(orders, START + 41 * DAY), 30.0)[3] == 0.0, "within the rhythm nothing is overdue"


def test_returns_take_from_what_was_spent() -> None:
    orders = Orders()
    orders.note(order("c_a", START, 40.0))
    orders.note_return(order("c_a", START + DAY, 100.0))
    assert facts(orders, START + DAY)[4] == 0.0


def bought_on(*days: float) -> Profile:
    profile = Profile()
    for day in days:
        event = order("c_a", START + day * DAY)
        profile.of(Orders).note(event)
        Segment().learn(profile, event, World())
    return profile


def loyalty_of(profile: Profile, day: float) -> list[list[int]]:
    world = World()
    Segment().weekly(profile, START + day * DAY, world)
    return world.of(SegmentPopulation).loyalty


def test_buying_again_is_counted_when_the_horizon_is_over() -> None:
    """Three purchases, the third within the horizon of the second, the second not within that of the first."""
    profile = bought_on(0, 100, 140)
    assert loyalty_of(profile, 56) == [], "on the last day another may come"
    first = loyalty_of(profile, 150)
    assert first[0] == [1, 0]
    assert sum(map(sum, first)) == 1, "of the second it is not known yet"
    profile = unpack(pack(profile))
    assert loyalty_of(profile, 300)[:3] == [[0, 0], [1, 1], [1, 0]]
    assert loyalty_of(profile, 400) == []


def test_only_the_first_purchases_are_counted() -> None:
    profile = bought_on(*range(40))
    assert loyalty_of(profile, 300) == [[1, 1]] * PURCHASES


def test_what_comes_late_or_twice_a_day_is_no_purchase_more() -> None:
    assert len(bought_on(0, 0.1, 5, 3, 5.2).of(Membership).waiting) == 2


def test_a_batch_is_readable_json(placed_shop: tuple[Fold, list[Changes]]) -> None:
    _, said = placed_shop
    examples = [e.example for changes in said for e in changes.examples if e.data["model"] == MODEL]
    assert examples
    for example in examples:
        assert isinstance(example, Example)
        assert orjson.loads(orjson.dumps(example.data)) == orjson.loads(orjson.dumps(example.data))
        assert all(len(row) == 6 for row in example.data["rows"])


def test_two_customers_in_one_count_once(adopted: Adopted) -> None:
    world, operator = world_of(adopted), Segment()
    profiles = [Profile(), Profile()]
    for profile in profiles:
        for event in regular("c_a", 20, 7):
            profile.of(Orders).note(event)
        operator.weekly(profile, START + 20 * WEEK, world)
    population = world.of(SegmentPopulation)
    assert sum(population.customers.values()) == 2
    mine, theirs = profiles
    mine.sections.merge(theirs.sections)
    operator.merged(mine, world)
    assert sum(population.customers.values()) == 1
    operator.weekly(mine, START + 21 * WEEK, world)
    account = mine.of(Orders).main_account()
    assert account is not None
    assert sum(population.spent.values()) == account.spent


def test_a_customer_folded_again_stands_in_place_of_the_old_one(adopted: Adopted) -> None:
    world, operator = world_of(adopted), Segment()
    before, after = Profile(), Profile()
    for event in regular("c_a", 20, 7):
        before.of(Orders).note(event)
    after.of(Orders).note(order("c_a", START, 9.0))
    operator.weekly(before, START + 20 * WEEK, world)
    operator.weekly(after, START + 20 * WEEK, World())  # somewhere else
    scratch = world_of(adopted)
    operator.weekly(after, START + 20 * WEEK, scratch)
    said = operator.replaced(before, after, START + 20 * WEEK, world)
    population = world.of(SegmentPopulation)
    assert {n: c for n, c in population.customers.items() if c} == {str(after.segment): 1}
    assert sum(population.spent.values()) == 90_000
    assert [outcome.type for outcome in said] == [LEFT, ENTERED]  # type: ignore[union-attr]


def test_the_membership_is_kept_and_small(placed_shop: tuple[Fold, list[Changes]]) -> None:
    fold, _ = placed_shop
    profile = fold.profile("c_often_1")
    assert profile is not None
    again = unpack(pack(profile))
    assert again.of(Membership) == profile.of(Membership)
    assert again.segment == profile.segment
    assert len(profile.of(Membership).pack()) <= 63


def test_checkpoints_and_new_owners_change_nothing() -> None:
    whole, _ = placed(16)
    parted, _ = placed(16, owners=True)
    for key in whole.customers():
        assert pack(parted.profile(key)) == pack(whole.profile(key))  # type: ignore[arg-type]
    assert parted.world.of(SegmentPopulation).pack() == whole.world.of(SegmentPopulation).pack()


def test_standing_says_what_is_missing(adopted: Adopted) -> None:
    operator, profile = Segment(), Profile()
    standing = operator.standing(profile, World(), START)
    assert standing is not None
    assert (standing.enough, standing.level, standing.evidence) == (False, Level.UNKNOWN, "no orders")
    for event in regular("c_a", 20, 7):
        profile.of(Orders).note(event)
    world = world_of(adopted)
    operator.weekly(profile, START + 20 * WEEK, world)
    standing = operator.standing(profile, world, START + 20 * WEEK)
    assert standing is not None
    assert standing.enough
    assert standing.evidence.startswith(adopted.model.name(profile.segment))
    assert " R" in standing.evidence


def test_who_only_returned_something_is_in_no_segment() -> None:
    fold = Fold(0)
    event = order("c_a", START)
    event.what = What.RETURN
    fold_all(fold, [event, *ticks(START, START + 3 * WEEK)])
    profile = fold.profile("c_a")
    assert profile is not None
    assert profile.segment == 0


def test_kinds_and_names_are_everybodys_own() -> None:
    """Whatever the centres are, each segment has one name, and no two the same."""
    centres = [Centre(1.0, 10.0 * n, 30.0, 1.0, 400.0, 0.1 * n) for n in range(1, 7)]
    kinds = kinds_of(centres, ())
    assert set(kinds) == {"one-timers"}
    names = names_of(centres, kinds, ())
    assert len(set(names)) == 6
    assert names_of(centres, kinds, names) == names
