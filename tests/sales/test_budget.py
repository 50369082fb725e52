"""The rules of the alert budget: what an alert is worth, and where the threshold stands."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sales.domain import Severity
from sales.domain.budget import (
    DAY,
    TRUSTED,
    Case,
    Past,
    Policy,
    Precision,
    alerts_per_day,
    policy,
    precisions,
    value_at_stake,
)

Labels = dict[str, tuple[int, int]]

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)
PER_DAY = 20

severities = st.sampled_from(Severity)
cases = st.builds(
    Case,
    kind=st.sampled_from(["silence", "spend"]),
    severity=severities,
    good=st.booleans(),
    score=st.none() | st.floats(0, 1),
    value=st.none() | st.floats(-1e12, 1e12),
    currency=st.none() | st.sampled_from(["GBP", "EUR"]),
)
usual = st.dictionaries(st.sampled_from(["GBP", "EUR"]), st.floats(0, 1e9))
histories = st.lists(
    st.builds(
        Past,
        kind=st.sampled_from(["silence", "spend"]),
        merit=st.floats(0, 1),
        created_at=st.floats(0, 14).map(lambda days: NOW - days * DAY),
    ),
    max_size=300,
)
judged = st.dictionaries(st.sampled_from(["silence", "spend"]), st.tuples(st.integers(0, 200), st.integers(0, 200)))


def a_case(severity: Severity = Severity.HIGH, *, good: bool = False, score: float = 0.9, value: float = 100) -> Case:
    return Case("silence", severity, good, score, value, "GBP")


@given(cases, usual)
def test_any_alert_has_a_worth_between_nothing_and_one(case: Case, values: dict[str, float]) -> None:
    judged_so = Policy(usual=values)
    assert 0 < judged_so.merit(case) <= 1
    assert 0 < judged_so.worth(case.kind, judged_so.merit(case)) <= judged_so.merit(case)


def test_graver_surer_dearer_and_worse_is_worth_more() -> None:
    merit = Policy(usual={"GBP": 100.0}).merit
    assert merit(a_case(Severity.HIGH)) > merit(a_case(Severity.MEDIUM)) > merit(a_case(Severity.LOW))
    assert merit(a_case(score=0.9)) > merit(a_case(score=0.5))
    assert merit(a_case(value=400)) > merit(a_case(value=100))
    assert merit(a_case()) > merit(a_case(good=True))


def test_what_is_grave_about_a_dear_customer_must_not_wait() -> None:
    rules = Policy(usual={"GBP": 100.0})
    assert rules.guaranteed(a_case(value=400))
    assert not rules.guaranteed(a_case(value=300))
    assert not rules.guaranteed(a_case(Severity.MEDIUM, value=4_000))
    assert not rules.guaranteed(a_case(good=True, value=4_000))
    assert not Policy().guaranteed(a_case(value=4_000))  # nobody knows what is usual yet


@given(histories, judged)
def test_the_threshold_lets_through_what_a_day_has_places_for(past: list[Past], labels: Labels) -> None:
    found = policy(past, precisions(labels, labels), {}, PER_DAY, NOW)
    expected = alerts_per_day([one.created_at for one in past], NOW)
    if expected <= PER_DAY:
        assert (found.threshold, found.reserve) == (0.0, 0)
        return
    worths = [found.worth(one.kind, one.merit) for one in past]
    share = PER_DAY / expected
    above = sum(worth > found.threshold for worth in worths)
    assert above <= len(worths) * share  # strictly above: what is equal may be more, and the places bound it
    assert sum(worth >= found.threshold for worth in worths) >= max(1, int(len(worths) * share))


def test_on_quiet_days_everything_is_admitted_while_a_place_is_free() -> None:
    past = [Past("spend", 0.1, NOW - timedelta(hours=12 * n)) for n in range(28)]
    found = policy(past, {}, {}, PER_DAY, NOW)
    assert found.leave_free("spend", 0.01, PER_DAY) == 0


def test_on_busy_days_the_lesser_leave_places_for_the_worthier() -> None:
    past = [Past("spend", n / 400, NOW - timedelta(minutes=20 * n)) for n in range(400)]
    found = policy(past, {}, {}, PER_DAY, NOW)
    assert 0 < found.threshold < 1
    assert found.leave_free("spend", 1.0, PER_DAY) == 0
    assert found.leave_free("spend", 0.01, PER_DAY) == found.reserve == 4


def test_a_burst_of_today_counts_at_once() -> None:
    calm = [NOW - n * DAY for n in range(14)]
    assert alerts_per_day(calm, NOW) == pytest.approx(14 / 13)
    assert alerts_per_day([*calm, *[NOW - timedelta(minutes=n) for n in range(60)]], NOW) == 61
    assert alerts_per_day([], NOW) == 0


@given(judged, judged)
def test_a_precision_lies_within_reason_and_false_alarms_lower_it(own: Labels, others: Labels) -> None:
    def everybody(mine: Labels) -> Labels:
        pairs = {kind: (mine.get(kind, (0, 0)), others.get(kind, (0, 0))) for kind in {*mine, *others}}
        return {kind: (one[0] + other[0], one[1] + other[1]) for kind, (one, other) in pairs.items()}

    before = precisions(own, everybody(own))
    for kind, (right, wrong) in own.items():
        assert 0 < before[kind].value < 1
        more = own | {kind: (right, wrong + 1)}
        assert precisions(more, everybody(more))[kind].value < before[kind].value
        better = own | {kind: (right + 1, wrong)}
        assert precisions(better, everybody(better))[kind].value > before[kind].value


def test_somebody_new_leans_on_what_the_others_said() -> None:
    everybody = {"silence": (0, 30), "spend": (30, 0)}
    found = precisions({}, everybody)
    assert found["silence"].value < TRUSTED < found["spend"].value
    assert (found["silence"].right, found["silence"].wrong) == (0, 0)


@given(st.floats(0.01, 0.99), st.floats(0.01, 0.99), st.floats(0, 1))
def test_the_less_a_kind_is_trusted_the_fewer_places_it_may_take(one: float, other: float, merit: float) -> None:
    worse, better = sorted((one, other))
    leaves = [Policy(precisions={"spend": Precision(p)}).leave_free("spend", merit, PER_DAY) for p in (worse, better)]
    assert leaves[0] >= leaves[1]
    assert 0 <= leaves[0] < PER_DAY  # never shut out
    assert worse < TRUSTED or leaves == [0, 0]


def test_false_alarms_move_the_threshold() -> None:
    past = [Past(kind, 0.5, NOW - timedelta(minutes=20 * n)) for n in range(150) for kind in ("silence", "spend")]
    before = policy(past, {}, {}, PER_DAY, NOW)
    assert before.worth("spend", 0.5) >= before.threshold
    labels = {"spend": (0, 10)}
    after = policy(past, precisions(labels, labels), {}, PER_DAY, NOW)
    assert after.worth("spend", 0.5) < after.threshold <= after.worth("silence", 0.5)


@given(histories, judged, usual)
def test_a_policy_is_stored_and_read_back(past: list[Past], labels: Labels, values: dict[str, float]) -> None:
    found = policy(past, precisions(labels, labels), values, PER_DAY, NOW)
    assert Policy.of(found.stored()) == found
    assert Policy.of({}) == Policy()


amounts = st.decimals(-1_000, 100_000, places=2).map(str) | st.sampled_from(["NaN", "Infinity", "", "x", "1e999"])


@given(st.lists(st.tuples(amounts, st.sampled_from(["GBP", "EUR"]))))
def test_any_orders_have_a_value_or_none(orders: list[tuple[str, str]]) -> None:
    found = value_at_stake(orders)
    assert found is None or (0 < found[0] < 1e12 and found[1] == orders[-1][1])


def test_money_of_different_currencies_is_not_added() -> None:
    assert value_at_stake([("10.00", "GBP"), ("99.00", "EUR"), ("5.50", "GBP")]) == (15.5, "GBP")
