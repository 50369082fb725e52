"""Spending against the customer's own: what is noticed, what teaches, and how often it is wrong."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.events import Event
from analytics.operators.base import Clear, Noted, Raise
from analytics.operators.spend_baseline import Baseline, Spend, SpendPopulation
from analytics.operators.spend_deviation import SpendDeviation, usual_spend
from analytics.orders import DAY
from tests.analytics.alone import Alone
from tests.analytics.stories import START, order


def weekly(alone: Alone, amounts: list[float], first: int = 0, customer: str = "c_a") -> list[Noted]:
    """One order a week; what was noted of each."""
    before = len(alone.noted())
    for week, amount in enumerate(amounts, start=first):
        alone.tell(order(customer, START + week * 7 * DAY, amount))
    return alone.noted()[before:]


def steady(n: int, about: float = 40.0, scatter: float = 0.1, seed: int = 1) -> list[float]:
    r = random.Random(seed)
    return [about * r.lognormvariate(0, scatter) for _ in range(n)]


@pytest.mark.parametrize(("amount", "direction"), [(400.0, "good"), (3.0, "bad")])
def test_an_order_far_from_the_usual_is_raised_at_once(amount: float, direction: str) -> None:
    alone = Alone(SpendDeviation())
    for i in range(12):
        weekly(alone, steady(12, seed=i), customer=f"c_{i}")
    weekly(alone, steady(12))
    (noted,) = weekly(alone, [amount], 12)

    ((_, raised, _),) = alone.raised()
    assert raised.finding.direction == direction
    assert noted.flagged
    assert noted.score > 0.95


def test_what_is_flagged_does_not_teach() -> None:
    alone = Alone(SpendDeviation())
    weekly(alone, steady(12))
    baseline = alone.profiles["c_a"].of(Spend).baselines["GBP"]
    before = (baseline.count, baseline.mean, baseline.var, baseline.raw_mean, baseline.raw_var)
    weekly(alone, [700.0], 12)

    assert (baseline.count, baseline.mean, baseline.var, baseline.raw_mean, baseline.raw_var) == before


def test_who_always_varies_is_given_room() -> None:
    amounts, large = steady(30, scatter=0.9), 40.0 * 3
    alone = Alone(SpendDeviation())
    weekly(alone, amounts)

    assert not weekly(alone, [large], 30)[0].flagged
    calm = Alone(SpendDeviation())
    weekly(calm, steady(30, scatter=0.1))
    assert weekly(calm, [large], 30)[0].flagged


def test_a_doubtful_order_counts_for_more_just_after_a_clear_one() -> None:
    scores = []
    for first in (40.0, 900.0):
        alone = Alone(SpendDeviation())
        weekly(alone, steady(20, scatter=0.3))
        scores.append(weekly(alone, [first, 95.0], 20)[1].score)

    assert scores[1] > 3 * scores[0]


def test_a_change_that_lasts_becomes_the_new_usual_and_is_said() -> None:
    alone = Alone(SpendDeviation())
    weekly(alone, steady(12))
    weekly(alone, steady(4, about=400), 12)

    assert len(alone.raised()) == 1
    (why,) = alone.cleared()
    assert "new usual" in why
    assert [noted.flagged for noted in weekly(alone, [400.0, 410.0, 4000.0], 16)] == [False, False, True]


def test_a_spell_among_usual_orders_is_one_episode_and_leaves_the_baseline_alone() -> None:
    """A card that somebody else uses too, for a fortnight: every third amount is five times as large."""
    alone, r = Alone(SpendDeviation()), random.Random(3)
    for i in range(200):
        day, stolen = i / 2, 60 <= i / 2 < 74
        amount = abs(r.gauss(50, 20)) * (5 if stolen and r.random() < 0.33 else 1)
        alone.tell(order("c_a", START + day * DAY, amount))

    ((_, _, at),) = alone.raised()
    assert 60 <= at < 68
    assert alone.cleared() == ["The orders since were as usual."]
    assert alone.profiles["c_a"].of(Spend).baselines["GBP"].raw_mean == pytest.approx(50, rel=0.2)


def test_an_episode_ends_when_nothing_more_is_ordered() -> None:
    alone = Alone(SpendDeviation())
    weekly(alone, [*steady(12), 900.0])
    alone.wait("c_a", START + 200 * DAY)

    assert alone.cleared() == ["No further order since."]
    assert not alone.profiles["c_a"].timers


@pytest.mark.parametrize("logs", [True, False])
def test_false_alarms_are_rare_whatever_the_amounts_look_like(logs: bool) -> None:
    """A hundred customers for a year; by its limit fewer than two, and none in most such years."""
    alone, r, years = Alone(SpendDeviation()), random.Random(7), 100
    events: list[Event] = []
    for i in range(years):
        about, gap = r.lognormvariate(3.5, 0.6), r.choice((2, 5, 12))
        for n in range(365 // gap):
            amount = about * (r.lognormvariate(0, 0.5) if logs else max(0.02, r.gauss(1, 0.45)))
            events.append(order(f"c_{i}", START + (n * gap + i / years) * DAY, amount))
    for event in sorted(events, key=lambda event: event.time):
        alone.tell(event)

    assert len(alone.raised()) <= 2
    weight = alone.world.of(SpendPopulation).shape("GBP").log_weight
    assert weight == pytest.approx(1.0 if logs else 0.0, abs=1e-3)


def test_a_segment_of_people_who_vary_lends_its_scatter() -> None:
    alone, r = Alone(SpendDeviation()), random.Random(5)
    for i in range(80):
        customer, scatter = f"c_{i}", (0.1, 0.9)[i % 2]
        alone.tell(order(customer, START, 40.0))
        alone.profiles[customer].segment = 1 + i % 2
        weekly(alone, [40 * r.lognormvariate(0, scatter) for _ in range(20)], 1, customer)

    scores = []
    for segment in (1, 2):
        customer = f"c_new{segment}"
        alone.tell(order(customer, START, 40.0))
        alone.profiles[customer].segment = segment
        weekly(alone, [38.0, 42.0, 41.0, 39.0], 1, customer)
        scores.append(weekly(alone, [110.0], 5, customer)[0].score)
    assert scores[0] > 2 * scores[1]


def test_few_orders_are_not_enough_to_judge() -> None:
    alone = Alone(SpendDeviation())
    assert [noted.flagged for noted in weekly(alone, [40.0, 41.0, 39.0, 900.0])] == [False] * 4
    standing = alone.operator.standing(alone.profiles["c_a"], alone.world, START)
    assert standing is not None
    assert not standing.enough


def test_the_usual_range_holds_the_usual_orders() -> None:
    alone = Alone(SpendDeviation())
    amounts = steady(30, scatter=0.2)
    weekly(alone, amounts)
    found = usual_spend(alone.profiles["c_a"], alone.world)
    assert found is not None
    currency, usual, low, high = found

    assert currency == "GBP"
    assert usual == pytest.approx(sum(amounts) / len(amounts), rel=0.05)
    assert sum(low < amount < high for amount in amounts) >= 28


amounts = st.floats(0.0001, 1e9)
made = st.lists(st.tuples(st.floats(0, 4e9), amounts, st.sampled_from(["GBP", "EUR", "JPY", "USD"])), max_size=60)


@settings(deadline=None, max_examples=60)
@given(made, st.integers(0, 2))
def test_any_orders_give_a_probability_and_survive_packing(orders: list[tuple[float, float, str]], n: int) -> None:
    alone, again = Alone(SpendDeviation()), Alone(SpendDeviation())
    for i, (at, amount, currency) in enumerate(orders):
        event = order("c_a", at, amount, n=i)
        event.currency = currency
        first, second = alone.tell(event), again.tell(event)
        assert [o for o in first if isinstance(o, Noted)] == [o for o in second if isinstance(o, Noted)]
        assert len(first) == len(second)
        if i % 3 == n:
            again.reload()

    assert len(alone.noted()) == len(orders)
    assert all(0 <= noted.score <= 1 for noted in alone.noted())
    if orders:
        assert alone.profiles["c_a"].sections.pack() == again.profiles["c_a"].sections.pack()
    assert alone.world.sections.pack() == again.world.sections.pack()


def test_orders_of_nothing_and_a_fourth_currency_are_not_judged() -> None:
    alone = Alone(SpendDeviation())
    for i, currency in enumerate(("GBP", "EUR", "USD", "SEK", "GBP")):
        event = order("c_a", START + i * DAY, 0.0 if i == 4 else 10.0)
        event.currency = currency
        alone.tell(event)

    assert set(alone.profiles["c_a"].of(Spend).baselines) == {"GBP", "EUR", "USD"}
    assert [noted.score for noted in alone.noted()] == [0.0] * 5


def test_two_keys_of_one_customer_share_what_they_learned() -> None:
    ours, theirs = Spend(), Spend()
    ours.baselines["GBP"] = Baseline("GBP", 10, 3.0, 0.1, 20.0, 4.0)
    theirs.baselines["GBP"] = Baseline("GBP", 30, 4.0, 0.3, 60.0, 8.0, evidence=9.0, orders=3, unusual=2)
    theirs.baselines["EUR"] = Baseline("EUR", 3, 1.0)
    ours.merge(theirs)

    found = ours.baselines["GBP"]
    assert (found.count, found.mean, found.raw_mean) == (40, 3.75, 50.0)
    assert (found.orders, found.unusual) == (3, 2)
    assert ours.baselines["EUR"].count == 3


@pytest.mark.parametrize("scatters", [(0.05,), (0.1, 0.6)])
def test_what_people_read_is_the_customers_own_usual(scatters: tuple[float, ...]) -> None:
    """Orders are judged by a mean that leans on a cheaper shop, on the scale of the amount or of its logarithm; nobody
    ever spent that.
    """
    alone, r = Alone(SpendDeviation()), random.Random(4)
    for i in range(40):
        scatter = r.choice(scatters)
        amounts = [400.0] if i == 0 else [10 * r.lognormvariate(0, scatter) for _ in range(10)]
        weekly(alone, amounts, customer=f"c_{i}")
    weekly(alone, [38.0, 42.0, 40.0, 41.0, 39.0, 40.0, 41.0, 39.0])
    profile = alone.profiles["c_a"]
    found, standing = usual_spend(profile, alone.world), alone.operator.standing(profile, alone.world, START)
    weekly(alone, [400.0], 8)
    finding = alone.raised("c_a")[0][1].finding

    assert found is not None
    assert standing is not None
    assert found[1] == pytest.approx(40, abs=0.1)
    assert finding.sentence == "Spent £400; usually £40."
    assert finding.expected.text == "about £40"
    assert finding.reasons[0].text == "This order is 10.0 times more than usual."
    assert finding.features["usual_log"] < math.log(39.8)
    assert math.sqrt(found[2] * found[3]) == pytest.approx(40, abs=0.1)


def test_what_is_said_is_plain() -> None:
    alone = Alone(SpendDeviation())
    weekly(alone, [40.0] * 12)
    weekly(alone, [900.0], 12)
    finding = next(o for _, o, _ in alone.said if isinstance(o, Raise)).finding

    assert finding.sentence == "Spent £900; usually £40."
    assert finding.reasons[0].text == "This order is 22.5 times more than usual."
    assert not [o for _, o, _ in alone.said if isinstance(o, Clear)]
