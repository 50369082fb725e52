"""When a customer orders next: the operator, the learner, and the path of rates they share."""

import math
import pickle
from statistics import fmean, pvariance

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.forecasts.gaps import CLASSES, FEATURES, PIECES, GapModel, Habit
from analytics.learners.timing import TimingLearner
from analytics.operators import purchase_timing
from analytics.operators.purchase_habits import Habits
from analytics.operators.purchase_timing import PurchaseTiming
from analytics.orders import DAY, Orders
from tests.analytics.forecast_shop import Shop, story
from tests.analytics.stories import START, order

NEW = Habit(0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)


def shop_of_two_speeds(days: float = 600) -> Shop:
    """Forty customers who order every ten days or so, forty who order every forty."""
    shop = Shop(PurchaseTiming(), TimingLearner())
    events = [e for n in range(80) for e in story(f"c_{n}", 10.0 if n % 2 else 40.0, 30.0, days)]
    shop.run(events, START + days * DAY)
    return shop


@pytest.fixture(scope="module")
def shop() -> Shop:
    return shop_of_two_speeds()


def remaining(shop: Shop, customer: str, silent: float) -> float:
    """Days from a moment so long after the customer's last order to the one that is expected."""
    profile = shop.profiles[customer]
    now = profile.of(Orders).last_at + silent * DAY
    found = purchase_timing.forecast(profile, shop.world, now)
    assert found is not None
    return (found.at - now) / DAY


def test_each_customer_is_expected_at_their_own_pace(shop: Shop) -> None:
    fast = fmean(remaining(shop, f"c_{n}", 0.0) for n in range(1, 80, 2))
    slow = fmean(remaining(shop, f"c_{n}", 0.0) for n in range(0, 80, 2))
    assert 7 < fast < 14
    assert 25 < slow < 55


def test_less_remains_once_some_of_the_gap_has_passed(shop: Shop) -> None:
    passed = fmean(remaining(shop, f"c_{n}", 20.0) for n in range(0, 80, 2))
    assert passed < fmean(remaining(shop, f"c_{n}", 0.0) for n in range(0, 80, 2)) - 5


def test_the_learner_measures_itself_and_beats_the_customers_own_mean(shop: Shop) -> None:
    figures = shop.learners["purchase_timing"].figures()
    assert figures["mae_at_order"] < figures["mae_own_mean_at_order"]
    assert 0.70 < figures["coverage_at_order"] < 0.90
    assert figures["gaps"] > 800


def test_a_scoring_moment_says_when_and_between_which_bounds(shop: Shop) -> None:
    for said in shop.scored.values():
        assert shop.now <= said["expected_next_low"] <= said["expected_next_at"] <= said["expected_next_high"]


def test_nothing_is_said_before_enough_was_learned() -> None:
    shop = Shop(PurchaseTiming(), TimingLearner())
    shop.run(story("c_a", 10.0, 30.0, 60), START + 60 * DAY)
    assert shop.scored == {}
    assert purchase_timing.forecast(shop.profiles["c_a"], shop.world, shop.now) is None


def test_a_customer_with_one_order_is_told_without_enough_evidence(shop: Shop) -> None:
    shop.tell(order("c_new", shop.now))
    found = purchase_timing.forecast(shop.profiles["c_new"], shop.world, shop.now)
    assert found is not None
    assert not found.enough
    assert "3 are needed" in found.evidence


def test_silence_is_told_in_full_though_only_a_sample_of_it_is() -> None:
    shop = Shop(PurchaseTiming())
    customers, days = 520, 364
    shop.run([order(f"c_{n}", START + n % 91 * DAY) for n in range(customers)], START + (91 + days) * DAY)
    told = sum(e.data["weight"] * (e.data["to"] - e.data["from"]) for e in shop.examples)
    lived = sum((shop.now - START) / DAY - n % 91 for n in range(customers))
    assert told == pytest.approx(lived, rel=0.06)
    assert len(shop.examples) < customers * days / 7 / 5


def test_stretches_of_a_gap_join_without_overlap() -> None:
    shop = Shop(PurchaseTiming())
    shop.run([order("c_a", START), order("c_a", START + 12.5 * DAY)], START + 13 * DAY)
    stretches = [(e.data["from"], e.data["to"], e.data["bought"]) for e in shop.examples]
    assert stretches == [(0.0, 7.0, False), (7.0, 12.5, True)]


def test_a_second_order_of_a_day_closes_no_gap() -> None:
    shop = Shop(PurchaseTiming())
    shop.run([order("c_a", START), order("c_a", START + 60, n=1)], START + 120)
    assert shop.examples == []
    assert shop.profiles["c_a"].get(Habits) is None


@given(st.floats(0.2, 3.0), st.floats(0.0, 400.0), st.floats(1.0, 5.0))
def test_with_one_rate_for_all_pieces_the_forecast_is_a_pareto_median(rate: float, silent: float, usual: float) -> None:
    model = GapModel(usual, [[math.log(rate)] * PIECES] * CLASSES, [0.0] * FEATURES, [0.0] * FEATURES)
    gap = math.exp(usual)
    within = 120.0 * max(1.0, gap / 60.0)
    start = silent / gap + 0.1
    gone = 1 - ((start + within / gap) / start) ** -rate
    median = (start * (1 - gone / 2) ** (-1 / rate) - 0.1) * gap - silent
    assert model.remaining(NEW, silent).days == pytest.approx(median, rel=1e-6, abs=1e-6)


odd = st.floats(-8.0, 8.0)


@given(st.integers(1, 10_000), odd, odd, odd, st.floats(0, 1e5), st.floats(0.05, 3650), st.floats(0, 3650))
def test_any_history_has_a_finite_forecast_in_order(
    gaps: int, mean: float, fresh: float, last: float, spread: float, span: float, silent: float
) -> None:
    model = TimingLearner().snapshot()
    days, low, high = model.remaining(Habit(gaps, mean, fresh, last, spread, span, 1.0), silent)
    assert 0 <= low <= days <= high < math.inf


def test_two_halves_of_a_history_merge_into_the_whole() -> None:
    gaps = [3.0, 8.0, 5.0, 13.0, 21.0]
    one, other = Habits(), Habits()
    for days in gaps[:2]:
        one.note_gap(days)
    for days in gaps[2:]:
        other.note_gap(days)
    one.merge(other)
    logs = [math.log(days) for days in gaps]
    assert one.gaps == 5
    assert one.gap_mean == pytest.approx(fmean(logs), rel=1e-6)
    assert one.gap_spread == pytest.approx(5 * pvariance(logs), rel=1e-6)


def test_an_order_after_scoring_had_stopped_does_not_teach() -> None:
    shop = Shop(PurchaseTiming())
    days = shop.world.plan.stop_after / DAY + 3
    shop.run([order("c_a", START), order("c_a", START + days * DAY)], START + (days + 1) * DAY)
    assert not any(example.data["bought"] for example in shop.examples)
    assert shop.profiles["c_a"].of(Habits).gaps == 1


def test_learning_goes_on_the_same_after_it_was_stored(shop: Shop) -> None:
    first = TimingLearner()
    for example in shop.examples[:900]:
        first.take(example.data)
    second = pickle.loads(pickle.dumps(first))
    for example in shop.examples[900:1500]:
        first.take(example.data)
        second.take(example.data)
    assert second.weights.tobytes() == first.weights.tobytes()
    assert second.figures() == first.figures()


@pytest.mark.parametrize(
    "change", [{"to": 0.0}, {"from": -1.0}, {"weight": 0}, {"to": math.inf}, {"habit": [1]}, {"habit": [math.nan] * 7}]
)
def test_what_is_no_stretch_of_days_is_refused(change: dict[str, object]) -> None:
    example = {"habit": [*NEW], "from": 0.0, "to": 7.0, "weight": 1, "bought": False}
    learner = TimingLearner()
    with pytest.raises((ValueError, TypeError)):
        learner.take({**example, **change})
    assert learner.examples == 0
