"""Tickets against the customer's own."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.operators.support_load import SupportLoad, _tail
from analytics.orders import DAY
from tests.analytics.alone import Alone
from tests.analytics.stories import START, order, ticket


def customer(alone: Alone, key: str = "c_a") -> None:
    alone.tell(order(key, START))


def tickets(alone: Alone, days: list[float], key: str = "c_a") -> None:
    for day in days:
        alone.tell(ticket(key, START + day * DAY))


def test_three_at_once_are_raised_updated_and_calm_again() -> None:
    alone = Alone(SupportLoad())
    customer(alone)
    tickets(alone, [100, 101, 102, 103])
    alone.wait("c_a", START + 200 * DAY)

    ((_, raised, at),) = alone.raised()
    assert at == 102
    assert raised.finding.severity == "high"
    assert len(alone.said) == 3
    assert alone.cleared() == ["Support is calm again."]


def test_who_writes_every_week_is_not_missed_for_writing() -> None:
    alone = Alone(SupportLoad())
    customer(alone)
    tickets(alone, [7.0 * i for i in range(1, 50)])

    assert all(at < 60 for _, _, at in alone.raised()), "only while the habit was not known yet"


def test_a_steady_trickle_is_left_alone() -> None:
    """Two hundred customers for a year, one ticket in two months each."""
    alone, r = Alone(SupportLoad()), random.Random(1)
    for i in range(200):
        customer(alone, f"c_{i}")
        for week in range(52):
            if r.random() < 7 / 60:
                tickets(alone, [7 * week + r.random() * 7], f"c_{i}")
            alone.week(f"c_{i}", START + 7 * (week + 1) * DAY)

    assert len(alone.raised()) <= 2


@given(st.integers(0, 30), st.floats(0.01, 50), st.floats(0.05, 200))
def test_the_tail_is_that_of_the_negative_binomial(count: int, mean: float, weight: float) -> None:
    chance = mean / (mean + weight)
    below = math.fsum(
        math.exp(math.lgamma(weight + i) - math.lgamma(weight) - math.lgamma(i + 1) + i * math.log(chance))
        * (1 - chance) ** weight
        for i in range(count)
    )
    assert _tail(count, mean, weight) == pytest.approx(1 - below, abs=1e-9)


def test_nothing_known_is_nothing_claimed() -> None:
    assert _tail(0, 0, 0) == 1.0
    assert _tail(3, 0, 1) == 0.0
