"""Churn risk: what is learned from, what is claimed, when it is said and why."""

import math
import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.events import Event, What
from analytics.fold import Fold
from analytics.learners.churn import ChurnLearner
from analytics.operators.base import Adopted, Kind, Level, Plan
from analytics.operators.buying import STATE, Buying, State, state_of
from analytics.operators.churn_model import CONTENDERS, FEATURES, Projected, phi, points
from analytics.operators.churn_prior import PRIOR
from analytics.operators.churn_risk import CALM, MODEL, ChurnRisk, bought
from analytics.operators.churn_words import reasons_of
from analytics.orders import DAY, Orders
from analytics.profile import Profile
from tests.analytics.churn_shop import adopted, learned
from tests.analytics.stories import START, fold_all, order, regular, ticks
from tests.analytics.weeks import assert_as_much_is_known, good_and_bad_weeks, taught_in_pieces

HORIZON = 56 * DAY


def orders_at(*days: float) -> Orders:
    orders = Orders()
    for day in days:
        orders.note(order("c_a", START + day * DAY))
    return orders


def profile_of(events: list[Event]) -> Profile:
    profile = Profile()
    for event in events:
        profile.of(Orders).note(event)
        profile.of(Buying).note(event, profile.of(Orders))
    return profile


def said_of_churn(fold: Fold, events: Iterator[Event] | list[Event]) -> list[str]:
    return [e.type.split(".")[2] for e in fold_all(fold, events) if e.data.get("kind") == "churn_risk"]


def states() -> st.SearchStrategy[State]:
    days = st.floats(0, 4_000)
    counts = st.floats(0, 500)

    def state(recency: float, more: float, orders: int, rest: list[float]) -> State:
        return (recency, recency + more, float(orders), *rest[:3], rest[3] / 80, rest[4] / 80, *rest[5:12])

    return st.builds(state, days, days, st.integers(1, 3_000), st.lists(counts, min_size=12, max_size=12))


# Examples


def examples(fold: Fold) -> list[dict[str, object]]:
    return [dict(e.data) for e in fold.take_changes().examples if e.data["model"] == MODEL]


def test_examples_carry_the_labels_that_came_true() -> None:
    fold = Fold(0)
    for event in sorted([*regular("c_stays", 30, 9), *regular("c_leaves", 6, 9)], key=lambda e: e.time):
        fold.apply(event)
    for event in ticks(START + 262 * DAY, START + 330 * DAY, 43_200.0):
        fold.apply(event)

    found = examples(fold)
    early = [e for e in found if float(e["as_of"]) < START + 200 * DAY]  # type: ignore[arg-type]
    assert {e["label"] for e in early if e["part"] == "outcome" and e["customer"] == "c_stays"} == {0}
    gone = [e for e in found if e["customer"] == "c_leaves" and float(e["as_of"]) > START + 46 * DAY]  # type: ignore[arg-type]
    assert {e["label"] for e in gone if e["part"] == "outcome"} == {1}
    assert {e["bought"] for e in gone if e["part"] == "step"} == {0}
    bought_within_a_week = [e["bought"] for e in early if e["part"] == "step" and e["customer"] == "c_stays"]
    assert 0.6 < sum(map(bool, bought_within_a_week)) / len(bought_within_a_week) < 0.95  # 7 days of 9


def test_an_outcome_waits_for_the_horizon_and_carries_what_was_predicted_at_its_moment() -> None:
    fold = Fold(0)
    fold.world.models = {MODEL: adopted()}
    for event in regular("c_a", 6, 9):
        fold.apply(event)
    said = []
    for tick in ticks(START + 46 * DAY, START + 150 * DAY, 43_200.0):
        fold.apply(tick)
        said += [(tick.time, e) for e in examples(fold)]

    outcomes = [(now, e) for now, e in said if e["part"] == "outcome"]
    steps = [(now, e) for now, e in said if e["part"] == "step"]
    assert outcomes
    assert all(now >= float(e["as_of"]) + HORIZON for now, e in outcomes)  # type: ignore[arg-type]
    live = [now - float(e["as_of"]) for now, e in steps if float(e["as_of"]) > START + 46 * DAY]  # type: ignore[arg-type]
    assert live
    assert all(7 * DAY <= waited <= 8 * DAY for waited in live)
    for _, example in outcomes:
        predicted = adopted().model.risks(tuple(example["x"]), 56.0)  # type: ignore[arg-type]
        assert example["predicted"] == pytest.approx(predicted, rel=1e-3)


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ((0, 9), False),  # before
        ((0, 10), True),  # at the very beginning
        ((0, 19.9), True),
        ((0, 20), False),  # at the end: no more
        ((0, 12, 25), True),  # within, and after
        ((0, 25, 26), False),
        ((*range(0, 8), *range(30, 45)), None),  # too much since: nobody knows
    ],
)
def test_a_label_is_about_the_span_and_nothing_else(days: tuple[float, ...], expected: bool | None) -> None:
    assert bought(orders_at(*days), START + 10 * DAY, START + 20 * DAY) is expected


# The model


def test_the_path_of_silence_is_what_the_profile_will_be() -> None:
    profile = profile_of(regular("c_a", 7, 11))
    now, later = START + 70 * DAY, START + 98 * DAY
    assert phi(state_of(profile, now), 28.0) == pytest.approx(phi(state_of(profile, later)))


def test_a_few_points_on_the_path_are_as_good_as_every_week() -> None:
    model, profile = adopted().model.contenders["projected"], profile_of(regular("c_a", 7, 11))
    for silent in (1, 10, 30, 60, 120):
        state = state_of(profile, START + (66 + silent) * DAY)
        weekly = model.weekly
        exact = 0.0
        for week in range(8):
            exact -= math.log1p(math.exp(weekly.bias + model.level + _dot(weekly.weights, phi(state, 7.0 * week))))
        assert model.risk(state, 56.0) == pytest.approx(math.exp(exact), abs=0.02)


def _dot(a: object, b: object) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))  # type: ignore[call-overload]


@given(days=st.floats(1, 400), step=st.floats(1, 60))
def test_the_points_stand_for_all_steps_of_the_horizon(days: float, step: float) -> None:
    found = points(days, step)
    assert sum(weight for _, weight in found) == pytest.approx(days / step)
    assert all(0 <= ahead <= days for ahead, _ in found)


@settings(max_examples=200, deadline=None)
@given(state=states(), days=st.floats(7, 120))
def test_any_state_gives_a_probability(state: State, days: float) -> None:
    for model in (PRIOR, adopted().model):
        assert all(0 < risk < 1 for risk in model.risks(state, days).values())
        assert all(math.isfinite(value) for value in model.contributions(state, days).values())


@settings(max_examples=100, deadline=None)
@given(silent=st.floats(0, 200), orders=st.integers(2, 30), gap=st.floats(1, 60), leader=st.sampled_from(CONTENDERS))
def test_reasons_add_up_to_the_score(silent: float, orders: int, gap: float, leader: str) -> None:
    """Compared with the average customer, what the features add is all there is."""
    profile = profile_of(regular("c_a", orders, gap))
    state = state_of(profile, START + ((orders - 1) * gap + silent) * DAY)
    model = adopted().model
    contender = model.contenders[leader]
    added = sum(contender.contributions(state, 56.0, model.centre))
    average = _average(contender, model.centre)
    risk = contender.risk(state, 56.0)
    if 1e-4 < risk < 1 - 1e-4:
        assert average + added == pytest.approx(math.log(risk / (1 - risk)), abs=0.05)


def _average(contender: object, centre: tuple[float, ...]) -> float:
    """The log-odds of the average customer."""
    if not isinstance(contender, Projected):
        return contender.linear.odds(centre)  # type: ignore[attr-defined,no-any-return]
    eta = contender.weekly.odds(centre) + contender.level
    survival = -8 * math.log1p(math.exp(eta))
    return survival - math.log(-math.expm1(survival))


def test_longer_silence_is_riskier_and_says_so() -> None:
    profile = profile_of(regular("c_a", 12, 9))
    risks = [adopted().model.risk(state_of(profile, START + (99 + silent) * DAY), 56.0) for silent in (1, 15, 30, 60)]
    assert risks == sorted(risks)
    assert risks[0] < 0.1
    assert risks[-1] > 0.9
    state = state_of(profile, START + 150 * DAY)
    strongest = reasons_of(adopted().model.contributions(state, 56.0))[0]
    assert (strongest.code, strongest.weight > 0) == ("silence", True)
    assert "raises the risk" in strongest.text


def test_before_anything_is_learned_silence_is_riskier_too() -> None:
    profile = profile_of(regular("c_a", 6, 20))
    risks = [PRIOR.risk(state_of(profile, START + (100 + silent) * DAY), 56.0) for silent in (1, 60, 200)]
    assert risks == sorted(risks)


# The learner


def test_the_learner_finds_who_leaves() -> None:
    figures = learned().figures()
    assert figures["contenders"]["projected"]["auc"] > 0.93
    assert figures["contenders"]["projected"]["log_loss"] < 0.35
    assert figures["calibration"]


def test_the_same_examples_give_the_same_model() -> None:
    def learner() -> ChurnLearner:
        found, r = ChurnLearner(), random.Random(3)
        for n in range(300):
            found.take(step_of([r.random() * 50 for _ in STATE], n, bought=r.random() < 0.2))
        return found

    assert learner().snapshot() == learner().snapshot()


def step_of(x: list[float], n: int = 0, *, bought: bool = False) -> dict[str, object]:
    return {"part": "step", "as_of": START + n * 3_600, "step": 7.0, "bought": int(bought), "weight": 1.0, "x": x}


def test_in_how_many_batches_the_examples_of_a_week_come_matters_little() -> None:
    """A good week lifts everybody: in pieces it would count as many times as there are pieces. Live each customer has
    a scoring moment of their own.
    """
    r = random.Random(11)

    def example(good: float) -> dict[str, object]:
        silent = r.uniform(0.0, 100.0)
        chance = 1.0 / (1.0 + math.exp(1.0 + silent / 30.0 - good))
        state = (silent, 200.0, 5.0, 0.5, 1.0, 2.0, 3.0, 0.5, 4.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0)
        return {"part": "step", "step": 7.0, "bought": int(r.random() < chance), "x": state}

    examples = good_and_bad_weeks(2_000, 1.0, r, example)
    whole, pieces = (taught_in_pieces(ChurnLearner(), examples, every) for every in (2_000, 100))
    assert_as_much_is_known(pieces.weekly, whole.weekly)
    assert pieces.level.weight == pytest.approx(whole.level.weight, rel=0.02)
    assert pieces.level.shift == pytest.approx(whole.level.shift, abs=0.05)


def test_a_snapshot_does_not_change_when_the_learner_learns_on() -> None:
    learner = ChurnLearner()
    before = learner.snapshot()
    weights = before.contenders["projected"].weekly.weights  # type: ignore[union-attr]
    for n in range(50):
        learner.take(step_of([40.0] * len(STATE), n, bought=True))
    assert learner.snapshot() != before
    assert before.contenders["projected"].weekly.weights == weights  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "example",
    [
        {},
        {"part": "step"},
        step_of([1.0, 2.0]),
        step_of([math.nan] * len(STATE)),
        step_of([1e300] * len(STATE)),
        {**step_of([1.0] * len(STATE)), "step": -1},
        {**step_of([1.0] * len(STATE)), "weight": 0},
        {**step_of([1.0] * len(STATE)), "x": None},
        {"part": "outcome", "as_of": START, "label": 1, "x": [1.0] * len(STATE), "predicted": {"projected": 0.4}},
    ],
)
def test_what_is_no_example_is_refused_and_teaches_nothing(example: dict[str, object]) -> None:
    learner = ChurnLearner()
    with pytest.raises((KeyError, TypeError, ValueError)):
        learner.take(example)
    assert learner.examples == 0
    assert learner.snapshot() == ChurnLearner().snapshot()


def test_extreme_examples_do_not_explode() -> None:
    learner, r = ChurnLearner(), random.Random(5)
    for n in range(400):
        state = [r.choice([0.0, 1e4]) for _ in STATE]
        state[1] = state[0] + r.choice([0.0, 1e4])
        state[6], state[7] = r.choice([0.0, 8.0]), r.choice([0.0, 9.0])
        learner.take(step_of(state, n, bought=n % 7 == 0))
    model = learner.snapshot()
    assert all(abs(w) < 50 for w in model.contenders["projected"].weekly.weights)  # type: ignore[union-attr]
    assert 0 < model.risk(state_of(profile_of(regular("c_a", 5, 9)), START + 60 * DAY), 56.0) < 1


# What is said


def churn_fold() -> Fold:
    fold = Fold(0)
    fold.world.models = {MODEL: adopted()}
    return fold


def test_a_rise_is_raised_once_and_cleared_by_the_next_order() -> None:
    fold = churn_fold()
    assert said_of_churn(fold, regular("c_a", 12, 9)) == []
    last = START + 99 * DAY
    said = [e for e in fold_all(fold, ticks(last, last + 60 * DAY)) if e.data["kind"] == "churn_risk"]

    assert said[0].type == "heed.trigger.raised.v1"
    assert [e.type for e in said].count("heed.trigger.raised.v1") == 1
    data = said[0].data
    assert data["model_version"] == "3"
    assert data["reasons"][0]["code"] == "silence"
    assert 0.7 <= data["score"] <= 1
    operator = ChurnRisk()
    assert round(operator.score_again(data["features"], adopted()), 6) == data["score"]
    assert said_of_churn(fold, [order("c_a", last + 61 * DAY)])[-1] == "cleared"
    assert Kind.CHURN_RISK not in fold.profile("c_a").episodes  # type: ignore[union-attr]


def test_who_was_never_expected_back_is_no_news() -> None:
    """Somebody long gone when the model begins to know is not raised: the risk did not rise."""
    fold = Fold(0)
    fold_all(fold, [*regular("c_a", 6, 9), *ticks(START + 45 * DAY, START + 120 * DAY, 43_200.0)])
    fold.world.models = {MODEL: adopted()}
    assert said_of_churn(fold, list(ticks(START + 121 * DAY, START + 170 * DAY, 43_200.0))) == []
    assert fold.profile("c_a").of(Buying).armed is False  # type: ignore[union-attr]


@pytest.mark.parametrize("with_model", [True, False])
def test_without_a_model_or_a_rhythm_nothing_is_claimed(with_model: bool) -> None:
    fold = Fold(0)
    if with_model:
        fold.world.models = {MODEL: adopted()}
    days = 2 if with_model else 12
    assert said_of_churn(fold, [*regular("c_a", days, 9), *ticks(START + 99 * DAY, START + 200 * DAY)]) == []
    standing = ChurnRisk().standing(fold.profile("c_a"), fold.world, START + 200 * DAY)  # type: ignore[arg-type]
    assert standing is not None
    assert (standing.value, standing.enough, standing.level) == (None, False, Level.UNKNOWN)
    assert "needed" in standing.evidence


def test_everybody_seen_is_scored_with_their_evidence() -> None:
    start = START // DAY * DAY
    fold = Fold(0, plan=Plan(grid_from=start, stop_after=math.inf))
    fold.world.models = {MODEL: adopted()}
    events = [*regular("c_a", 12, 9), order("c_once", START + DAY), *ticks(START, START + 110 * DAY, 43_200.0)]
    for event in sorted(events, key=lambda e: e.time):
        fold.apply(event)
    rows = [row for row in fold.take_changes().scored if "churn_risk" in row.values]
    last = max(row.as_of for row in rows)
    found = {row.customer: row.values for row in rows if row.as_of == last}

    assert found["c_a"]["churn_risk"] < CALM
    assert (found["c_a"]["evidence"], found["c_once"]["evidence"]) == ("enough", "not enough")
    assert 0 < found["c_once"]["churn_risk"] < 1


def test_a_version_that_saw_too_little_is_not_believed() -> None:
    fold = Fold(0)
    fold.world.models = {MODEL: Adopted(MODEL, 1, 20, adopted().model)}
    assert said_of_churn(fold, [*regular("c_a", 12, 9), *ticks(START + 99 * DAY, START + 200 * DAY)]) == []


# The section


def test_buying_survives_packing_and_merging() -> None:
    one, other = profile_of(regular("c_a", 5, 9)).of(Buying), profile_of(regular("c_b", 9, 4)).of(Buying)
    assert Buying.unpack(one.pack()) == one
    both = Buying.unpack(one.pack())
    both.merge(other)
    assert both.gaps == one.gaps + other.gaps
    assert both.gap_mean == pytest.approx((4 * math.log(9) + 8 * math.log(4)) / 12)
    assert both.at == max(one.at, other.at)
    assert both.recent_112 > max(one.recent_112, other.recent_112)


def test_a_basket_counts_pieces_and_lines_and_bad_ones_break_nothing() -> None:
    buying, orders = Buying(), Orders()
    event = order("c_a", START)
    event.data = {"items": [{"sku": "a", "quantity": 3}, {"sku": "b", "quantity": "x"}, None, {"quantity": -5}]}
    orders.note(event)
    buying.note(event, orders)
    assert (buying.pieces, buying.lines) == pytest.approx((math.log1p(3), math.log1p(4)))


def test_features_and_states_have_their_names() -> None:
    assert len(phi(tuple(1.0 for _ in STATE))) == len(FEATURES)


def test_other_facts_teach_no_purchase() -> None:
    assert ChurnRisk.takes == {What.ORDER}
