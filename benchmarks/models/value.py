"""Forecasts of a replay against each customer's own mean, and against BG/NBD and gamma-gamma refitted every four weeks.

At the end of every seventh day everybody seen so far is forecast: when they order next, and how much. Judged is what
was said after day 140 wherever a next order is in the log.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.models import value_references as references
from benchmarks.models.churn import SETTLED, SHOPS, Shop, Silent
from benchmarks.rows import Row
from common.envelope import Envelope
from heed.replay.driver import Driver
from heed.replay.options import Settings
from heed.replay.reading import read_log
from heed.replay.rows import DAY, SECOND

_DAY_SECONDS = DAY / SECOND
_SAID = tuple(f"expected_{what}" for what in ("next_at", "next_low", "next_high", "value", "value_low", "value_high"))
_LEAST, _MOST = 77.0, 83.0

Floats = NDArray[np.float64]


class Heard:
    """Keeps the forecasts of a replay, one table a scoring moment."""

    def __init__(self) -> None:
        self.tables: list[pd.DataFrame] = []

    def scored(self, as_of: float, scores: Mapping[int, Mapping[str, Any]]) -> None:
        table = pd.DataFrame([[row.get(name) for name in _SAID] for row in scores.values()], columns=_SAID, dtype=float)
        self.tables.append(table.assign(place=list(scores), as_of=as_of))

    def noticed(self, event: int, noted: object) -> None: ...
    def decided(self, action: str, step: Envelope, events: list[int]) -> None: ...
    def alarmed(self, alarm: Envelope) -> None: ...


def run(data: Path) -> list[Row]:
    """The table."""
    return [row for shop in SHOPS for row in rows(shop, data / shop.file)]


def rows(shop: Shop, file: Path) -> list[Row]:
    """The figures of one log."""
    log, heard = read_log(file, shop.columns, ()), Heard()
    driver = Driver(log, Settings(), heard)
    driver.run(Silent().moved)
    said = pd.concat(heard.tables, ignore_index=True)
    table = references.customers(log, np.unique(said["as_of"]))
    table = table.merge(said, on=["place", "as_of"], validate="one_to_one")
    judged = table[(table["day"] > SETTLED) & table["next_at"].notna() & table["expected_next_at"].notna()]
    return [
        Row(f"{shop.name}: forecasts whose order came", len(judged), ""),
        *_timing(shop.name, judged),
        *_value(shop.name, judged[judged["expected_value"].notna()]),
        *_at_order(shop.name, driver),
    ]


def _timing(name: str, judged: pd.DataFrame) -> list[Row]:
    truth = (judged["next_at"] - judged["as_of"]).to_numpy() / _DAY_SECONDS
    said, low, high = (
        (judged[f"expected_{one}"] - judged["as_of"]).to_numpy() / _DAY_SECONDS
        for one in ("next_at", "next_low", "next_high")
    )
    ours = _error(truth, said)
    theirs = {
        "own mean gap": judged["own_gap"],
        "BG/NBD": judged["bgnbd_plain"],
        "BG/NBD within 120 days": judged["bgnbd_days"],
    }
    return [
        Row(f"{name}: days to the next order, mean absolute error", ours, "days"),
        *(_beaten(f"{name}: days to the next order", *one, truth, ours, "days") for one in theirs.items()),
        *_covered(f"{name}: days to the next order", judged, (truth >= low) & (truth <= high)),
    ]


def _value(name: str, judged: pd.DataFrame) -> list[Row]:
    truth = judged["next_amount"].to_numpy()
    ours = _error(truth, judged["expected_value"].to_numpy())
    theirs = {"own mean": judged["own_amount"], "gamma-gamma": judged["gamma_gamma"]}
    inside = (truth >= judged["expected_value_low"]) & (truth <= judged["expected_value_high"])
    return [
        Row(f"{name}: next order's value, mean absolute error", ours, ""),
        *(_beaten(f"{name}: next order's value", *one, truth, ours, "") for one in theirs.items()),
        *_covered(f"{name}: next order's value", judged, np.asarray(inside)),
    ]


def _beaten(what: str, reference: str, column: pd.Series, truth: Floats, ours: float, unit: str) -> Row:
    """A reference's error has to be no less than ours."""
    return Row.at_least(f"{what}, {reference}", _error(truth, column.to_numpy()), unit, ours)


def _covered(what: str, judged: pd.DataFrame, inside: NDArray[np.bool_]) -> list[Row]:
    """Of all, and of each third of the customers by how often they have ordered."""
    share = 100 * float(inside.mean())
    third = np.digitize(judged["orders"], np.quantile(judged["orders"], (1 / 3, 2 / 3)), right=True)
    row = Row(f"{what}, within the 80 % bounds", share, "%", "77 to 83", _LEAST <= share <= _MOST)
    names = ("least", "middle", "most")
    parts = [(names[n], inside[third == n]) for n in range(3)]
    return [row, *(Row(f"{what}, the {part} active third", 100 * float(x.mean()), "%") for part, x in parts if len(x))]


def _at_order(name: str, driver: Driver) -> list[Row]:
    """What the learners say of themselves: from the first forecast on, made when an order came for the one after it."""
    days, value = (driver.learners[one].figures() for one in ("purchase_timing", "purchase_value"))
    return [
        Row(f"{name}: at each order, days, mean absolute error", days["mae_at_order"], "days"),
        Row.at_least(f"{name}: the same, own mean", days["mae_own_mean_at_order"], "days", days["mae_at_order"]),
        Row(f"{name}: at each order, value, mean absolute error", value["mae"], ""),
        Row.at_least(f"{name}: the same, own mean value", value["mae_own_mean"], "", value["mae"]),
    ]


def _error(truth: Floats, said: Floats) -> float:
    return float(np.mean(np.abs(truth - said)))
