"""Returns against the customer's own."""

import random

from analytics.events import Event, What
from analytics.operators.base import Outcome
from analytics.operators.return_rate import ReturnRate, Returns
from analytics.orders import DAY
from tests.analytics.alone import Alone
from tests.analytics.stories import START, order


def back(alone: Alone, day: float, customer: str = "c_a") -> list[Outcome]:
    at = START + day * DAY
    return alone.tell(Event(What.RETURN, f"r{customer}{day}", customer, at, at, 0.0, 100_000, "GBP"))


def buy(alone: Alone, day: float, customer: str = "c_a") -> list[Outcome]:
    return alone.tell(order(customer, START + day * DAY))


def year(alone: Alone, customer: str, share: float, seed: int, first: int = 0, orders: int = 52) -> None:
    """Weekly orders of which this share comes back two days later."""
    r = random.Random(seed)
    for week in range(first, first + orders):
        buy(alone, 7 * week, customer)
        if r.random() < share:
            back(alone, 7 * week + 2, customer)


def test_more_returns_are_raised_and_end() -> None:
    alone = Alone(ReturnRate())
    year(alone, "c_a", 0.1, 1)
    assert alone.raised() == []
    year(alone, "c_a", 0.9, 2, 52, 20)
    year(alone, "c_a", 0.05, 3, 72, 60)

    (raised,) = alone.raised()
    assert raised[1].finding.direction == "bad"
    assert len(alone.cleared()) == 1


def test_fewer_returns_are_good() -> None:
    alone = Alone(ReturnRate())
    year(alone, "c_a", 0.6, 1)
    year(alone, "c_a", 0.0, 2, 52, 60)

    assert [raised.finding.direction for _, raised, _ in alone.raised()] == ["good"]
    assert "new usual" in alone.cleared()[0]


def test_a_steady_share_is_left_alone() -> None:
    alone = Alone(ReturnRate())
    for i in range(40):
        year(alone, f"c_{i}", (0.05, 0.2, 0.5)[i % 3], i)
    assert len(alone.raised()) <= 1


def test_a_parcel_in_parts_is_one_return() -> None:
    alone = Alone(ReturnRate())
    year(alone, "c_a", 0.1, 1, 0, 30)
    own = alone.profiles["c_a"].of(Returns)
    before = own.returns
    for hour in range(6):
        back(alone, 211 + hour / 24)

    assert before < own.returns <= before + 1


def test_who_never_sent_anything_back_costs_nothing() -> None:
    alone = Alone(ReturnRate())
    year(alone, "c_a", 0.0, 1)
    assert alone.profiles["c_a"].get(Returns) is None
    assert alone.operator.standing(alone.profiles["c_a"], alone.world, START) is None


def test_a_return_before_any_order_does_no_harm() -> None:
    alone = Alone(ReturnRate())
    for day in range(10):
        back(alone, day)
    assert alone.raised() == []


def test_two_keys_of_one_customer_add_up() -> None:
    ours, theirs = Returns(10.0, 1.0, 5.0, 6.0, 3.0, 4.0), Returns(20.0, 2.0, 0.0, 0.0, 9.0, 1.0)
    ours.merge(theirs)
    assert (ours.orders, ours.returns, ours.more, ours.fewer) == (30.0, 3.0, 0.0, 0.0)
    assert (ours.returned_at, ours.at) == (9.0, 4.0)


def test_what_was_learned_survives_packing() -> None:
    alone, again, r = Alone(ReturnRate()), Alone(ReturnRate()), random.Random(6)
    for week in range(60):
        returned = r.random() < 0.4
        for one in (alone, again):
            buy(one, 7 * week)
            if returned:
                back(one, 7 * week + 2)
        again.reload()

    assert again.profiles["c_a"].sections.pack() == alone.profiles["c_a"].sections.pack()
    assert again.world.sections.pack() == alone.world.sections.pack()
