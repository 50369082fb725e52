"""The learner of links: counts, their errors, what is bought with what, and offers."""

import io
import pickle
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.learners import pairs as pairs_module
from analytics.learners.catalogue import Catalogue, words_of
from analytics.learners.links import LinksLearner
from analytics.learners.offers import Offers
from analytics.learners.pairs import Neighbours, Pairs, keys_of
from analytics.operators.links import Bought, code_of
from analytics.orders import DAY
from tests.analytics.basket_shop import PAIRED, REST, SEQUEL, Counter, basket, shop
from tests.analytics.stories import START

BASKETS = st.lists(st.lists(st.integers(0, 40), min_size=2, max_size=8, unique=True), min_size=1, max_size=120)


def keys(*pairs: tuple[int, int]) -> np.ndarray:
    both = np.array(pairs, np.uint32)
    return keys_of(both[:, 0], both[:, 1])


@pytest.fixture(scope="module")
def counted() -> Counter:
    return Counter().take(shop())


@pytest.fixture(scope="module")
def offers(counted: Counter) -> Offers:
    return counted.learner.snapshot()


def customer(*skus: str) -> Bought:
    found = Bought()
    found.add([code_of(sku) for sku in skus])
    return found


def plain(thing: object) -> bytes:
    """Its pickle, whichever equal parts are one object."""
    written = io.BytesIO()
    pickler = pickle.Pickler(written)
    pickler.fast = True
    pickler.dump(thing)
    return written.getvalue()


# Counting


@given(BASKETS, st.integers(8, 64))
@settings(deadline=None)
def test_a_count_is_never_too_high_and_too_low_by_no_more_than_said(baskets: list[list[int]], room: int) -> None:
    exact: dict[int, int] = {}
    counted = Pairs(room)
    for items in baskets:
        found = keys(*combinations(items, 2))
        counted.add(found, 1.0)
        for key in found.tolist():
            exact[key] = exact.get(key, 0) + 1
        assert len(counted) <= room
    kept = dict(zip(counted.keys.tolist(), counted.together.tolist(), strict=True))
    assert sorted(kept) == counted.keys.tolist()
    for key, count in exact.items():
        assert kept.get(key, 0.0) <= count <= kept.get(key, 0.0) + counted.error


def test_with_room_for_all_counts_are_exact() -> None:
    counted = Pairs()
    counted.add(keys((1, 2), (2, 1), (3, 1)), 1.0)
    counted.add(keys((1, 2)), 1.0, after=True)
    assert counted.error == 0
    assert list(zip(counted.together, counted.after, strict=True)) == [(2.0, 1.0), (1.0, 0.0)]


def test_counts_fade_by_half_in_a_half_life_and_the_error_with_them() -> None:
    counted = Pairs(4)
    counted.add(keys((1, 2), (1, 2), (1, 2), (1, 3), (1, 4), (1, 5), (1, 6)), 1.0)
    error = counted.error
    assert error == 1.0
    counted.fade(0.5)
    assert counted.together.max() == 1.5
    assert counted.error == error / 2


def test_each_pair_is_found_from_either_side() -> None:
    counted = Pairs()
    counted.add(keys((1, 2), (2, 3), (0, 3)), 1.0)
    neighbours = Neighbours(counted.keys, 5)
    assert [sorted(neighbours.of(item)[0].tolist()) for item in range(5)] == [[3], [2], [1, 3], [0, 2], []]


def test_dropped_products_take_their_pairs_along() -> None:
    counted = Pairs()
    counted.add(keys((0, 2), (1, 2), (2, 3)), 1.0)
    counted.renumber(np.array([0, -1, 1, 2]))
    assert counted.keys.tolist() == sorted(keys((0, 1), (1, 2)).tolist())


def test_a_full_catalogue_drops_what_is_bought_least(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analytics.learners.catalogue.MOST_ITEMS", 20)
    monkeypatch.setattr(pairs_module, "MOST_ITEMS", 16_384)
    counter = Counter()
    often = ["A", "B"]
    for n in range(200):
        counter.take([basket(f"c_{n % 9}", START + n * DAY, [*often, f"P{n}"], n)])
    snapshot = counter.learner.snapshot()
    assert len(counter.learner.catalogue) <= 20
    number = snapshot.number("A")
    assert number is not None
    assert [found.sku for found in snapshot.bought_with(number)][:1] == ["B"]
    assert snapshot.orders[number] > 60
    assert counter.learner.catalogue.error >= 1


def test_products_whose_codes_collide_do_not_pass_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analytics.learners.catalogue.code_of", lambda sku: 7)
    monkeypatch.setattr("analytics.learners.offers.code_of", lambda sku: 7)
    catalogue = Catalogue()
    catalogue.numbers_of(["A", "B"], None, START)
    offers = Offers(catalogue, Pairs(), 1.0, START, (0.0,) * 6)
    assert (offers.number("A"), offers.number("B")) == (0, None)


# What is published


def test_what_is_bought_together_is_found_with_its_numbers(offers: Offers) -> None:
    for one, other in PAIRED:
        number = offers.number(one)
        assert number is not None
        best = offers.bought_with(number)[0]
        assert best.sku == other
        assert best.confidence > 0.95
        assert best.lift == pytest.approx(best.confidence / (offers.orders[number] / offers.baskets), rel=0.01)
        assert best.support == pytest.approx(best.count / offers.baskets)


def test_half_the_baskets_count_after_ninety_days() -> None:
    counter = Counter().take(basket(f"c_{n}", START + n, ["A", "B"], n) for n in range(64))
    counter.take([basket("c_x", START + 90 * DAY, ["X"]), basket("c_x", START + 91 * DAY, ["Y"])])
    snapshot = counter.learner.snapshot()
    number = snapshot.number("A")
    assert number is not None
    assert snapshot.orders[number] == pytest.approx(32, rel=0.02)


def test_huge_baskets_count_as_if_nothing_were_left_out() -> None:
    """Each product and each pair of the sample stands for others: the totals are those of the whole baskets."""
    counter = Counter()
    skus = [f"P{n}" for n in range(300)]
    counter.take(basket(f"c_{n}", START + n, skus, n) for n in range(32))
    learner = counter.learner
    learner._count()
    assert learner.catalogue.orders.sum() == pytest.approx(32 * 300, rel=1e-6)
    assert learner.pairs.together.sum() == pytest.approx(32 * 300 * 299 / 2, rel=1e-3)


def test_offers_are_new_to_the_customer_and_say_why(offers: Offers) -> None:
    found = offers.offers(customer("TEA", "P01"), 5)
    assert found[0].sku == "POT"
    assert (found[0].because, found[0].score) == ("TEA", 1.0)
    assert found[0].confidence > 0.95
    assert [offer.score for offer in found] == sorted((offer.score for offer in found), reverse=True)
    assert {"TEA", "P01"}.isdisjoint(offer.sku for offer in offers.offers(customer("TEA", "P01"), 50))


def test_what_is_bought_next_is_offered_though_it_is_never_bought_together(offers: Offers) -> None:
    camera, tripod = SEQUEL
    number = offers.number(camera)
    assert number is not None
    assert tripod not in [found.sku for found in offers.bought_with(number)]
    best = offers.offers(customer(*REST, camera), 1)[0]
    assert (best.sku, best.because) == (tripod, camera)
    assert best.after > best.count


def test_a_new_product_is_offered_for_its_name() -> None:
    counter = Counter().take(shop(20, 20))
    event = basket("c_1", START + 141 * DAY, ["KETTLE"])
    event.data["items"][0]["name"] = "Blue tea kettle"
    counter.take([event, basket("c_2", START + 142 * DAY, ["P01"])])
    snapshot = counter.learner.snapshot()
    pot = snapshot.known([code_of("POT")])
    candidates, x = snapshot.candidates(pot)
    kettle = snapshot.number("KETTLE")
    assert kettle in candidates
    similar = dict(zip(candidates.tolist(), x[:, 4].tolist(), strict=True))
    assert similar[kettle] == max(similar.values())


def test_who_bought_nothing_that_is_known_gets_what_is_popular(offers: Offers) -> None:
    found = offers.offers(customer("no such thing"), 10)
    assert len(found) == 10
    assert all(offer.because is None for offer in found)


def test_an_empty_shop_offers_nothing() -> None:
    offers = LinksLearner().snapshot()
    assert offers.offers(customer("A"), 10) == []
    assert offers.number("A") is None
    assert LinksLearner().figures()["hit_rate_10"] is None, "nothing was judged: no figure, not a bad one"


def test_words_of_names_in_any_language() -> None:
    assert words_of("Grüne Teekanne").tolist() == words_of("GRÜNE  teekanne, 2").tolist()
    assert len(set(words_of("one two three four five six seven").tolist())) == 6


# Learning


def test_offers_beat_what_is_popular_and_the_weights_are_learned(counted: Counter) -> None:
    figures = counted.learner.figures()
    assert figures["judged"] >= 5
    assert figures["hit_rate_10"] >= figures["popular_hit_rate_10"]
    assert counted.learner.weights.tolist() != LinksLearner().weights.tolist()


def test_the_same_baskets_give_the_same_bytes_and_a_crash_changes_nothing() -> None:
    events = list(shop(40, 20))
    whole = Counter().take(events)
    parted = Counter()
    for n, event in enumerate(events):
        parted.take([event])
        if n % 97 == 0:
            parted.learner.snapshot()
            parted.learner = pickle.loads(pickle.dumps(parted.learner))
    assert plain(parted.learner) == plain(whole.learner)
    assert plain(parted.learner.snapshot()) == plain(whole.learner.snapshot())


def test_a_snapshot_stays_as_it_is_while_the_learner_learns_on() -> None:
    counter = Counter().take(shop(20, 10))
    snapshot = counter.learner.snapshot()
    before = [snapshot.offers(customer("TEA"), 10), snapshot.number("NEW")]
    counter.take(basket(f"c_{n}", START + 80 * DAY + n, ["TEA", "NEW"], n) for n in range(200))
    assert [snapshot.offers(customer("TEA"), 10), snapshot.number("NEW")] == before
    assert counter.learner.snapshot().offers(customer("TEA"), 10) != before[0]


def test_a_version_is_made_every_half_day() -> None:
    counter, made = Counter(), []
    for event in shop(60, 4):
        counter.take([event])
        if counter.learner.publish_every == 1:
            made.append(counter.learner.made_at)
    gaps = np.diff(sorted({at for at in made if at})) / DAY
    assert len(gaps) > 20
    assert 0.5 <= gaps.min() <= gaps.max() < 1.0


@pytest.mark.parametrize("at", [0.0, -1e9, 253_402_300_799.0])
def test_an_odd_moment_does_not_stop_time(at: float) -> None:
    """One order of 1970 or of the year 9999 among others: what was counted before is still there."""
    counter = Counter().take(shop(30, 6))
    counter.take(
        [basket("c_odd", at, ["A", "B"]), *(basket("c_1", START + (43 + n) * DAY, ["P01"], n) for n in range(4))]
    )
    number = counter.learner.snapshot().number("TEA")
    assert number is not None
    assert counter.learner.snapshot().orders[number] > 8


@pytest.mark.parametrize(
    "example",
    [{}, {"baskets": None}, {"baskets": [[]]}, {"baskets": [["x", 1, ["A"], None, [], [], None]]}, {"baskets": [7]}],
)
def test_what_is_no_example_is_refused(example: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        LinksLearner().take(example)
