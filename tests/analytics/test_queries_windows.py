"""Sliding windows in bounded memory, against all facts recomputed."""

import math
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.queries.windows import CELLS, DIFFERENT, Cells, Different, Latest, Shape

_WINDOWS = st.sampled_from([(3_600,), (604_800,), (86_400, 864_000), (604_800, 8_380_800)])
# When, how far from the one before, and how much: seconds, some of them out of order.
_STEPS = st.lists(st.tuples(st.floats(-20_000, 400_000), st.integers(0, 10**8)), min_size=1, max_size=300)


def _told(steps: list[tuple[float, int]]) -> list[tuple[float, int]]:
    at, facts = 1e9, []
    for step, value in steps:
        at += step / len(steps) * 10
        facts.append((at, value))
    return facts


def _bounds(facts: list[tuple[float, int]], since: float, until: float) -> tuple[int, int]:
    inside = [value for at, value in facts if since < at <= until]
    return len(inside), sum(inside)


def _within(cells: Cells, facts: list[tuple[float, int]], now: float) -> None:
    for window in cells.shape.windows:
        count, total = cells.read(now, window)
        least = _bounds(facts, now - window, now)
        most = _bounds(facts, now - window - cells.shape.late_by(window), now)
        assert least[0] <= count <= most[0]
        assert least[1] <= total <= most[1]


@settings(deadline=None)
@given(_WINDOWS, _STEPS, st.floats(0, 1e6))
def test_no_fact_leaves_early_nor_later_than_the_stated_bound(
    windows: tuple[int, ...], steps: list[tuple[float, int]], wait: float
) -> None:
    cells, facts = Cells(Shape(windows, sums=True)), _told(steps)
    seen: list[tuple[float, int]] = []
    newest = -math.inf
    for at, value in facts:
        cells.add(at, value)
        seen.append((at, value))
        newest = max(newest, at)
        _within(cells, seen, newest)
        assert len(cells.cells) <= cells.shape.most
        assert len(cells.pack()) <= cells.shape.largest
    _within(cells, seen, newest + wait)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 10**6)), max_size=CELLS), st.integers(0, 10**6))
def test_few_facts_are_exact_to_the_second(facts: list[tuple[int, int]], wait: int) -> None:
    window = 604_800
    cells = Cells(Shape((window,), sums=True))
    for at, value in facts:
        cells.add(1e9 + at, value)
    now = 1e9 + max((at for at, _ in facts), default=0) + wait
    assert cells.read(now, window) == _bounds([(1e9 + at, value) for at, value in facts], now - window, now)


@settings(deadline=None)
@given(_WINDOWS, _STEPS, _STEPS)
def test_two_customers_memories_merge_within_the_bound(
    windows: tuple[int, ...], ours: list[tuple[float, int]], theirs: list[tuple[float, int]]
) -> None:
    a, b = Cells(Shape(windows, sums=True)), Cells(Shape(windows, sums=True))
    facts = [*_told(ours), *_told(theirs)]
    for cells, told in ((a, _told(ours)), (b, _told(theirs))):
        for at, value in told:
            cells.add(at, value)
    a.merge(b)
    assert len(a.cells) <= a.shape.most
    now = max(at for at, _ in facts)
    for window in windows:
        # What was joined apart may be joined once more: twice the lateness.
        count, _ = a.read(now, window)
        late = 2 * a.shape.late_by(window)
        assert _bounds(facts, now - window, now)[0] <= count <= _bounds(facts, now - window - late, now)[0]


@settings(deadline=None)
@given(_WINDOWS, _STEPS, st.booleans())
def test_packing_loses_nothing(windows: tuple[int, ...], steps: list[tuple[float, int]], extremes: bool) -> None:
    cells = Cells(Shape(windows, sums=True, extremes=extremes))
    for at, value in _told(steps):
        cells.add(at, value, "GBP")
    again = Cells.unpack(cells.shape, cells.pack())
    now = max(at for at, _ in _told(steps))
    assert again.currency == cells.currency
    assert again.pack() == cells.pack()
    for window in windows:
        assert again.read(now, window) == cells.read(now, window)
        if extremes:
            assert again.extremes(now, window) == cells.extremes(now, window)


def test_extremes_are_those_of_the_window() -> None:
    r = random.Random(5)
    cells, facts = Cells(Shape((604_800,), extremes=True)), []
    at = 1e9
    for _ in range(2_000):
        at += r.expovariate(1 / 20_000)
        value = r.randrange(10**6)
        cells.add(at, value)
        facts.append((at, value))
        found = cells.extremes(at, 604_800)
        assert found is not None
        surely = [v for t, v in facts if at - 604_800 < t]
        perhaps = [v for t, v in facts if at - 604_800 - cells.shape.late_by(604_800) < t]
        assert min(perhaps) <= found[0] <= min(surely)
        assert max(surely) <= found[1] <= max(perhaps)


def test_the_next_moment_a_fact_leaves_is_known() -> None:
    cells = Cells(Shape((100_000,)))
    for at in (1e9, 1e9 + 10_000, 1e9 + 50_000):
        cells.add(at, 0)
    leaves = cells.leaves(1e9 + 50_000, 100_000)
    assert cells.read(leaves - 1, 100_000)[0] == 3
    assert cells.read(leaves, 100_000)[0] == 2
    assert cells.leaves(1e9 + 150_000, 100_000) == math.inf


def test_amounts_of_two_currencies_are_never_summed() -> None:
    cells = Cells(Shape((1_000,), sums=True))
    cells.add(100.0, 5, "GBP")
    cells.add(200.0, 7, "EUR")
    assert cells.read(200.0, 1_000) == (1, 5)
    cells.add(2_000.0, 9, "EUR")
    assert (cells.currency, cells.read(2_000.0, 1_000)) == ("EUR", (1, 9))

    other = Cells(Shape((1_000,), sums=True))
    for at in (1_990.0, 1_995.0):
        other.add(at, 1, "USD")
    cells.merge(other)
    assert (cells.currency, cells.read(2_000.0, 1_000)) == ("USD", (2, 2))


def test_odd_times_leave_memory_sound() -> None:
    cells = Cells(Shape((3_600,), sums=True))
    for at in (-1e12, 0.0, 253_402_300_799.0, 1e9, math.pi):
        cells.add(at, 1)
        assert Cells.unpack(cells.shape, cells.pack()).pack() == cells.pack()


def test_different_values_are_counted_up_to_the_cap_and_leave() -> None:
    different = Different(1_000)
    for value in range(20):
        different.add(100.0 + value, value)
    assert different.count(119.0) == 20
    assert different.count(1_110.0) == 9
    assert different.leaves(1_110.0) == 1_111.0
    for value in range(100):
        different.add(2_000.0, value)
    assert different.count(2_000.0) == DIFFERENT
    assert Different.unpack(1_000, different.pack()).seen == dict(sorted(different.seen.items()))
    assert len(different.pack()) == Different.largest


def test_the_latest_fact_is_kept_whatever_the_order() -> None:
    latest = Latest()
    for at, value in ((5.0, 1), (9.5, 2), (7.0, 3)):
        latest.add(at, value, "GBP")
    assert (latest.at, latest.value) == (9.5, 2)
    other = Latest(8.0, 4, "GBP")
    other.merge(latest)
    assert (other.at, other.value) == (9.5, 2)
    assert Latest.unpack(latest.pack()) == latest
