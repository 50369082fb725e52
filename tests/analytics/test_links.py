"""What tasks keep of baskets and hand to the learner of links."""

import math
import random

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.events import Event
from analytics.fold import Fold
from analytics.operators.base import Example, World
from analytics.operators.links import (
    BATCH_ORDERS,
    BATCH_SECONDS,
    JUDGED_EVERY,
    MOST_LINES,
    RECENT,
    Bought,
    Links,
    LinksPopulation,
    code_of,
    names_by_sku,
    sampled,
)
from analytics.profile import Profile, pack, unpack
from tests.analytics.basket_shop import basket
from tests.analytics.stories import START, order, reloaded

CODES = st.integers(0, 2**24 - 1)


def bought(*codes: int) -> Bought:
    found = Bought()
    found.add(codes)
    return found


def batches(events: list[Event], profile: Profile, world: World) -> list[Example]:
    operator = Links()
    return [said for event in events for said in operator.learn(profile, event, world) if isinstance(said, Example)]


@given(st.lists(st.lists(CODES, max_size=40, unique=True), max_size=12))
def test_what_was_bought_is_never_taken_for_new(baskets: list[list[int]]) -> None:
    known = Bought()
    for codes in baskets:
        known.add(codes)
    assert all(known.has(code) for codes in baskets for code in codes)
    assert len(known.recent) <= RECENT
    assert Bought.unpack(known.pack()) == known


def test_the_last_products_are_kept_in_the_order_they_were_bought() -> None:
    known = bought(1, 2, 3)
    known.add([2])
    assert known.recent == [1, 3, 2]


@pytest.mark.parametrize(("older", "most"), [(33, 0.01), (100, 0.06), (260, 0.11), (1_000, 0.17)])
def test_how_often_a_new_product_is_taken_for_bought(older: int, most: float) -> None:
    r = random.Random(5)
    known = bought(*r.sample(range(2**24), older + RECENT))
    assert sum(known.has(r.randrange(2**24)) for _ in range(20_000)) / 20_000 <= most


def test_who_bought_half_the_shop_is_still_packed_small_and_nothing_is_forgotten() -> None:
    codes = random.Random(6).sample(range(2**24), 5_000)
    known = bought(*codes)
    assert len(known.pack()) <= 1_569
    assert all(known.has(code) for code in codes)
    assert Bought.unpack(known.pack()) == known


@given(st.lists(CODES, max_size=60, unique=True), st.lists(CODES, max_size=60, unique=True))
def test_a_merged_customer_has_bought_what_both_did(mine: list[int], theirs: list[int]) -> None:
    kept = bought(*mine)
    kept.merge(bought(*theirs))
    assert all(kept.has(code) for code in (*mine, *theirs))
    assert kept.recent[-len(mine) :][-RECENT:] == mine[-RECENT:] or not mine


def test_a_batch_holds_baskets_and_nobodys_name() -> None:
    profile, world = Profile(), World()
    events = [basket("c_secret", START + n, ["A", "B"], n) for n in range(BATCH_ORDERS)]
    (example,) = batches(events, profile, world)
    assert len(example.data["baskets"]) == BATCH_ORDERS
    assert orjson.loads(orjson.dumps(example.data)) == example.data
    assert b"c_secret" not in orjson.dumps(example.data)
    assert world.of(LinksPopulation).baskets == []
    first, second = example.data["baskets"][:2]
    assert first == [START, 2, ["A", "B"], ["Product A", "Product B"], [], [], None]
    assert second[4:] == [[], [], None], "nothing was new"


def test_new_products_follow_those_bought_before() -> None:
    profile, world = Profile(), World()
    events = [basket("c_a", START, ["A", "B"]), basket("c_a", START + 2 * BATCH_SECONDS, ["B", "C"])]
    (example,) = batches(events, profile, world)
    assert example.data["baskets"][1][4:6] == [[1], [code_of("A"), code_of("B")]]


def test_few_baskets_wait_no_longer_than_an_hour() -> None:
    profile, world, operator = Profile(), World(), Links()
    assert batches([basket("c_a", START, ["A"])], profile, world) == []
    assert operator.weekly(profile, START + BATCH_SECONDS - 1, world) == ()
    (example,) = operator.weekly(profile, START + BATCH_SECONDS, world)
    assert isinstance(example, Example)
    assert len(example.data["baskets"]) == 1
    assert operator.weekly(profile, START + 9 * BATCH_SECONDS, world) == ()


def test_huge_baskets_are_sampled_the_same_way_each_time() -> None:
    lines = {f"P{n}": "" for n in range(900)}
    chosen = sampled(lines, "order 1")
    assert len(set(chosen)) == MOST_LINES
    assert chosen == sampled(dict(reversed(lines.items())), "order 1")
    assert chosen != sampled(lines, "order 2")
    # Every product has the same chance: over many orders each is chosen about 128 times in 900.
    counts = dict.fromkeys(lines, 0)
    for n in range(300):
        for sku in sampled(lines, f"order {n}"):
            counts[sku] += 1
    expected = 300 * MOST_LINES / 900
    assert max(abs(count - expected) for count in counts.values()) < 5 * math.sqrt(expected)


def test_all_products_of_a_huge_basket_count_as_bought() -> None:
    profile, world = Profile(), World()
    skus = [f"P{n}" for n in range(400)]
    (example,) = batches([basket("c_a", START, skus), basket("c_a", START + 9e3, ["X"])], profile, world)
    assert (example.data["baskets"][0][1], len(example.data["baskets"][0][2])) == (400, MOST_LINES)
    assert all(profile.of(Bought).has(code_of(sku)) for sku in skus)


def test_one_basket_in_some_is_judged_whatever_its_size() -> None:
    population = LinksPopulation()
    sizes = [40, 1] * 400
    judged = [size for size in sizes if population.judges(size)]
    assert len(judged) == pytest.approx(sum(sizes) / JUDGED_EVERY, abs=3)
    assert judged.count(1) > len(judged) / 3


@pytest.mark.parametrize(
    "items",
    [None, [], {}, "x", 7, [None], [7], [[]], [{}], [{"sku": None}], [{"sku": 5}], [{"sku": ""}], [{"sku": "x" * 65}]],
)
def test_what_is_no_product_teaches_nothing(items: object) -> None:
    event = order("c_a", START)
    event.data = {"items": items}
    profile, world = Profile(), World()
    assert Links().learn(profile, event, world) == ()
    assert profile.get(Bought) is None


def test_a_product_counts_once_and_long_names_are_cut() -> None:
    assert names_by_sku([{"sku": "A", "name": "n" * 99}, {"sku": "B", "name": 5}, {"sku": "B"}]) == {
        "A": "n" * 80,
        "B": "",
    }


def test_a_new_owner_goes_on_with_the_same_batch() -> None:
    events = [basket(f"c_{n % 7}", START + 60 * n, [f"P{n % 5}", f"P{n % 11}"], n) for n in range(100)]
    whole, parted = Fold(0), Fold(0)
    for event in events:
        whole.apply(event)
    kept: dict[str, tuple[bytes, bytes | None]] = {}
    examples = []
    for n, event in enumerate(events):
        parted.apply(event)
        if n % 13 == 0:
            changes = parted.take_changes()
            examples += [example.data for example in changes.examples]
            parted = reloaded(parted, changes, kept)
    changes = parted.take_changes()
    examples += [example.data for example in changes.examples]
    assert examples == [example.data for example in whole.take_changes().examples]
    assert parted.state() == whole.state()


def test_the_section_is_what_it_says_in_a_packed_profile() -> None:
    profile = Profile()
    profile.of(Bought).add(range(200))
    assert unpack(pack(profile)).of(Bought) == profile.of(Bought)
