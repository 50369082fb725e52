"""What a good data scientist would refit every four weeks: recency alone, BG/NBD, gradient boosting."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import betaln, gammaln
from sklearn.ensemble import HistGradientBoostingClassifier

Floats = NDArray[np.float64]

_EVERY, _REFIT = 7, 28
_MOST_EXAMPLES = 200_000
_RECENT = (28, 56, 84)
FEATURES = (
    "recency",
    "tenure",
    "days",
    "orders",
    "mean_gap",
    "gap_spread",
    "last_gap",
    *(f"recent_{days}" for days in _RECENT),
    "amount",
    "mean_amount",
    "last_amount",
)


def examples(orders: pd.DataFrame, horizon: int) -> pd.DataFrame:
    """One row a customer and scoring day: the features, and whether nothing was bought in the horizon."""
    frame = orders.sort_values(["customer", "day"], kind="stable").reset_index(drop=True)
    code, names = pd.factorize(frame["customer"])
    day = frame["day"].to_numpy(float)
    told = _told(frame, code, day)
    last = int(day.max()) + 1
    key, parts = code * 1e6 + day, []
    customers = np.arange(len(names))
    first_row = np.searchsorted(code, customers)
    end_row = np.append(first_row[1:], len(frame))
    for as_of in range(_EVERY, last + 1, _EVERY):
        row = np.searchsorted(key, customers * 1e6 + as_of) - 1
        seen = row >= first_row
        row = row[seen]
        following = row + 1
        after = np.where(following < end_row[seen], day[np.minimum(following, len(day) - 1)], np.inf)
        part = told.iloc[row].copy()
        part["customer"], part["day"] = names[customers[seen]], as_of
        part["recency"], part["tenure"] = as_of - day[row], as_of - day[first_row[seen]]
        for days in _RECENT:
            since = np.searchsorted(key, customers[seen] * 1e6 + as_of - days)
            part[f"recent_{days}"] = row + 1 - since
        part["lost"] = after >= as_of + horizon
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _told(frame: pd.DataFrame, code: NDArray[np.intp], day: Floats) -> pd.DataFrame:
    """What is known of a customer after each day with an order."""
    by = frame.groupby(code)
    gap = by["day"].diff()
    gaps = gap.groupby(code)
    count = by.cumcount()
    return pd.DataFrame(
        {
            "days": count + 1,
            "orders": by["orders"].cumsum(),
            "mean_gap": gaps.cumsum() / count.where(count > 0),
            "gap_spread": gaps.expanding().std().reset_index(level=0, drop=True),
            "last_gap": gap,
            "since_first": day - by["day"].transform("first"),
            "amount": by["amount"].cumsum(),
            "mean_amount": by["amount"].cumsum() / by["orders"].cumsum(),
            "last_amount": frame["amount"],
        }
    )


def predict(table: pd.DataFrame, horizon: int) -> Iterator[Floats]:
    """The columns of recency, BG/NBD and gradient boosting, each fitted on what was known by then."""
    yield table["recency"].to_numpy(float)
    yield _bgnbd(table, horizon)
    yield _boosted(table, horizon)


def _bgnbd(table: pd.DataFrame, horizon: int) -> Floats:
    found, start = np.full(len(table), np.nan), np.zeros(4)
    day = table["day"].to_numpy()
    for as_of in np.unique(day).tolist():
        now = day == as_of
        part = table[now]
        x, since, age = (part[name].to_numpy(float) for name in ("days", "since_first", "tenure"))
        if as_of % _REFIT == 0 or as_of == _EVERY:
            start = fit_bgnbd(start, x - 1, since, age)
        found[now] = _bgnbd_lost(start, x - 1, since, age, horizon)
    return found


def fit_bgnbd(start: Floats, x: Floats, since: Floats, age: Floats) -> Floats:
    """Maximum likelihood; logarithms of r, alpha, a, b. Repeat days with an order, and days from the first to the last
    of them and to now.
    """
    found: Floats = minimize(_bgnbd_loss, start, args=(x, since, age), method="L-BFGS-B", bounds=[(-6, 8)] * 4).x
    return found


def _bgnbd_loss(logs: Floats, x: Floats, since: Floats, age: Floats) -> float:
    """Mean negative log-likelihood (Fader, Hardie and Lee 2005, equation 6), slightly held back."""
    r, alpha, a, b = np.exp(logs)
    known = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + betaln(a, b + x) - betaln(a, b)
    alive = -(r + x) * np.log(alpha + age)
    gone = np.log(a) - np.log(b + np.maximum(x, 1) - 1) - (r + x) * np.log(alpha + since)
    total = known + np.where(x > 0, np.logaddexp(alive, gone), alive)
    return float(-total.mean() + 1e-4 * (logs**2).sum())


def _bgnbd_lost(logs: Floats, x: Floats, since: Floats, age: Floats, horizon: int) -> Floats:
    """Probability of no purchase in the horizon: gone, or alive and not buying (the rate is gamma distributed)."""
    r, alpha, a, b = np.exp(logs)
    odds = a / (b + np.maximum(x, 1) - 1) * ((alpha + age) / (alpha + since)) ** (r + x)
    alive = np.where(x > 0, 1 / (1 + odds), 1.0)
    found: Floats = 1 - alive * (1 - ((alpha + age) / (alpha + age + horizon)) ** (r + x))
    return found


def _boosted(table: pd.DataFrame, horizon: int) -> Floats:
    day, lost = table["day"].to_numpy(), table["lost"].to_numpy()
    x = table[list(FEATURES)].to_numpy(float)
    found, model = np.full(len(table), 0.5), None
    for as_of in np.unique(day):
        if as_of % _REFIT == 0:
            known = np.flatnonzero(day + horizon <= as_of)
            known = known[:: max(1, len(known) // _MOST_EXAMPLES)]
            if len(np.unique(lost[known])) == 2:
                model = HistGradientBoostingClassifier(
                    learning_rate=0.05, max_iter=150, max_leaf_nodes=15, min_samples_leaf=200, l2_regularization=1.0,
                    early_stopping=False, random_state=1,
                ).fit(x[known], lost[known])  # fmt: skip
        if model is not None:
            now = day == as_of
            found[now] = model.predict_proba(x[now])[:, 1]
    return found
