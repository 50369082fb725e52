"""The figures of the report, against the plain way to compute them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heed.replay.figures import Judge, auc, calibration, calibration_error
from heed.replay.options import Columns
from heed.replay.reading import Log, read_log
from heed.replay.rows import DAY
from tests.replay.shop import rows, write

PAIRS = st.lists(st.tuples(st.booleans(), st.integers(0, 5).map(lambda n: n / 5)), min_size=1, max_size=40)


@given(pairs=PAIRS)
def test_auc_is_the_share_of_pairs_in_the_right_order(pairs: list[tuple[bool, float]]) -> None:
    ones = [score for label, score in pairs if label]
    zeros = [score for label, score in pairs if not label]
    found = auc(np.array([label for label, _ in pairs]), np.array([score for _, score in pairs]))
    if not ones or not zeros:
        assert found is None
        return
    right = sum((a > b) + 0.5 * (a == b) for a in ones for b in zeros)
    assert found == pytest.approx(right / (len(ones) * len(zeros)))


@given(pairs=PAIRS)
def test_calibration_compares_what_was_said_with_what_came(pairs: list[tuple[bool, float]]) -> None:
    labels, scores = np.array([label for label, _ in pairs]), np.array([score for _, score in pairs])
    bins = calibration(labels, scores)
    assert sum(b["count"] for b in bins) == len(pairs)
    error = sum(abs(b["predicted"] - b["observed"]) * b["count"] for b in bins) / len(pairs)
    assert calibration_error(labels, scores) == pytest.approx(error, abs=1e-3)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Log:
    path = write(tmp_path_factory.mktemp("log") / "orders.csv", rows(8))
    return read_log(path, Columns("who", "when", amount="total"))


def test_labels_are_what_the_log_says_next(log: Log) -> None:
    horizon, judge = 28, Judge(log, 28)
    orders: dict[int, list[int]] = {}
    for who, time in zip(log.customer.tolist(), log.time.tolist(), strict=True):
        orders.setdefault(who, []).append(time)
    for as_of in range(log.start + 7 * DAY, log.end, 7 * DAY):
        seen = judge.seen(as_of).tolist()
        assert seen == sorted(who for who, times in orders.items() if min(times) < as_of)
        judge.take(as_of, {who: {"churn_risk": who / 10} for who in seen})
    assert [m.as_of for m in judge.moments][-1] + horizon * DAY <= log.end < log.end + 7 * DAY
    for moment in judge.moments:
        seen = judge.seen(moment.as_of).tolist()
        none = [not any(moment.as_of <= t < moment.as_of + horizon * DAY for t in orders[who]) for who in seen]
        since = [(moment.as_of - max(t for t in orders[who] if t < moment.as_of)) / DAY for who in seen]
        assert moment.bought_not.tolist() == none
        assert moment.recency.tolist() == pytest.approx(since)


def test_the_progress_ends_where_the_pool_does(log: Log) -> None:
    judge = Judge(log, 28)
    for as_of in range(log.start + 7 * DAY, log.end, 7 * DAY):
        judge.take(as_of, {who: {"churn_risk": (who % 4) / 4} for who in judge.seen(as_of).tolist()})
    pooled = judge.pooled(log.start + 60 * DAY)
    progress = judge.progress(log.start + 60 * DAY)
    assert pooled is not None
    assert progress[-1]["auc_so_far"] == pytest.approx(pooled["auc"], abs=1e-4)
    assert progress[-1]["brier_so_far"] == pytest.approx(pooled["brier"], abs=1e-6)
    assert pooled["rows"] == sum(m["rows"] for m in progress)
    assert judge.pooled(log.end) is None
