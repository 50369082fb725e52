"""Champion and challengers: who leads, who falls back, and what is published."""

import math
import pickle
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.learners.contest import DAY, Contest, Progress

START = 1_760_000_000.0
NAMES = ("champion", "challenger")


def play(contest: Contest, days: range, skill: dict[str, float], seed: int = 1, a_day: int = 20) -> None:
    """Each contender says the truth in log-odds, as far as its skill goes."""
    r = random.Random(seed)
    for day in days:
        for _ in range(a_day):
            z = r.gauss(0, 2)
            label = r.random() < 1 / (1 + math.exp(-z))
            said = {name: 1 / (1 + math.exp(-z * skill[name])) for name in NAMES}
            contest.take(START + day * DAY, label, said)
        contest.decide()


def test_a_better_challenger_leads_and_falls_back_when_it_gets_worse() -> None:
    contest = Contest(NAMES)
    play(contest, range(60), {"champion": 0.1, "challenger": 1.0})
    assert (contest.leader, contest.changes) == ("challenger", 1)
    play(contest, range(60, 400), {"champion": 0.6, "challenger": -1.0})
    assert (contest.leader, contest.changes) == ("champion", 2)


def test_a_little_better_or_a_little_evidence_changes_nothing() -> None:
    contest = Contest(NAMES)
    play(contest, range(200), {"champion": 0.85, "challenger": 1.0})
    assert contest.leader == "champion"
    contest = Contest(NAMES)
    play(contest, range(20), {"champion": 0.0, "challenger": 1.0})
    assert contest.leader == "champion"
    contest = Contest(NAMES)
    play(contest, range(60), {"champion": 0.0, "challenger": 1.0}, a_day=1)
    assert contest.leader == "champion"


def test_a_shop_that_changes_is_noticed() -> None:
    contest = Contest(NAMES)
    play(contest, range(150), {"champion": 1.0, "challenger": 0.0})
    calm = contest.drifts
    play(contest, range(150, 300), {"champion": -1.5, "challenger": 0.0})
    assert contest.drifts > calm


def test_figures_are_the_leaders_with_everybodys_beside_them() -> None:
    contest = Contest(NAMES)
    play(contest, range(100), {"champion": 1.0, "challenger": 0.3})
    figures = contest.figures()
    assert figures["leader"] == "champion"
    assert figures["auc"] == figures["contenders"]["champion"]["auc"] > 0.8
    assert figures["contenders"]["challenger"]["log_loss"] > figures["log_loss"]
    assert figures["calibration_error"] < 0.04
    assert figures["judged"] == 2_000


def test_nothing_judged_has_no_figures() -> None:
    contest = Contest(NAMES)
    assert contest.decide() == "champion"
    assert contest.figures()["auc"] is None


@pytest.mark.parametrize("said", [{}, {"champion": 0.5}, {"champion": math.nan, "challenger": 0.5}])
def test_what_cannot_be_judged_is_refused(said: dict[str, float]) -> None:
    contest = Contest(NAMES)
    with pytest.raises((KeyError, ValueError)):
        contest.take(START, True, said)
    assert contest.figures()["judged"] == 0


def test_a_contest_goes_on_from_where_it_was_kept() -> None:
    contest = Contest(NAMES)
    play(contest, range(50), {"champion": 0.5, "challenger": 1.0})
    kept = pickle.loads(pickle.dumps(contest))
    play(contest, range(50, 90), {"champion": 0.1, "challenger": 1.0}, seed=2)
    play(kept, range(50, 90), {"champion": 0.1, "challenger": 1.0}, seed=2)
    assert kept.figures() == contest.figures()


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 99)), min_size=2, max_size=60))
def test_the_auc_is_the_share_of_pairs_in_order(examples: list[tuple[bool, int]]) -> None:
    progress = Progress()
    for label, percent in examples:
        progress.take(label, percent / 100, 1.0)
    pairs = [(p, n) for hit, p in examples if hit for miss, n in examples if not miss]
    found = progress.auc()
    if not pairs:
        assert found is None
    else:
        # Log-odds within 0.04 of each other share a bin: half of such a pair may be lost.
        near = sum(abs(math.log(p / (100 - p)) - math.log(n / (100 - n))) < 0.05 and p != n for p, n in pairs)
        exact = sum((p > n) + 0.5 * (p == n) for p, n in pairs)
        assert abs(found * len(pairs) - exact) <= 0.5 * near + 1e-6  # type: ignore[operator]


def test_decades_of_examples_stay_finite() -> None:
    contest = Contest(NAMES)
    for week in range(2_000):
        contest.take(START + 7 * week * DAY, week % 3 == 0, {"champion": 0.3, "challenger": 0.4})
    contest.take(START - 500 * DAY, True, {"champion": 0.3, "challenger": 0.4})
    recent = contest.recent["champion"]
    assert 0 < recent.loss < 1
    assert math.isfinite(recent.weight)
