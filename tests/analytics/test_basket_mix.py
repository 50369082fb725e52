"""Baskets against the customer's own."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.operators.base import Outcome
from analytics.operators.basket_mix import Articles, BasketMix
from analytics.orders import DAY
from tests.analytics.alone import Alone
from tests.analytics.stories import START, order


def buy(alone: Alone, day: float, items: object, customer: str = "c_a") -> list[Outcome]:
    event = order(customer, START + day * DAY)
    event.data = {} if items is None else {"items": items}
    return alone.tell(event)


def basket(r: random.Random, shelf: str, size: int = 4, of: int = 10) -> list[dict[str, object]]:
    return [{"sku": f"{shelf}-{r.randrange(of)}", "quantity": 1} for _ in range(size)]


def town(alone: Alone, days: int = 120) -> None:
    """Twenty customers, each with a shelf of their own."""
    r = random.Random(1)
    for day in range(0, days, 6):
        for i in range(20):
            buy(alone, day + i / 50, basket(r, f"shelf{i}"), f"c_{i}")


def test_other_things_than_ever_are_raised_and_become_the_new_usual() -> None:
    alone, r = Alone(BasketMix()), random.Random(2)
    town(alone)
    for i in range(15):
        buy(alone, 7 * i, basket(r, "wool"))
    assert alone.raised() == []
    for i in range(15, 30):
        buy(alone, 7 * i, basket(r, "steel"))

    ((_, raised, at),) = alone.raised()
    assert at <= 7 * 21
    assert "Buys other things than before" in raised.finding.sentence
    assert alone.cleared() == ["What they buy now is the new usual."]


def test_the_usual_things_end_it() -> None:
    alone, r = Alone(BasketMix()), random.Random(2)
    town(alone)
    for i in range(40):
        buy(alone, 7 * i, basket(r, "steel" if 15 <= i < 22 else "wool"))

    assert len(alone.raised()) == 1
    assert alone.cleared() == ["They buy their usual things again."]


def test_who_always_buys_something_else_is_left_alone() -> None:
    alone, r = Alone(BasketMix()), random.Random(3)
    for day in range(0, 730, 6):
        for i in range(10):
            buy(alone, day, basket(r, "anything", of=5_000), f"c_{i}")
    assert alone.raised() == []


def test_who_keeps_their_habits_is_left_alone() -> None:
    alone = Alone(BasketMix())
    town(alone, 730)
    assert alone.raised() == []


def test_orders_without_items_say_nothing() -> None:
    alone = Alone(BasketMix())
    for i, items in enumerate((None, [], "wool", [7, None, {"sku": ""}, {"sku": 3}, {}], {"sku": "a"})):
        assert not buy(alone, i, items)
    assert alone.operator.standing(alone.profiles["c_a"], alone.world, START) is None


@settings(deadline=None, max_examples=40)
@given(st.lists(st.lists(st.text(max_size=20), max_size=40), max_size=40))
def test_any_baskets_are_kept_small_and_survive_packing(baskets: list[list[str]]) -> None:
    alone, again = Alone(BasketMix()), Alone(BasketMix())
    for i, skus in enumerate(baskets):
        items = [{"sku": sku} for sku in skus]
        assert len(buy(alone, i, items)) == len(buy(again, i, items))
        again.reload()

    if baskets:
        own = alone.profiles["c_a"].of(Articles)
        assert len(own.pack()) <= 104
        assert 0.0 <= own.share <= 1.0
        assert own == again.profiles["c_a"].of(Articles)


def test_a_sketch_that_is_full_forgets_its_older_half() -> None:
    own = Articles()
    for bit in range(256):
        own.keep(1 << bit)

    assert own.young.bit_count() <= 96
    assert own.old
    assert not (own.young | own.old) & 1


def test_two_keys_of_one_customer_know_what_both_bought() -> None:
    ours, theirs = Articles(1, 2, 0.8, 9.0, 1.0, baskets=10), Articles(4, 8, 0.4, 0.0, 2.0, baskets=30)
    ours.merge(theirs)
    assert (ours.young, ours.old, ours.share, ours.baskets, ours.evidence) == (5, 10, 0.5, 40, 0.0)
