"""Standing queries on the card log: whether rules speak when a recomputation from all transactions says so, how late
facts leave their windows, what rules cost, and what they take of a customer's memory.
"""

import bisect
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from analytics.events import Event, What
from analytics.fold import Fold
from analytics.operators.base import SEVERAL, Kind
from analytics.operators.standing_query import StandingQuery
from analytics.orders import DAY
from analytics.queries.checking import check
from analytics.queries.history import Histories
from analytics.queries.remembered import Remembered
from analytics.queries.windows import Cells, Shape
from analytics.trial import Trial, announcement
from benchmarks.rows import Row

LOG = "fdh_card_even_customers.parquet"
RULE = "sum(order.total) over 7d > 3 * mean over 90d"
RULES = (
    RULE,
    "count(order) over 1d >= 12",
    "no(order) over 21d and count(order) over 60d > 0",
    "max(order.total) over 30d > 4 * mean(order.total) over 30d",
    "days_since(order) > 14d and orders.count > 50",
    "sum(order.total) over 30d > £5000 then quiet for 30d",
)
_ONE_IN = 12  # customers; each has some hundred transactions, so that all windows are full
_SAMPLE = 30_000  # transactions whose cost is taken, the best of several turns
_TURNS = 3
_WEEK, _BEFORE = 7 * DAY, 90 * DAY


def run(data: Path) -> list[Row]:
    """The table."""
    events = _events(pd.read_parquet(data / LOG))
    wrong, looked = _disagreements(events)
    late, worst, exact = _lateness(events)
    bare, one, six = (_cost(events[:_SAMPLE], rules) for rules in ((), RULES[:1], RULES))
    most, mean = _memory(events)
    started = time.process_time()
    trial = Trial(0, check(RULE), float("-inf"), 0.0, {})
    for event in events[:_SAMPLE]:
        trial.take(event)
    tried = _SAMPLE / (time.process_time() - started)
    return [
        Row("transactions", len(events), ""),
        Row.at_most("rule and recomputation disagree", 100 * wrong / looked, "% of transactions", 0.1),
        Row("7-day sums that are exact", 100 * exact, "%"),
        Row("a fact counts too long, at most", worst / 3_600, "hours"),
        Row.at_most("of what is promised", 100 * worst / late, "%", 100),
        Row("bookkeeping and no rule", 1e6 * bare, "µs a transaction"),
        Row("one rule adds", 1e6 * (one - bare), "µs a transaction"),
        Row("six rules add", 1e6 * (six - bare), "µs a transaction"),
        Row("six rules take of a customer's memory", mean, "bytes on average"),
        Row.at_most("six rules take at most", most, "bytes", sum(check(rule).bytes for rule in RULES) + 100),
        Row("a rule is tried on", tried, "transactions/s"),
    ]


def _events(frame: pd.DataFrame) -> list[Event]:
    frame = frame[frame["CUSTOMER_ID"] // 2 % _ONE_IN == 0]  # the log has customers with even numbers
    frame = frame.sort_values(["TX_DATETIME", "TRANSACTION_ID"], kind="stable")
    moments = frame["TX_DATETIME"].astype("datetime64[ns]").astype("int64") / 1e9
    columns = zip(frame["TRANSACTION_ID"], frame["CUSTOMER_ID"], moments, frame["TX_AMOUNT"], strict=True)
    return [
        Event(What.ORDER, str(id_), f"c{customer}", at, at, 0.0, round(amount * 10_000), "GBP")
        for id_, customer, at, amount in columns
    ]


def _fold(rules: Sequence[str]) -> Fold:
    fold, track = Fold(0, operators=(StandingQuery(),)), 1
    for number, rule in enumerate(rules, 1):
        plan = check(rule)
        tracks = {found.text: track + n for n, found in enumerate(plan.tracks)}
        data = {"query": str(number), "number": number, "name": "Rule", "rule": plan.text, "tracks": tracks}
        fold.apply(announcement(What.QUERY_ACTIVATED, {**data, "severity": "low", "direction": "bad"}))
        fold.prime(announcement(What.QUERY_PRIMED, data), Histories(float("-inf")))
        track += len(tracks)
    return fold


def _disagreements(events: Sequence[Event]) -> tuple[int, int]:
    """After how many transactions the rule is held true where it is not, or the other way round."""
    fold, key, wrong = _fold([RULE]), SEVERAL * Kind.STANDING_QUERY + 1, 0
    known: dict[str, tuple[list[float], list[int]]] = {}
    for event in events:
        fold.apply(event)
        at, totals = known.setdefault(event.customer, ([], [0]))
        at.append(event.time)
        totals.append(totals[-1] + event.amount)
        profile = fold.profile(event.customer)
        wrong += profile is not None and (key in profile.episodes) != _holds(at, totals, event.time)
    return wrong, len(events)


def _holds(at: Sequence[float], totals: Sequence[int], now: float) -> bool:
    week, reach = (bisect.bisect_right(at, now - span) for span in (_WEEK, _WEEK + _BEFORE))
    observed = min(_BEFORE, now - _WEEK - at[0])
    if observed < 2 * _WEEK:
        return False
    return totals[-1] - totals[week] > 3 * (totals[week] - totals[reach]) * _WEEK / observed


def _lateness(events: Sequence[Event]) -> tuple[float, float, float]:
    """What is promised for a window of 7 days beside one of 97, the worst seen in seconds, and how many are exact."""
    shape = Shape((int(_WEEK), int(_WEEK + _BEFORE)), sums=True)
    known: dict[str, tuple[Cells, list[float]]] = {}
    worst, exact = 0.0, 0
    for event in events:
        cells, at = known.setdefault(event.customer, (Cells(shape), []))
        cells.add(event.time, event.amount)
        at.append(event.time)
        count, _ = cells.read(event.time, int(_WEEK))
        since = event.time - _WEEK
        exact += count == len(at) - bisect.bisect_right(at, since)
        worst = max(worst, since - at[len(at) - count])
    return shape.late_by(int(_WEEK)), worst, exact / len(events)


def _cost(events: Sequence[Event], rules: Sequence[str]) -> float:
    """Seconds of the processor for a transaction."""
    return min(_turn(events, rules) for _ in range(_TURNS)) / len(events)


def _turn(events: Sequence[Event], rules: Sequence[str]) -> float:
    fold = _fold(rules)
    started = time.process_time()
    for event in events:
        fold.apply(event)
    return time.process_time() - started


def _memory(events: Sequence[Event]) -> tuple[int, float]:
    """The most and the mean of a customer's bytes."""
    fold = _fold(RULES)
    for event in events:
        fold.apply(event)
    sizes = list(_sizes(fold))
    return max(sizes), sum(sizes) / len(sizes)


def _sizes(fold: Fold) -> Iterator[int]:
    for customer in fold.customers():
        profile = fold.profile(customer)
        if profile is not None:
            yield len(profile.of(Remembered).pack())
