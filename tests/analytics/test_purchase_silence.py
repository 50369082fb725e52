"""Silence against the customer's own rhythm: who is missed soon, who is given time, and how often it is wrong."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.events import Event
from analytics.operators.base import Raise
from analytics.operators.evidence import normal_quantile, normal_tail
from analytics.operators.purchase_silence import PurchaseSilence, expected_next
from analytics.operators.rhythm import Expected, Gaps, Rhythm, RhythmPopulation, log_gap
from analytics.orders import DAY
from tests.analytics.alone import Alone, moments
from tests.analytics.stories import START, order


def crowd(alone: Alone, shapes: tuple[float, ...], *, days: float = 540, seed: int = 2) -> None:
    """Sixty customers whose gaps have these shapes by turns, in the order of time."""
    r, events = random.Random(seed), list[Event]()
    for i in range(60):
        for day in moments(r, r.uniform(5, 40), days, shapes[i % len(shapes)]):
            events.append(order(f"c_{i}", START + day * DAY))
    for event in sorted(events, key=lambda event: event.time):
        alone.tell(event)


def clockwork(alone: Alone, gap: float, n: int, scatter: float = 0.2) -> float:
    """Somebody who orders every `gap` days or so, `n` times; returns the last moment."""
    r, at = random.Random(9), START
    for _ in range(n):
        alone.tell(order("c_steady", at))
        last, at = at, at + gap * DAY * max(0.2, r.gauss(1, scatter))
    return last


def test_clockwork_is_missed_after_about_two_usual_gaps() -> None:
    alone = Alone(PurchaseSilence())
    crowd(alone, (25.0,))
    last = clockwork(alone, 20, 15)
    alone.wait("c_steady", last + 300 * DAY)

    ((_, raised, at),) = alone.raised("c_steady")
    assert 1.7 <= (at - (last - START) / DAY) / 20 <= 2.7
    assert raised.finding.direction == "bad"
    assert len([o for who, o, _ in alone.said if who == "c_steady" and isinstance(o, Raise)]) == 4, "said again thrice"


def test_clockwork_among_others_who_buy_at_random_is_missed_all_the_same() -> None:
    alone = Alone(PurchaseSilence())
    crowd(alone, (25.0, 1.0, 4.0))
    last = clockwork(alone, 20, 25)
    alone.wait("c_steady", last + 300 * DAY)

    ((_, _, at),) = alone.raised("c_steady")
    assert (at - (last - START) / DAY) / 20 <= 3.5


@pytest.mark.parametrize("shapes", [(1.0,), (25.0,), (25.0, 1.0, 4.0)])
def test_who_comes_back_was_seldom_missed(shapes: tuple[float, ...]) -> None:
    """Ninety customer-years; by the limit one false alarm in two hundred, more only while tails are being learned."""
    alone = Alone(PurchaseSilence())
    crowd(alone, shapes)

    assert len(alone.cleared()) <= 2


def test_daily_orders_do_not_look_like_clockwork() -> None:
    """Twice a day at random: a day without an order is nothing, nor are three."""
    alone, r = Alone(PurchaseSilence()), random.Random(4)
    for i in range(40):
        for day in moments(r, 0.5, 180, 1.0):
            alone.tell(order(f"c_{i}", START + day * DAY))

    assert alone.cleared() == []


def test_a_gap_that_was_missed_does_not_teach_but_a_second_is_the_new_rhythm() -> None:
    alone = Alone(PurchaseSilence())
    crowd(alone, (25.0,))
    last = clockwork(alone, 10, 20, 0.1)
    rhythm = alone.profiles["c_steady"].of(Rhythm)
    before = (rhythm.mean, rhythm.var, rhythm.gaps)

    alone.tell(order("c_steady", last + 60 * DAY))
    assert (rhythm.mean, rhythm.var, rhythm.gaps) == before
    alone.tell(order("c_steady", last + 120 * DAY))

    assert math.exp(rhythm.mean) == pytest.approx(59.5, rel=0.01)
    assert "new usual" in alone.cleared()[-1]


def test_heavier_tails_of_everybody_ask_for_more_silence() -> None:
    light, heavy = RhythmPopulation(), RhythmPopulation()
    tails = [(i + 0.5) / 4000 for i in range(4000)]
    random.Random(1).shuffle(tails)
    for tail in tails:
        light.judge(tail)
        heavy.judge(tail * tail)

    assert light.honest(1e-4) == pytest.approx(1e-4, rel=0.6)
    assert heavy.honest(1e-4) < 2e-6


def test_too_few_gaps_are_no_rhythm() -> None:
    alone = Alone(PurchaseSilence())
    for i in range(3):
        alone.tell(order("c_a", START + i * 9 * DAY))

    assert not alone.profiles["c_a"].timers
    assert expected_next(alone.profiles["c_a"], alone.world) is None
    alone.tell(order("c_a", START + 27 * DAY))
    assert alone.profiles["c_a"].timers


def test_who_would_be_missed_after_years_only_is_not() -> None:
    """After gaps of a day and of months nobody can tell from silence."""
    alone = Alone(PurchaseSilence())
    at = START
    for gap in (1, 200, 2, 1, 150, 1):
        alone.tell(order("c_a", at))
        at += gap * DAY
    profile = alone.profiles["c_a"]
    assert 365 < profile.of(Rhythm).alarm < math.inf
    assert not profile.timers

    yearly = Alone(PurchaseSilence())
    for year in range(6):
        yearly.tell(order("c_b", START + year * 365 * DAY))
    assert yearly.profiles["c_b"].timers, "who orders once a year is missed, but later"


def test_the_next_order_is_expected_within_its_range() -> None:
    alone = Alone(PurchaseSilence())
    last = clockwork(alone, 20, 15)
    found = expected_next(alone.profiles["c_steady"], alone.world)
    assert found is not None
    at, low, high = ((moment - last) / DAY for moment in found)

    assert 10 < low < 18 < at < 22 < high < 40


@given(st.floats(0.3, 60), st.floats(3.5, 20.5), st.floats(0.01, 100), st.floats(-2, 4))
def test_a_gap_and_its_deviate_are_each_other(shape: float, weight: float, days: float, z: float) -> None:
    expected = Expected(days, shape, weight)
    gap = expected.quantile(z)
    if 0 < gap < math.inf:
        assert expected.z(gap) == pytest.approx(z, abs=1e-6)


@given(st.floats(1e-12, 0.5))
def test_a_deviate_and_its_tail_are_each_other(tail: float) -> None:
    assert normal_tail(normal_quantile(tail)) == pytest.approx(tail, rel=1e-6)


def test_a_gap_is_known_to_a_day() -> None:
    """Of what is even between 0 and 1 the logarithm has mean -1 and variance 1; long gaps are known well."""
    assert log_gap(1.0) == pytest.approx((-1.0, 1.0))
    for days in (63.0, 64.0):
        mean, var = log_gap(days)
        assert mean == pytest.approx(math.log(days - 0.5), abs=1e-4)
        assert var == pytest.approx(1 / (12 * (days - 0.5) ** 2), rel=0.01)


@given(st.dictionaries(st.integers(0, 65_535), st.tuples(*[st.floats(0, 1e6)] * 3), max_size=5))
def test_the_population_survives_packing(groups: dict[int, tuple[float, float, float]]) -> None:
    population = RhythmPopulation(0.07, 1.4, 12, 3, {number: Gaps(*numbers) for number, numbers in groups.items()})
    assert RhythmPopulation.unpack(population.pack()) == population


def test_a_segment_lends_its_own_scatter_once_it_is_known() -> None:
    population = RhythmPopulation()
    for i in range(1000):
        population.note(1 + i % 2, 3.0, (0.02, 1.5)[i % 2])

    calm, wild = population.of(1)[0], population.of(2)[0]
    assert calm < 0.2 < 1.0 < wild
    assert population.of(9)[0] == pytest.approx(population.of(0)[0], rel=0.01)
