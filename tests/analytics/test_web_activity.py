"""Visits against the customer's own weeks."""

import random
from collections.abc import Sequence

from analytics.events import Event, What
from analytics.operators.web_activity import VisitPopulation, WebActivity, WebWeeks
from analytics.orders import DAY
from tests.analytics.alone import Alone
from tests.analytics.stories import START


def weeks(alone: Alone, visits: Sequence[int], first: int = 0, customer: str = "c_a") -> None:
    """So many visits in each week, and the scoring moment at its end."""
    for week, count in enumerate(visits, start=first):
        for n in range(count):
            at = START + (7 * week + n / 50) * DAY
            alone.tell(Event(What.VISIT, f"v{week}.{n}", customer, at, at))
        alone.week(customer, START + 7 * (week + 1) * DAY)


def poisson(r: random.Random, mean: float, n: int) -> list[int]:
    return [sum(r.random() < mean / 100 for _ in range(100)) for _ in range(n)]


def town(alone: Alone, n: int = 30, customers: int = 30) -> None:
    r = random.Random(1)
    for i in range(customers):
        weeks(alone, poisson(r, (1, 4, 10)[i % 3], n), customer=f"c_{i}")


def test_a_rise_is_good_and_the_new_usual_if_it_lasts() -> None:
    alone, r = Alone(WebActivity()), random.Random(2)
    town(alone)
    weeks(alone, poisson(r, 4, 20))
    assert alone.raised("c_a") == []
    weeks(alone, poisson(r, 16, 12), 20)

    ((_, raised, at),) = alone.raised("c_a")
    assert raised.finding.direction == "good"
    assert at <= 7 * 24
    assert "are the new usual" in alone.cleared()[-1]


def test_a_fall_is_bad_and_over_when_they_come_back() -> None:
    alone, r = Alone(WebActivity()), random.Random(2)
    town(alone)
    weeks(alone, [*poisson(r, 8, 20), 0, 0, 0, *poisson(r, 8, 12)])

    ((_, raised, _),) = alone.raised("c_a")
    assert raised.finding.direction == "bad"
    assert alone.cleared()[-1] == "Visits are as usual again."


def test_steady_visitors_are_left_alone() -> None:
    """Thirty customers for two years."""
    alone = Alone(WebActivity())
    town(alone, 104)
    assert len(alone.raised()) <= 1
    assert alone.world.of(VisitPopulation).excess < 0.3


def test_few_weeks_are_not_enough_to_judge() -> None:
    alone = Alone(WebActivity())
    weeks(alone, [1, 1, 1, 40])
    assert alone.said == []
    standing = alone.operator.standing(alone.profiles["c_a"], alone.world, START)
    assert standing is not None
    assert not standing.enough


def test_without_visits_nothing_is_kept() -> None:
    alone = Alone(WebActivity())
    weeks(alone, [0] * 10)
    assert alone.profiles["c_a"].get(WebWeeks) is None


def test_what_was_learned_survives_packing() -> None:
    alone, again = Alone(WebActivity()), Alone(WebActivity())
    visits = poisson(random.Random(3), 5, 40)
    weeks(alone, visits)
    for week, count in enumerate(visits):
        weeks(again, [count], week)
        again.reload()

    assert again.profiles["c_a"].of(WebWeeks) == alone.profiles["c_a"].of(WebWeeks)
    assert again.world.of(VisitPopulation) == alone.world.of(VisitPopulation)


def test_two_keys_of_one_customer_add_up() -> None:
    ours, theirs = WebWeeks(4.0, 1.0, 2.0, 3, 10), WebWeeks(8.0, 0.0, 0.0, 1, 30)
    ours.merge(theirs)
    assert (ours.usual, ours.more, ours.now, ours.weeks) == (7.0, 0.0, 4, 30)
