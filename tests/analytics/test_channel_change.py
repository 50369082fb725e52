"""Channels against the customer's own."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.operators.base import Outcome
from analytics.operators.channel_change import ChannelChange, ChannelPopulation, Channels
from analytics.orders import DAY
from tests.analytics.alone import Alone
from tests.analytics.stories import START, order


def buy(alone: Alone, day: float, channel: object, customer: str = "c_a") -> list[Outcome]:
    event = order(customer, START + day * DAY)
    event.data = {} if channel is None else {"channel": channel}
    return alone.tell(event)


def town(alone: Alone, days: int = 120, seed: int = 1) -> None:
    """Forty customers who buy where they always do, and some who buy anywhere."""
    r = random.Random(seed)
    for day in range(0, days, 6):
        for i in range(40):
            usual = ("store", "web")[i % 2] if i % 4 else r.choice(("store", "web", "app"))
            buy(alone, day + i / 50, usual, f"c_{i}")


def test_leaving_the_usual_channel_is_raised_and_becomes_the_new_usual() -> None:
    alone = Alone(ChannelChange())
    town(alone)
    for i in range(12):
        buy(alone, 7 * i, "store")
    for i in range(12, 20):
        buy(alone, 7 * i, "web")

    ((_, raised, at),) = alone.raised()
    assert at <= 7 * 16
    assert raised.finding.sentence == "Orders by web now; usually by store."
    assert raised.finding.direction == "good", "they order as often as before"
    assert alone.cleared() == ["Ordering by web is the new usual."]


def test_coming_back_ends_it() -> None:
    alone = Alone(ChannelChange())
    town(alone)
    for i in range(30):
        buy(alone, 7 * i, "web" if 12 <= i < 17 else "store")

    assert len(alone.raised("c_a")) == 1
    assert alone.cleared() == ["They order where they used to."]


def test_fewer_orders_elsewhere_are_a_bad_sign() -> None:
    alone = Alone(ChannelChange())
    town(alone)
    for day in [*(7.0 * i for i in range(12)), *(84 + 30.0 * i for i in range(6))]:
        buy(alone, day, "store" if day < 84 else "web")

    assert alone.raised()[0][1].finding.direction == "bad"


def test_who_keeps_to_their_channels_is_left_alone() -> None:
    """Forty customers, two years; ten of them buy anywhere."""
    alone = Alone(ChannelChange())
    town(alone, 730)
    assert alone.raised() == []


def test_orders_without_a_channel_say_nothing() -> None:
    alone = Alone(ChannelChange())
    for i, channel in enumerate((None, "", 7, None)):
        assert not buy(alone, i, channel)

    assert alone.profiles["c_a"].get(Channels) is None
    assert alone.operator.standing(alone.profiles["c_a"], alone.world, START) is None


@settings(deadline=None, max_examples=40)
@given(st.lists(st.text(min_size=1, max_size=80), max_size=60))
def test_any_names_are_taken_and_kept_small(names: list[str]) -> None:
    alone, again = Alone(ChannelChange()), Alone(ChannelChange())
    for i, name in enumerate(names):
        assert len(buy(alone, i, name)) == len(buy(again, i, name))
        again.reload()

    if names:
        own = alone.profiles["c_a"].of(Channels)
        assert len(own.pack()) <= 70
        assert own == again.profiles["c_a"].of(Channels)
    assert alone.world.of(ChannelPopulation) == again.world.of(ChannelPopulation)


def test_two_keys_of_one_customer_add_up() -> None:
    ours, theirs = Channels(counts={1: 3.0, 2: 1.0}), Channels(counts={2: 4.0, 3: 1.0, 4: 1.0, 5: 0.5})
    ours.merge(theirs)
    assert ours.counts == {1: 3.0, 2: 5.0, 3: 1.0, 4: 1.0}
