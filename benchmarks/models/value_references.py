"""What a good data scientist would refit every four weeks for the next order: BG/NBD for when, gamma-gamma for how
much.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import gammaln

from benchmarks.models.churn_references import fit_bgnbd
from heed.replay.reading import Log
from heed.replay.rows import DAY, SCALE, SECOND

Floats = NDArray[np.float64]

_REFIT = 28
_WITHIN = 120.0
_DAY_SECONDS = DAY / SECOND


def customers(log: Log, moments: Floats) -> pd.DataFrame:
    """One row a customer seen and scoring moment (seconds): what is known, the next order, and the references."""
    order = log.by_time()
    order = order[log.amount[order] >= 0]
    frame = pd.DataFrame(
        {"place": log.customer[order], "at": log.time[order] / SECOND, "amount": log.amount[order] / SCALE}
    )
    start, fitted = log.start / SECOND, (np.zeros(4), np.zeros(3))
    parts: list[pd.DataFrame] = []
    for as_of in moments.tolist():
        part = _known(frame, as_of, start)
        if part["day"].iloc[0] % _REFIT == 0 or not parts:
            fitted = (_fit_gaps(part, fitted[0]), _fit_amounts(part, fitted[1]))
        parts.append(_forecast(part, *np.exp(fitted[0][:2]), *np.exp(fitted[1])))
    return pd.concat(parts, ignore_index=True)


def _known(frame: pd.DataFrame, as_of: float, start: float) -> pd.DataFrame:
    """Every customer seen before `as_of`; times in days, the next order in seconds."""
    cut = int(np.searchsorted(frame["at"], as_of))
    seen, after = frame.iloc[:cut], frame.iloc[cut:].drop_duplicates("place").set_index("place")
    day = np.floor((seen["at"] - start) / _DAY_SECONDS)
    by = seen.assign(day=day).groupby("place")
    found = by.agg(orders=("amount", "size"), spent=("amount", "sum"), first=("at", "min"), last=("at", "max"))
    found["days"] = by["day"].nunique()
    found["age"] = (as_of - found["first"]) / _DAY_SECONDS
    found["since"] = (found["last"] - found["first"]) / _DAY_SECONDS
    found["next_at"], found["next_amount"] = after["at"], after["amount"]
    found["as_of"], found["day"] = as_of, round((as_of - start) / _DAY_SECONDS)
    return found.reset_index()


def _forecast(part: pd.DataFrame, r: float, alpha: float, p: float, q: float, v: float) -> pd.DataFrame:
    """Own means (of everybody where there is no gap yet; what has passed of the gap taken off); the median day of the
    next order of a customer who is not gone, plain and among those who order within 120 days (plain, it is years for
    who ordered once); the expected amount.
    """
    gap = part["since"] / (part["days"] - 1).where(part["days"] > 1)
    passed = part["age"] - part["since"]
    part["own_gap"] = (gap.fillna(gap.mean()).fillna(_REFIT) - passed).clip(lower=0)
    part["own_amount"] = part["spent"] / part["orders"]
    scale, shape = alpha + part["age"], r + part["days"] - 1
    part["bgnbd_plain"] = scale * (2 ** (1 / shape) - 1)
    within = 1 - (scale / (scale + _WITHIN)) ** shape
    part["bgnbd_days"] = scale * ((1 - within / 2) ** (-1 / shape) - 1)
    part["gamma_gamma"] = p * (v + part["spent"]) / (p * part["orders"] + q - 1)
    return part


def _fit_gaps(part: pd.DataFrame, start: Floats) -> Floats:
    x, since, age = (part[name].to_numpy(float) for name in ("days", "since", "age"))
    return fit_bgnbd(start, x - 1, since, age)


def _fit_amounts(part: pd.DataFrame, start: Floats) -> Floats:
    """Maximum likelihood of gamma-gamma (Fader and Hardie 2013), slightly held back; logarithms of p, q, v."""
    paid = part[part["spent"] > 0]
    x, mean = paid["orders"].to_numpy(float), (paid["spent"] / paid["orders"]).to_numpy(float)

    def loss(logs: Floats) -> float:
        p, q, v = np.exp(logs)
        known = gammaln(p * x + q) - gammaln(p * x) - gammaln(q) + q * np.log(v)
        total = known + (p * x - 1) * np.log(mean) + p * x * np.log(x) - (p * x + q) * np.log(x * mean + v)
        return float(-total.mean() + 1e-4 * (logs**2).sum())

    first = start if start.any() else np.log([2.0, 3.0, float(np.median(mean))])
    found: Floats = minimize(loss, first, method="L-BFGS-B", bounds=[(-4, 8), (0.05, 8), (-6, 14)]).x
    return found
