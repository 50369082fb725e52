"""The learner of segments: quantiles, centres that stay themselves, names, and when customers are hooked."""

import math
import pickle
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.learners.quantiles import Quantiles
from analytics.learners.segment_names import KINDS, Centre, kinds_of, names_of
from analytics.learners.segmentation import LEAST_COUNT, Loyalty
from analytics.learners.segments import LEAST_ROWS, SegmentsLearner
from analytics.operators.segment import features
from analytics.orders import DAY, Orders
from tests.analytics.stories import START, order

VALUES = st.lists(st.floats(0.02, 1e8), min_size=1, max_size=200)
NUMBERS = st.floats(0, 1e6, allow_nan=False)


# Quantiles


@given(VALUES, st.floats(0.01, 0.99))
@settings(deadline=None)
def test_a_quantile_is_right_within_two_per_cent(values: list[float], share: float) -> None:
    sketch = Quantiles()
    sketch.add(np.array(values))
    ordered = sorted(values)
    exact = ordered[max(0, math.ceil(share * len(values) - 1e-9) - 1)]
    assert sketch.quantile(share) == pytest.approx(exact, rel=0.0201)


@given(VALUES, VALUES)
@settings(deadline=None)
def test_sketches_add_up(mine: list[float], theirs: list[float]) -> None:
    both, one, other = Quantiles(), Quantiles(), Quantiles()
    both.add(np.array(mine + theirs))
    one.add(np.array(mine))
    other.add(np.array(theirs))
    assert (one.counts + other.counts == both.counts).all()


def test_equal_values_are_below_each_other_by_half() -> None:
    sketch = Quantiles()
    sketch.add(np.array([1.0] * 60 + [2.0] * 20 + [9.0] * 20))
    assert [sketch.share_below(value) for value in (0.5, 1.0, 2.0, 5.0, 9.0, 99.0)] == [0, 0.3, 0.7, 0.8, 0.9, 1.0]
    assert Quantiles().share_below(3.0) == 0.5


def test_what_the_largest_hold() -> None:
    sketch = Quantiles()
    sketch.add(np.array([1.0] * 80 + [100.0] * 20))
    assert sketch.share_of_top(0.2) == pytest.approx(2_000 / 2_080, abs=0.01)
    assert sketch.share_of_top(1.0) == pytest.approx(1.0)
    assert Quantiles().share_of_top(0.2) == 0.0


# Segments


def rows(r: np.random.Generator, count: int, days: float, gap: float, spent: float, recency: float) -> list[list[Any]]:
    """Customers of one kind: recency, days with an order, span, tenure, money, currency."""
    found = []
    for _ in range(count):
        n = max(1, round(days * r.uniform(0.8, 1.2)))
        span, late = (n - 1) * gap * r.uniform(0.9, 1.1), recency * r.uniform(0.7, 1.3)
        found.append([late, float(n), span, span + late, spent * r.uniform(0.7, 1.3), "GBP"])
    return found


def example(day: float, r: np.random.Generator, **more: Any) -> Mapping[str, Any]:
    """A day's customers: regulars who spend much, occasional ones, one-timers long ago, new ones."""
    made = [
        *rows(r, 12, 20, 7, 2_000, 4),
        *rows(r, 16, 3, 45, 150, 30),
        *rows(r, 20, 1, 0, 40, 120),
        *rows(r, 16, 1, 0, 45, 8),
    ]
    return {"rows": made, "loyalty": [], "as_of": START + day * DAY, **more}


def taught(days: int, seed: int = 3) -> SegmentsLearner:
    learner, r = SegmentsLearner(), np.random.default_rng(seed)
    for day in range(days):
        learner.take(example(day, r))
    return learner


@pytest.fixture(scope="module")
def learner() -> SegmentsLearner:
    return taught(60)


def number_of(learner: SegmentsLearner, days: int, gap: float, spent: float, recency: float) -> int:
    orders = Orders()
    for n in range(days):
        orders.note(order("c_a", START + n * gap * DAY, spent / days))
    now = START + ((days - 1) * gap + recency) * DAY
    made = learner.snapshot()
    known = (recency, float(days), (days - 1) * gap, (days - 1) * gap + recency, spent, "GBP")
    assert made.bands(orders, now) is not None
    return made.nearest(features(known, made.usual_gap), "GBP", 0, 0.9)


def test_kinds_of_customers_get_segments_with_names_that_fit(learner: SegmentsLearner) -> None:
    made = learner.snapshot()
    names = [made.name(number_of(learner, *who)) for who in ((20, 7, 2_000, 4), (1, 0, 40, 120), (1, 0, 45, 8))]
    assert "loyal big spenders" in names[0] or "regulars" in names[0]
    assert "one-timers" in names[1]
    assert names[2].split()[-1] in ("new", "newest") or names[2].startswith("new")
    assert len(set(made.names)) == len(made.names)
    assert sum(made.shares) == pytest.approx(1)


def test_too_few_customers_make_no_segments() -> None:
    learner = SegmentsLearner()
    few = example(0, np.random.default_rng(1))
    learner.take({**few, "rows": few["rows"][: LEAST_ROWS - 1]})
    assert not learner.snapshot().ready
    assert learner.snapshot().name(1) == "unknown"
    assert learner.figures() == {"segments": {}, "hooked_after": None}


def test_a_segment_stays_itself_as_it_moves() -> None:
    """The regulars spend a little more every day: in the end tenfold. They keep their number all the way."""
    learner, r = taught(30), np.random.default_rng(4)
    numbers = []
    for day in range(30, 150):
        money = 2_000 * 1.02 ** (day - 30)
        made = example(day, r)
        learner.take({**made, "rows": [*rows(r, 12, 20, 7, money, 4), *made["rows"][12:]]})
        numbers.append(number_of(learner, 20, 7, money, 4))
    assert len(set(numbers)) == 1
    regulars = learner.snapshot().middles[numbers[-1] - 1]
    assert regulars.money > 8_000


def test_a_segment_nobody_is_in_any_more_is_given_up_for_a_new_one() -> None:
    learner, r = taught(40), np.random.default_rng(6)
    for day in range(40, 140):
        others = example(day, r)
        learner.take({**others, "rows": [*others["rows"][:48], *rows(r, 16, 9, 60, 900, 500)]})
    made = learner.snapshot()
    assert min(made.shares) > 0
    lost = made.middles[number_of(learner, 9, 60, 900, 500) - 1]
    assert lost.overdue > 4


def test_money_is_held_against_others_of_the_same_currency() -> None:
    """Everybody again in another currency, in which everything costs a hundred and fifty times as much."""
    learner, r = SegmentsLearner(), np.random.default_rng(3)
    for day in range(40):
        pounds = example(day, r)
        yen = [[*row[:4], row[4] * 150, "JPY"] for row in pounds["rows"]]
        learner.take({**pounds, "rows": [*pounds["rows"], *yen]})
    made, facts = learner.snapshot(), (4.0, 20.0, 133.0, 137.0)
    here = made.nearest(features((*facts, 2_000.0, "GBP"), made.usual_gap), "GBP", 0, 0.9)
    there = made.nearest(features((*facts, 300_000.0, "JPY"), made.usual_gap), "JPY", 0, 0.9)
    assert here == there
    assert set(made.spent) == {"GBP", "JPY"}


def test_a_seventh_currency_is_left_out() -> None:
    learner, r = SegmentsLearner(), np.random.default_rng(3)
    for day in range(10):
        for code in ("GBP", "EUR", "USD", "JPY", "CHF", "SEK", "NOK", ""):
            made = example(day, r)
            learner.take({**made, "rows": [[*row[:5], code] for row in made["rows"]]})
    assert len(learner.snapshot().spent) == 6


def test_bands_are_fifths() -> None:
    learner = SegmentsLearner()
    counts = [[float(n), 1.0 + n, 10.0 * n, 20.0 * n, 10.0 + 5.0 * n, "GBP"] for n in range(1, 401)]
    learner.take({"rows": counts, "loyalty": [], "as_of": START})
    made = learner.snapshot()
    found = []
    for n in (10, 100, 200, 300, 395):
        orders = Orders()
        for i in range(n + 1):
            orders.note(order("c_a", START + i * DAY, (10.0 + 5.0 * n) / (n + 1)))
        found.append(made.bands(orders, START + (n + n) * DAY))
    assert found == [(5, 1, 1), (4, 2, 2), (3, 3, 3), (2, 4, 4), (1, 5, 5)]


def test_the_same_rows_give_the_same_and_a_crash_changes_nothing() -> None:
    whole, parted, r = taught(50), SegmentsLearner(), np.random.default_rng(3)
    for day in range(50):
        parted.take(example(day, r))
        parted.snapshot()
        parted = pickle.loads(pickle.dumps(parted))
    assert parted.made.names == whole.made.names
    assert (parted.made.centres == whole.made.centres).all()
    assert (parted.rows == whole.rows).all()
    assert parted.figures() == whole.figures()


def test_a_published_version_does_not_change() -> None:
    learner, r = taught(30), np.random.default_rng(9)
    made = learner.snapshot()
    before = pickle.dumps(made)
    for day in range(30, 60):
        learner.take(example(day, r))
    assert pickle.dumps(made) == before
    assert learner.snapshot() is not made


@pytest.mark.parametrize(
    "rows",
    [None, [[]], [["x"] * 6], [[math.nan, 1.0, 1.0, 1.0, 1.0, "GBP"]], [[1.0, 1.0]], 7],
)
def test_what_is_no_example_is_refused(rows: Any) -> None:
    with pytest.raises((KeyError, TypeError, ValueError, IndexError)):
        SegmentsLearner().take({"rows": rows, "loyalty": [], "as_of": START})


def test_everybody_alike_is_no_crash() -> None:
    learner = SegmentsLearner()
    learner.take({"rows": [[1.0, 1.0, 0.0, 1.0, 5.0, "GBP"]] * 300, "loyalty": [], "as_of": START})
    made = learner.snapshot()
    assert len(set(made.names)) == 6
    assert made.nearest(features((1.0, 1.0, 0.0, 1.0, 5.0, "GBP"), made.usual_gap), "GBP", 0, 0.9) in range(1, 7)


# Names


@given(st.builds(Centre, st.floats(1, 1e4), NUMBERS, NUMBERS, st.floats(1, 1e4), NUMBERS, st.floats(0, 1)))
def test_every_centre_is_of_a_kind(centre: Centre) -> None:
    (kind,) = kinds_of([centre], ())
    assert KINDS[kind].holds(centre)


@given(
    st.lists(
        st.builds(Centre, st.floats(1, 1e4), NUMBERS, NUMBERS, st.floats(1, 1e4), NUMBERS, st.floats(0, 1)),
        min_size=1,
        max_size=8,
    )
)
def test_no_two_segments_have_one_name_and_names_stay(centres: list[Centre]) -> None:
    kinds = kinds_of(centres, ())
    names = names_of(centres, kinds, ())
    assert len(set(names)) == len(names)
    assert names_of(centres, kinds_of(centres, kinds), names) == names


def test_a_kind_is_kept_until_it_is_clearly_left() -> None:
    regular = Centre(orders=8, money=500, gap=10, overdue=1.9, tenure=300, richer_than=0.7)
    assert kinds_of([regular], ()) == ("slipping regulars",)
    assert kinds_of([regular], ("regulars",)) == ("regulars",)
    late = Centre(orders=8, money=500, gap=10, overdue=2.4, tenure=300, richer_than=0.7)
    assert kinds_of([late], ("regulars",)) == ("slipping regulars",)


# Loyalty


def loyalty(*rates: float, reached: int = 2_000) -> Loyalty:
    return Loyalty(tuple([reached] * len(rates)), tuple(round(rate * reached) for rate in rates))


@pytest.mark.parametrize(
    ("rates", "hooked"),
    [
        ((0.3, 0.45, 0.6, 0.8, 0.81, 0.8, 0.82, 0.8, 0.81, 0.8, 0.81, 0.8), 4),
        ((0.3, 0.79, 0.8, 0.8, 0.81, 0.8), 2),
        ((0.5,) * 12, None),
        ((0.5, 0.52, 0.5, 0.53, 0.52, 0.5), None),
        ((0.8, 0.6, 0.5, 0.4, 0.4, 0.4), None),
    ],
)
def test_the_purchase_after_which_customers_are_hooked_is_found(rates: tuple[float, ...], hooked: int | None) -> None:
    assert loyalty(*rates).hooked == hooked


def test_too_few_customers_hook_nobody() -> None:
    assert loyalty(0.1, 0.9, 0.9, 0.9, reached=LEAST_COUNT - 1).hooked is None
    assert Loyalty().hooked is None


def test_counts_of_all_partitions_add_up() -> None:
    learner = SegmentsLearner()
    learner.take({"rows": [], "loyalty": [[5, 2], [2, 1]], "as_of": START})
    learner.take({"rows": [], "loyalty": [[1, 1]], "as_of": START})
    assert learner.reached[:2].tolist() == [6, 2]
    assert learner.repeated[:2].tolist() == [3, 1]
