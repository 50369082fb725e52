"""The pace of orders against the customer's own."""

import random
from collections.abc import Iterable

import pytest

from analytics.events import Event
from analytics.operators.evidence import ALARM_YEARS, CAP, certainty, grown
from analytics.operators.purchase_frequency import MIN_GAPS, PurchaseFrequency, Tempo
from analytics.orders import DAY
from tests.analytics.alone import Alone, moments
from tests.analytics.stories import START, order


def tell(alone: Alone, days: Iterable[float], customer: str = "c_a") -> None:
    for day in days:
        alone.tell(order(customer, START + day * DAY))


def steps(first: float, gap: float, n: int, seed: int = 1) -> list[float]:
    """Days with an order, `gap` apart give or take a fifth."""
    r, day, found = random.Random(seed), first, []
    for _ in range(n):
        day += gap * max(0.2, r.gauss(1, 0.2))
        found.append(day)
    return found


@pytest.mark.parametrize(("gap", "direction"), [(9.0, "good"), (45.0, "bad")])
def test_another_pace_is_raised_once_and_becomes_the_new_usual(gap: float, direction: str) -> None:
    alone = Alone(PurchaseFrequency())
    before = steps(0, 20, 20)
    tell(alone, before)
    assert alone.raised() == []
    tell(alone, steps(before[-1], gap, 14, 2))

    ((_, raised, at),) = alone.raised()
    assert raised.finding.direction == direction
    assert at - before[-1] <= 6 * gap
    assert "is the new usual" in alone.cleared()[0]


def test_the_usual_pace_ends_it() -> None:
    alone = Alone(PurchaseFrequency())
    before = steps(0, 20, 20)
    faster = steps(before[-1], 9, 6, 2)
    tell(alone, [*before, *faster, *steps(faster[-1], 20, 12, 3)])

    assert alone.cleared() == ["Orders come at the usual pace again."]
    assert alone.profiles["c_a"].of(Tempo).mean == pytest.approx(20, rel=0.25)


@pytest.mark.parametrize("shape", [0.7, 1.0, 4.0, 25.0])
def test_who_keeps_the_pace_is_seldom_said_to_have_left_it(shape: float) -> None:
    """Eighty customer-years, in which every pace has to be learned first."""
    alone, r, events = Alone(PurchaseFrequency()), random.Random(11), list[Event]()
    for i in range(80):
        events += [order(f"c_{i}", START + day * DAY) for day in moments(r, r.uniform(2, 30), 365, shape)]
    for event in sorted(events, key=lambda event: event.time):
        alone.tell(event)

    assert len(alone.raised()) <= 1


def test_who_buys_at_random_is_hardly_ever_said_to_have_changed() -> None:
    """A thousand customer-years of Poisson customers, from three orders a week to one a month."""
    alone, r = Alone(PurchaseFrequency()), random.Random(7)
    for i in range(334):
        tell(alone, moments(r, r.choice((2.33, 4, 7, 14, 30)), 3 * 365.25, 1.0), f"c_{i}")

    assert len(alone.raised()) <= 1


@pytest.mark.parametrize(("factor", "direction"), [(0.5, "good"), (2.0, "bad")])
def test_a_pace_that_doubles_or_halves_is_told_of_among_customers_who_buy_at_random(
    factor: float, direction: str
) -> None:
    """Gaps that vary by half of their mean, once a week until it changes."""
    alone, r, told = Alone(PurchaseFrequency()), random.Random(5), 0
    for i in range(20):
        tell(alone, moments(r, 14, 365, 1.0), f"c_random{i}")
        customer, change = f"c_{i}", 500.0
        tell(alone, moments(r, 7, change, 4.0), customer)
        tell(alone, (change + day for day in moments(r, 7 * factor, 365, 4.0)), customer)
        found = [raised for _, raised, at in alone.raised(customer) if at > change]
        told += bool(found) and found[0].finding.direction == direction

    assert told >= 18


def test_a_new_pace_does_not_pass_for_irregularity() -> None:
    alone = Alone(PurchaseFrequency())
    before = steps(0, 20, 20)
    tell(alone, before)
    usual = alone.profiles["c_a"].of(Tempo).spread
    tell(alone, steps(before[-1], 9, 4, 2))

    assert alone.profiles["c_a"].of(Tempo).spread < 2 * usual


def test_orders_of_one_day_are_no_gap() -> None:
    alone = Alone(PurchaseFrequency())
    tell(alone, [0.1, 0.2, 0.3, 0.4])
    assert alone.profiles["c_a"].get(Tempo) is None


def test_evidence_without_a_change_grows_by_the_time_that_passes() -> None:
    """Likelihood ratios have mean one while all is as usual; then the mean of the evidence is the time."""
    r, ends = random.Random(1), []
    for _ in range(4000):
        evidence = 0.0
        for _ in range(20):
            heads = r.random() < 0.3
            # as if heads were half as likely
            evidence = grown(evidence, 36.525, 1.0, -0.6931471805599453 if heads else 0.19415601444095746)
        ends.append(evidence)

    assert sum(ends) / len(ends) == pytest.approx(2.0, rel=0.1)


def test_evidence_is_bounded_and_scored() -> None:
    assert grown(CAP, 1e9, 1.0, 1e9) == CAP
    assert certainty(0.0) == 0.0
    assert certainty(ALARM_YEARS) == 0.5


def test_two_keys_of_one_customer_learn_the_pace_anew() -> None:
    ours, theirs = Tempo(10.0, 0.2, 3.0, 4.0, gaps=20), Tempo(30.0, gaps=20)
    ours.merge(theirs)
    assert (ours.mean, ours.faster, ours.slower) == (20.0, 0.0, 0.0)
    assert ours.gaps < MIN_GAPS
