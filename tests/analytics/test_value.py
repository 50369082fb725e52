"""What the next order is worth, and the next year."""

import math
import pickle
from statistics import fmean, pvariance

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.events import Event, What
from analytics.forecasts.amounts import Purse
from analytics.learners.value import ValueLearner
from analytics.learners.year import YearLearner
from analytics.operators import purchase_value, year_value
from analytics.operators.purchase_habits import Habits, teaching_weight
from analytics.operators.purchase_value import PurchaseValue
from analytics.operators.year_value import ROW
from analytics.orders import DAY, SCALE, Account, Orders
from tests.analytics.forecast_shop import Shop, story
from tests.analytics.stories import START, order

YEAR = 365


def pounds(customer: str, at: float, amount: float) -> Event:
    return order(customer, START + at * DAY, amount)


def euros(customer: str, at: float, amount: float) -> Event:
    event = pounds(customer, at, amount)
    event.currency = "EUR"
    return event


@pytest.fixture(scope="module")
def shop() -> Shop:
    """Forty customers who spend 20 an order and forty who spend 200, for a year and a half."""
    shop = Shop(PurchaseValue(), ValueLearner(), YearLearner())
    days = 1.5 * YEAR
    events = [e for n in range(80) for e in story(f"c_{n}", 14.0, 20.0 if n % 2 else 200.0, days)]
    shop.run(events, START + days * DAY)
    return shop


def test_each_customer_is_expected_to_spend_as_they_do(shop: Shop) -> None:
    small = fmean(shop.scored[f"c_{n}"]["expected_value"] for n in range(1, 80, 2))
    large = fmean(shop.scored[f"c_{n}"]["expected_value"] for n in range(0, 80, 2))
    assert 17 < small < 24
    assert 170 < large < 240


def test_the_learner_measures_itself_and_beats_the_customers_own_mean(shop: Shop) -> None:
    figures = shop.learners["purchase_value"].figures()
    assert figures["mae"] < figures["mae_own_mean"]
    assert 0.77 < figures["coverage"] < 0.85


def test_bounds_hold_the_number_that_is_said(shop: Shop) -> None:
    for said in shop.scored.values():
        assert 0 <= said["expected_value_low"] <= said["expected_value"] <= said["expected_value_high"]


def test_nothing_is_said_before_enough_was_learned() -> None:
    shop = Shop(PurchaseValue(), ValueLearner(), YearLearner())
    shop.run(story("c_a", 10.0, 30.0, 60), START + 60 * DAY)
    assert shop.scored == {}
    assert year_value.forecast(shop.profiles["c_a"], shop.world, shop.now) is None


def test_two_orders_are_not_enough_evidence(shop: Shop) -> None:
    shop.tell(order("c_new", shop.now, 20.0))
    found = purchase_value.forecast(shop.profiles["c_new"], shop.world, shop.now)
    assert found is not None
    assert not found.enough
    assert found.low < 20.0 < found.high


def test_currencies_are_never_mixed() -> None:
    shop = Shop(PurchaseValue())
    shop.run([pounds("c_a", 1, 10.0), pounds("c_a", 2, 10.0), euros("c_a", 3, 900.0)], START + 4 * DAY)
    habits = shop.profiles["c_a"].of(Habits)
    assert (habits.currency, habits.orders) == (b"GBP", 2)
    assert habits.mean == pytest.approx(math.log1p(10.0), rel=1e-6)

    shop.run([euros("c_a", 5, 900.0), euros("c_a", 6, 800.0)], START + 7 * DAY)
    assert (habits.currency, habits.orders) == (b"EUR", 1)
    assert habits.mean == pytest.approx(math.log1p(800.0), rel=1e-6)
    assert {e.data["currency"] for e in shop.examples} == {"GBP"}


def test_an_order_that_comes_late_teaches_nothing() -> None:
    shop = Shop(PurchaseValue())
    for event in (pounds("c_a", 1, 10.0), pounds("c_a", 5, 10.0), pounds("c_a", 3, 900.0)):
        shop.tell(event)
    assert shop.profiles["c_a"].of(Habits).orders == 2
    assert [e.data["amount"] for e in shop.examples] == [10.0]


@given(st.lists(st.floats(0, 1e12), min_size=1, max_size=30), st.floats(0, 3650))
def test_any_amounts_have_a_finite_forecast_in_order(amounts: list[float], silent: float) -> None:
    habits, learner = Habits(), ValueLearner()
    learner.usual["GBP"] = (3.0, 1.0)
    for amount in amounts:
        habits.note_amount(amount)
    account = Account("GBP", round(math.fsum(amounts) * SCALE), len(amounts))
    found = learner.snapshot().next_order(habits.purse(account), "GBP", silent)
    assert found is not None
    assert 0 <= found.low <= found.amount <= found.high < math.inf


def test_two_halves_of_a_history_merge_into_the_whole() -> None:
    amounts = [5.0, 9.0, 30.0, 2.0, 11.0]
    one, other = Habits(currency=b"GBP"), Habits(currency=b"GBP")
    for amount in amounts[:2]:
        one.note_amount(amount)
    for amount in amounts[2:]:
        other.note_amount(amount)
    one.merge(other)
    logs = [math.log1p(amount) for amount in amounts]
    assert one.orders == 5
    assert one.mean == pytest.approx(fmean(logs), rel=1e-6)
    assert one.spread == pytest.approx(5 * pvariance(logs), rel=1e-6)


@given(st.lists(st.tuples(st.floats(0.05, 3650), st.floats(0, 1e12)), max_size=40))
def test_packing_loses_nothing(story: list[tuple[float, float]]) -> None:
    habits = Habits(currency=b"GBP")
    for days, amount in story:
        habits.note_gap(days)
        habits.note_amount(amount)
    assert Habits.unpack(habits.pack()) == habits


def test_learning_goes_on_the_same_after_it_was_stored(shop: Shop) -> None:
    for name, new in (("purchase_value", ValueLearner), ("value_12m", YearLearner)):
        data = [example.data for example in shop.examples if example.model == name]
        first = new()
        for example in data[:300]:
            first.take(example)
        second = pickle.loads(pickle.dumps(first))
        for example in data[300:500]:
            first.take(example)
            second.take(example)
        assert second.weights.tobytes() == first.weights.tobytes()
        assert second.figures() == first.figures()


@pytest.mark.parametrize(
    "change", [{"purse": [0, 0.0, 0.0, 0.0, 0.0, 0.0]}, {"silent": -1.0}, {"amount": math.nan}, {"purse": []}]
)
def test_what_is_no_order_is_refused(change: dict[str, object]) -> None:
    purse = [*Purse(1, 3.0, 3.0, 3.0, 0.0, 20.0)]
    example = {"purse": purse, "currency": "GBP", "silent": 3.0, "amount": 20.0, "weight": 1}
    learner = ValueLearner()
    with pytest.raises((ValueError, TypeError)):
        learner.take({**example, **change})
    assert learner.examples == 0


def test_a_year_of_steady_customers_is_about_what_a_year_was(shop: Shop) -> None:
    found = [year_value.forecast(shop.profiles[f"c_{n}"], shop.world, shop.now) for n in range(80)]
    expected = math.fsum(one.amount for one in found if one)
    spent = sum(shop.profiles[f"c_{n}"].of(Orders).accounts["GBP"].spent for n in range(80)) / SCALE / 1.5
    assert 0.8 < expected / spent < 1.25
    assert all(one and one.enough and one.low <= one.high for one in found)


def test_what_was_sent_back_is_not_worth_anything() -> None:
    shop = Shop(PurchaseValue())
    shop.run([pounds("c_a", 1, 100.0), pounds("c_a", 20, 100.0)], START + 21 * DAY)
    shop.tell(Event(What.RETURN, "r", "c_a", START + 22 * DAY, START + 22 * DAY, 0.0, 600_000, "GBP"))
    shop.wait(START + 70 * DAY)
    lines = [line for e in shop.examples if e.model == year_value.MODEL for line in e.data["lines"]]
    assert [line[:4] for line in lines] == [[0.0, 56.0, 40.0, 40.0]]


def test_stretches_of_eight_weeks_add_up_to_the_whole() -> None:
    shop = Shop(PurchaseValue())
    shop.run([pounds("c_a", 1 + 9 * n, 10.0) for n in range(60)], START + 540 * DAY)
    lines = [line for e in shop.examples if e.model == year_value.MODEL for line in e.data["lines"]]
    first = [line for line in lines if line[4:] == lines[0][4:]]
    assert [round(line[1]) for line in first] == [56, 112, 168, 224, 280, 336, 392]
    assert math.fsum(line[2] for line in first) == pytest.approx(first[-1][3])


def test_forecasts_that_wait_survive_a_new_owner() -> None:
    events = [pounds("c_a", 1 + 9 * n, 10.0) for n in range(20)]
    shop, other = Shop(PurchaseValue()), Shop(PurchaseValue())
    for one, again in ((shop, False), (other, True)):
        one.run(events[:10], START + 91 * DAY)
        if again:
            one.reload()
        one.run(events[10:], START + 200 * DAY)
    assert other.examples == shop.examples


def test_a_merge_begins_the_year_anew() -> None:
    shop = Shop(PurchaseValue())
    shop.run([pounds("c_a", 1, 10.0), pounds("c_b", 2, 10.0)], START + 14 * DAY)
    kept, lost = shop.profiles["c_a"], shop.profiles.pop("c_b")
    kept.sections.merge(lost.sections)
    kept.pending.merge(lost.pending)
    shop.operator.merged(kept, shop.world)
    shop.wait(START + 21 * DAY)
    assert shop.examples == []
    assert [row[0] for row in ROW.iter_unpack(kept.pending.rows(int(PurchaseValue.kind)))] == [shop.now, shop.now]


def test_who_stays_away_for_a_year_is_waited_for_no_longer() -> None:
    shop = Shop(PurchaseValue())
    shop.run([pounds("c_a", 1, 10.0)], START + 8 * DAY)
    profile = shop.profiles["c_a"]
    for week in range(2, 60):
        shop.operator.complete(profile, START + 7 * week * DAY, shop.world)
    assert not profile.pending


def test_those_who_began_together_do_not_all_teach_at_the_same_order() -> None:
    """One order in four teaches for all four, another one of each: a shop's import is no wave of examples for ever."""
    phases = [Orders(first_at=START + n).phase for n in range(400)]
    tenth = sum(teaching_weight(9, phase) > 0 for phase in phases)
    assert 60 < tenth < 140
    assert all(sum(teaching_weight(n, phase) for n in range(8, 108)) == 100 for phase in phases)
