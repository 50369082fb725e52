"""Churn risk as a replay writes it, against recency alone, BG/NBD and gradient boosting refitted every four weeks.

All are scored at the end of every seventh day for every customer seen so far; the label is no day with an order in the
next 56 days. Pooled over what was scored after day 140 and whose label is known before the log ends.
"""

import gzip
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.models import churn_references as references
from benchmarks.rows import Row
from heed.replay.figures import auc
from heed.replay.options import Columns, Settings
from heed.replay.orders import replay_orders

HORIZON = 56
SETTLED = 140
_BINS = 15
_NAMES = ("recency", "BG/NBD", "gradient boosting")


@dataclass(frozen=True)
class Shop:
    """A log, how to read it, and what is asked: AUC, Brier."""

    name: str
    file: str
    columns: Columns
    least_auc: float
    most_brier: float


SHOPS = (
    Shop("CDNOW", "cdnow_master.txt.gz", Columns("customer_id", "date", amount="dollar_value"), 0.800, 0.0866),
    Shop(
        "Online Retail",
        "online_retail.csv.gz",
        Columns("CustomerID", "InvoiceDate", "InvoiceNo", "StockCode", "Quantity", "UnitPrice"),
        0.745,
        0.1950,
    ),
)


class Silent:
    """Listens to a replay and says nothing."""

    def step(self, what: str, total: int | None = None) -> None: ...
    def moved(self, done: int) -> None: ...


def run(data: Path) -> list[Row]:
    """The table."""
    return [row for shop in SHOPS for row in _shop(shop, data)]


def _shop(shop: Shop, data: Path) -> list[Row]:
    orders = order_days(data / shop.file, shop.columns)
    table = references.examples(orders, HORIZON)
    ours = _replayed(shop, data)
    table = table.merge(ours, on=["customer", "day"], how="left", validate="one_to_one")
    for name, predicted in zip(_NAMES, references.predict(table, HORIZON), strict=True):
        table[name] = predicted
    last = int(orders["day"].max())
    judged = table[(table["day"] > SETTLED) & (table["day"] + HORIZON <= last + 1)]
    odd = judged["customer"].map(lambda customer: bool(crc32(customer.encode()) & 1)).to_numpy()
    return [
        Row(f"{shop.name}: scores with a known label", len(judged), ""),
        *_figures(shop, judged),
        *_figures_of_odd(shop, judged[odd]),
    ]


def _figures(shop: Shop, judged: pd.DataFrame) -> list[Row]:
    lost, risk = judged["lost"].to_numpy(), judged["risk"].to_numpy()
    ours = _auc(lost, risk)
    rows = [
        Row.at_least(f"{shop.name}: AUC", ours, "%", 100 * shop.least_auc),
        Row.at_most(f"{shop.name}: Brier", 1000 * _brier(lost, risk), "‰", 1000 * shop.most_brier),
        Row.at_most(f"{shop.name}: calibration error", 100 * _calibration_error(lost, risk), "%", 2.0),
    ]
    for name in _NAMES:
        theirs = judged[name].to_numpy()
        rows.append(Row.at_most(f"{shop.name}: AUC of {name}", _auc(lost, theirs), "%", ours))
        if name != "recency":
            rows.append(Row(f"{shop.name}: Brier of {name}", 1000 * _brier(lost, theirs), "‰"))
    return rows


def _figures_of_odd(shop: Shop, judged: pd.DataFrame) -> list[Row]:
    lost, risk = judged["lost"].to_numpy(), judged["risk"].to_numpy()
    return [
        Row(f"{shop.name}, customers with an odd hash: AUC", _auc(lost, risk), "%"),
        Row(f"{shop.name}, customers with an odd hash: Brier", 1000 * _brier(lost, risk), "‰"),
        Row(f"{shop.name}, customers with an odd hash: calibration error", 100 * _calibration_error(lost, risk), "%"),
    ]


def order_days(file: Path, columns: Columns) -> pd.DataFrame:
    """One row a day with an order: customer, day (0 is that of the first), orders, amount. Returns are left out."""
    rows = _read(file, columns)
    rows = rows[rows["customer"].notna() & ~rows["order"].str.startswith("C")]
    each = rows.groupby(["customer", "order"], sort=False).agg(time=("time", "min"), amount=("amount", "sum"))
    each = each[each["amount"] > 0 if columns.order else each["amount"] >= 0].reset_index()
    each["day"] = (each["time"].dt.normalize() - rows["time"].min().normalize()).dt.days
    return each.groupby(["customer", "day"], as_index=False).agg(orders=("amount", "size"), amount=("amount", "sum"))


def _read(file: Path, columns: Columns) -> pd.DataFrame:
    """customer, order, time and amount of every row."""
    with gzip.open(file, "rt") as text:
        raw = pd.read_csv(text, sep="," if file.suffixes[0] == ".csv" else r"\s+", dtype=str)
    time = pd.to_datetime(raw[columns.time], format=None if columns.order else "%Y%m%d")
    if columns.amount:
        amount = raw[columns.amount].astype(float)
    else:
        amount = raw[str(columns.quantity)].astype(float) * raw[str(columns.price)].astype(float)
    order = raw[columns.order] if columns.order else raw.index.astype(str)
    customer = raw[columns.customer].str.replace(r"\.0$", "", regex=True)
    return pd.DataFrame({"customer": customer, "order": order, "time": time, "amount": amount})


def _replayed(shop: Shop, data: Path) -> pd.DataFrame:
    """customer, day and risk as `heed replay orders` writes them."""
    with tempfile.TemporaryDirectory() as out:
        replay_orders(data / shop.file, shop.columns, (), Settings(horizon=HORIZON), Path(out), Silent())
        scores = pd.read_parquet(Path(out) / "scores.parquet", columns=["customer", "as_of", "churn_risk"])
    as_of = pd.to_datetime(scores["as_of"]).dt.tz_localize(None)
    day = (as_of - as_of.min()).dt.days + 7
    found: Mapping[str, object] = {"customer": scores["customer"], "day": day, "risk": scores["churn_risk"]}
    return pd.DataFrame(found)


def _auc(lost: NDArray[np.bool_], score: NDArray[np.float64]) -> float:
    """In per cent; not a number where there is one label only."""
    found = auc(lost, score)
    return float("nan") if found is None else 100 * found


def _brier(lost: NDArray[np.bool_], risk: NDArray[np.float64]) -> float:
    return float(np.mean((risk - lost) ** 2))


def _calibration_error(lost: NDArray[np.bool_], risk: NDArray[np.float64]) -> float:
    """Expected calibration error, in bins of equal width."""
    at = np.minimum((risk * _BINS).astype(int), _BINS - 1)
    off = np.bincount(at, risk, _BINS) - np.bincount(at, lost, _BINS)
    return float(np.abs(off).sum() / len(risk))
