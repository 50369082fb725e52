"""What is noticed, by the code path of `heed replay orders`: on the card log, whose spells are labelled, and on two
shops' logs into which spells are put.

Card log: rows of scenario 3 are to be found; those of 1 and 2 are left out, the first 30 days only teach. A trigger is
right when its episode, from raised to cleared, holds a row of scenario 3. All kinds of triggers count.
Shops: a tenth of the customers with ten orders or more has a spell of three to seven orders, each times a factor.
The reference is the z-score of the logarithm that skips learning from what it flags (3.5).
"""

import math
import tempfile
from pathlib import Path
from zlib import crc32

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.models.churn import Silent
from benchmarks.rows import Row
from heed.replay.options import Columns, Settings, exclusion
from heed.replay.orders import replay_orders

CARDS, CDNOW, RETAIL = "fdh_card_even_customers.parquet", "cdnow_master.txt.gz", "online_retail.csv.gz"
WARM_UP = 30
_CARDS_SETTINGS = Settings(warm_up=WARM_UP)
_SHOP_SETTINGS = Settings(warm_up=WARM_UP, score_every=28)  # orders are looked at, and scoring takes longest
_REACHED = 205 / 209
_FACTORS = (3.0, 5.0, 1 / 3)
_LEAST_ORDERS, _FROM_ORDER, _SPELL = 10, 6, (3, 7)
_YEAR = 365.25


def run(data: Path) -> list[Row]:
    """The table."""
    rows = _cards(data)
    for name, log in (("CDNOW", _cdnow(data / CDNOW)), ("Online Retail", _retail(data / RETAIL))):
        rows += _shop(name, log)
    return rows


def _replayed(
    file: Path, columns: Columns, settings: Settings, excluded: tuple[str, ...] = ()
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Events and triggers; a trigger has its kind, customer and the moments it was raised and cleared."""
    exclusions = tuple(exclusion(text) for text in excluded)
    with tempfile.TemporaryDirectory() as folder:
        replay_orders(file, columns, exclusions, settings, Path(folder), Silent())
        events = pd.read_parquet(Path(folder) / "events.parquet")
        steps = pd.read_parquet(
            Path(folder) / "decisions.parquet", columns=["trigger", "action", "kind", "customer", "time"]
        )
    raised = steps[steps["action"] == "raised"].set_index("trigger")
    cleared = steps[steps["action"] == "cleared"].set_index("trigger")["time"]
    return events, raised.join(cleared.rename("cleared"))


def average_precision(wanted: NDArray[np.bool_], score: NDArray[np.float64]) -> float:
    """Area under precision over recall in per cent, in steps; rows of one score are taken together."""
    order = np.argsort(-score, kind="stable")
    hits, ranked = np.cumsum(wanted[order]), score[order]
    last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    recall = hits[last] / hits[-1]
    return 100 * float(np.sum(np.diff(recall, prepend=0.0) * hits[last] / (last + 1)))


# -- cards ------------------------------------------------------------------------------------


def _cards(data: Path) -> list[Row]:
    columns = Columns("CUSTOMER_ID", "TX_DATETIME", amount="TX_AMOUNT", id="TRANSACTION_ID")
    events, triggers = _replayed(data / CARDS, columns, _CARDS_SETTINGS, ("TX_FRAUD_SCENARIO in (1, 2)",))
    judged = _labelled(events, data)
    wanted = judged[judged["wanted"]]
    triggers["right"] = _right(triggers, wanted)
    rows = _part("card log, all customers", judged, triggers, asked=True)
    for parity, name in enumerate(("even", "odd")):
        mine, theirs = (table["customer"].map(_hash) % 2 == parity for table in (judged, triggers))
        rows += _part(f"card log, customers with an {name} hash", judged[mine], triggers[theirs], asked=False)
    for kind, part in triggers.groupby("kind"):
        rows.append(Row(f"card log, raised: {kind}", len(part), ""))
    return rows


def _hash(customer: str) -> int:
    return crc32(customer.encode())


def _labelled(events: pd.DataFrame, data: Path) -> pd.DataFrame:
    """The events after the warm-up, with whether each is wanted."""
    labels = pd.read_parquet(data / CARDS, columns=["TRANSACTION_ID", "TX_FRAUD_SCENARIO"])
    spell = labels.loc[labels["TX_FRAUD_SCENARIO"] == 3, "TRANSACTION_ID"].astype(str)
    events["wanted"] = events["id"].isin(set(spell))
    after: pd.DataFrame = events[events["time"] >= events["time"].min().normalize() + pd.Timedelta(days=WARM_UP)]
    return after


def _part(name: str, judged: pd.DataFrame, triggers: pd.DataFrame, *, asked: bool) -> list[Row]:
    """The figures of some customers, with what is asked of all of them together."""
    wanted = set(judged.loc[judged["wanted"], "customer"])
    reached = len(wanted & set(triggers.loc[triggers["right"], "customer"]))
    found = average_precision(judged["wanted"].to_numpy(), judged["deviation"].to_numpy())
    rows = [
        Row.at_least(f"{name}: average precision of the deviation", found, "%", 90.0),
        Row.at_most(f"{name}: triggers", 1000 * len(triggers) / len(judged), "per 1,000 transactions", 1.0),
        Row.at_least(f"{name}: triggers that are right", 100 * float(triggers["right"].mean()), "%", 98.0),
        Row.at_least(f"{name}: reached of {len(wanted)}", reached, "customers", round(_REACHED * len(wanted))),
    ]
    counts = Row(f"{name}: transactions after day {WARM_UP}", len(judged), "")
    return [counts, *(row if asked else Row(row.name, row.value, row.unit) for row in rows)]


def _right(triggers: pd.DataFrame, wanted: pd.DataFrame) -> "pd.Series[bool]":
    """Whether a wanted row of the customer lies within the episode."""
    rows = {customer: part.to_numpy() for customer, part in wanted.groupby("customer")["time"]}
    ends = triggers["cleared"].fillna(pd.Timestamp.max.tz_localize("UTC"))

    def holds(customer: str, begins: pd.Timestamp, ends: pd.Timestamp) -> bool:
        return any(begins <= time <= ends for time in rows.get(customer, ()))

    found = [holds(*row) for row in zip(triggers["customer"], triggers["time"], ends, strict=True)]
    return pd.Series(found, index=triggers.index, dtype=bool)


# -- shops ------------------------------------------------------------------------------------


def _cdnow(path: Path) -> pd.DataFrame:
    log = pd.read_csv(path, sep=r"\s+")
    log.columns = pd.Index(["customer", "time", "cds", "amount"])
    log["time"] = pd.to_datetime(log["time"].astype(str))
    return _tidy(log)


def _retail(path: Path) -> pd.DataFrame:
    log = pd.read_csv(path, encoding_errors="replace", dtype={"InvoiceNo": str})
    log = log[log["CustomerID"].notna() & ~log["InvoiceNo"].str.startswith(("C", "A"))]
    log["amount"] = log["Quantity"] * log["UnitPrice"]
    log["time"] = pd.to_datetime(log["InvoiceDate"])
    log["customer"] = log["CustomerID"].astype(int)
    return _tidy(log.groupby("InvoiceNo").agg({"customer": "first", "time": "min", "amount": "sum"}))


def _tidy(log: pd.DataFrame) -> pd.DataFrame:
    log = log.loc[log["amount"] > 0, ["customer", "time", "amount"]]
    return log.sort_values("time", kind="stable").reset_index(drop=True)


def _shop(name: str, log: pd.DataFrame) -> list[Row]:
    """The log as it is, then with spells."""
    _, triggers = _replay(log)
    spans = log.groupby("customer")["time"].agg(["min", "max"])
    years = (spans["max"] - spans["min"]).dt.total_seconds().sum() / 86_400 / _YEAR
    rows = [Row(f"{name} as it is: customers' years", years, "")]
    for kind, part in triggers.groupby("kind"):
        ended = 100 * float(part["cleared"].notna().mean())
        rows.append(Row(f"{name} as it is, raised: {kind}", 100 * len(part) / years, "per 100 customers' years"))
        if kind == "purchase_silence":
            rows.append(Row(f"{name} as it is: of these silences, ended by an order", ended, "%"))
    for factor in _FACTORS:
        rows += _spells(name, log, factor)
    return rows


def _spells(name: str, log: pd.DataFrame, factor: float) -> list[Row]:
    log, number = log.copy(), log.groupby("customer").cumcount()
    log["wanted"] = _put_spells(log, number)
    log.loc[log["wanted"], "amount"] *= factor
    events, triggers = _replay(log)
    triggers = triggers[triggers["kind"] == "spend_deviation"]
    events["wanted"] = log["wanted"].to_numpy()
    known = (number >= _FROM_ORDER - 1).to_numpy()
    found = average_precision(log["wanted"].to_numpy()[known], events["deviation"].to_numpy()[known])
    reference = average_precision(log["wanted"].to_numpy()[known], _z_scores(log)[known])
    right = _right(triggers, events[events["wanted"]])
    wanted = log.loc[log["wanted"], "customer"].nunique()
    what = f"{name}, orders {'times' if factor > 1 else 'divided by'} {max(factor, 1 / factor):.0f}"
    return [
        Row.at_least(f"{what}: average precision; target: the z-score's", found, "%", reference),
        Row(f"{what}: spend triggers that are right", 100 * float(right.mean()) if len(right) else 100.0, "%"),
        Row(f"{what}: reached of {wanted}", triggers.loc[right, "customer"].nunique(), "customers"),
    ]


def _put_spells(log: pd.DataFrame, number: "pd.Series[int]") -> "pd.Series[bool]":
    """Which orders are of a spell: three to seven in a row of a tenth of those with ten orders or more."""
    r, orders = np.random.default_rng(1), log.groupby("customer").size()
    wanted = pd.Series(False, index=log.index)
    enough = orders[orders >= _LEAST_ORDERS]
    for customer in r.choice(enough.index.to_numpy(), len(enough) // 10, replace=False):
        first = int(r.integers(_FROM_ORDER, enough[customer] - 1))
        last = first + int(r.integers(*_SPELL, endpoint=True))
        wanted |= (log["customer"] == customer) & number.between(first, last - 1)
    return wanted


def _z_scores(log: pd.DataFrame) -> NDArray[np.float64]:
    """The reference, per order."""
    state: dict[int, tuple[int, float, float]] = {}
    scores = np.zeros(len(log))
    for place, (customer, amount) in enumerate(zip(log["customer"], np.log(log["amount"]), strict=True)):
        n, mean, var = state.get(customer, (0, 0.0, 0.0))
        z = (amount - mean) / math.sqrt((n * var + 6 * 0.3) / (n + 6)) if n >= _FROM_ORDER - 1 else 0.0
        scores[place] = abs(z)
        if abs(z) < 3.5:
            rate = max(0.15, 1 / (n + 1))
            off = amount - mean
            state[customer] = (n + 1, mean + rate * off, (1 - rate) * (var + rate * off * off))
    return scores


def _replay(log: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "orders.parquet"
        log[["customer", "time", "amount"]].to_parquet(file)
        return _replayed(file, Columns("customer", "time", amount="amount"), _SHOP_SETTINGS)
