"""How good the scores were, judged afterwards by what the log says next. Nothing of this reaches an operator.

Protocol: at each scoring moment every customer who has ordered is scored; the label is no order in the horizon. Rows
whose horizon ends after the log does are left out, since their label is not known.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from heed.importer.values import Bools, Floats, Ints
from heed.replay.reading import Log
from heed.replay.rows import DAY, SCALE, SECOND

BINS = 10
_PARTS = 65_536
_NEVER = np.iinfo(np.int64).max


def auc(labels: Bools, scores: Floats) -> float | None:
    """Area under the ROC curve, ties counted half; None while all labels are the same."""
    positives = int(labels.sum())
    negatives = labels.size - positives
    if not positives or not negatives:
        return None
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks = (last - (counts - 1) / 2.0)[inverse]
    return float((ranks[labels].sum() - positives * (positives + 1) / 2.0) / (positives * negatives))


def calibration(labels: Bools, scores: Floats) -> list[dict[str, Any]]:
    """Ten equal parts of the scale: mean of what was predicted, share of what came, and how many."""
    part = np.minimum((scores * BINS).astype(np.int64), BINS - 1)
    counts = np.bincount(part, minlength=BINS)
    predicted = np.bincount(part, scores, minlength=BINS)
    observed = np.bincount(part, labels, minlength=BINS)
    return [
        {"predicted": round(p / n, 4), "observed": round(o / n, 4), "count": int(n)}
        for p, o, n in zip(predicted, observed, counts, strict=True)
        if n
    ]


def calibration_error(labels: Bools, scores: Floats) -> float:
    """Mean distance of predicted and observed over those parts, weighted by their rows."""
    part = np.minimum((scores * BINS).astype(np.int64), BINS - 1)
    off = np.bincount(part, scores - labels, minlength=BINS)
    return float(np.abs(off).sum() / max(1, scores.size))


@dataclass(frozen=True)
class Moment:
    """One scoring moment: rows with a known label, in the same order."""

    as_of: int
    risk: Floats
    recency: Floats
    bought_not: Bools
    value_error: Floats
    days_error: Floats


@dataclass
class Judge:
    """Looks up what came after each scoring moment."""

    log: Log
    horizon: int
    moments: list[Moment] = field(default_factory=list)

    def __post_init__(self) -> None:
        order = self.log.by_time()
        orders = order[self.log.amount[order] >= 0]
        self._time, self._who = self.log.time[orders], self.log.customer[orders]
        self._amount = self.log.amount[orders]
        self._first_seen = np.full(len(self.log.customers), _NEVER)
        np.minimum.at(self._first_seen, self.log.customer, self.log.time)

    def seen(self, as_of: int) -> Ints:
        """Places of the customers of whom anything is known before `as_of`."""
        return np.flatnonzero(self._first_seen < as_of)

    def take(self, as_of: int, scores: Mapping[int, Mapping[str, Any]]) -> None:
        """One scoring moment."""
        horizon = self.horizon * DAY
        if as_of + horizon > self.log.end or not scores:
            return
        last, next_at, next_amount = self._around(as_of)
        places = np.fromiter(scores, np.int64, len(scores))
        rows = list(scores.values())
        risk = _column(rows, "churn_risk")
        judged = (last[places] >= 0) & np.isfinite(risk)
        gap = np.where(next_at[places] == _NEVER, np.inf, (next_at[places] - as_of) / DAY)
        came = judged & (gap < self.horizon)
        value = _column(rows, "expected_value") - next_amount[places] / SCALE
        days = (_column(rows, "expected_next_at") - as_of / SECOND) / (DAY / SECOND) - gap
        self.moments.append(
            Moment(
                as_of,
                risk[judged],
                (as_of - last[places][judged]) / DAY,
                gap[judged] >= self.horizon,
                _known(np.abs(value[came])),
                _known(np.abs(days[came])),
            )
        )

    def _around(self, as_of: int) -> tuple[Ints, Ints, Ints]:
        """Each customer's last order before (-1: none) and first order from then on, with its amount."""
        cut = int(np.searchsorted(self._time, as_of, side="left"))
        last = np.full(len(self.log.customers), -1)
        last[self._who[:cut]] = self._time[:cut]
        next_at, amount = np.full(last.size, _NEVER), np.zeros(last.size, dtype=np.int64)
        later = slice(None, cut - len(self._time) - 1, -1)  # backwards, so that the first one stays
        if cut < len(self._time):
            next_at[self._who[later]] = self._time[later]
            amount[self._who[later]] = self._amount[later]
        return last, next_at, amount

    def pooled(self, since: int) -> dict[str, Any] | None:
        """All figures over the moments from `since` (microseconds) on; None when there are none."""
        moments = [moment for moment in self.moments if moment.as_of >= since and moment.risk.size]
        if not moments:
            return None
        risk = np.concatenate([moment.risk for moment in moments])
        labels = np.concatenate([moment.bought_not for moment in moments])
        recency = np.concatenate([moment.recency for moment in moments])
        return {
            "rows": risk.size,
            "moments": len(moments),
            "base_rate": _round(float(labels.mean())),
            "auc": _round(auc(labels, risk)),
            "auc_of_recency_alone": _round(auc(labels, recency)),
            "brier": _round(float(np.square(risk - labels).mean())),
            "log_loss": _round(_log_loss(labels, risk)),
            "calibration_error": _round(calibration_error(labels, risk)),
            "calibration": calibration(labels, risk),
            "next_order_value_mean_absolute_error": _mean([moment.value_error for moment in moments]),
            "next_order_days_mean_absolute_error": _mean([moment.days_error for moment in moments]),
        }

    def progress(self, since: int) -> list[dict[str, Any]]:
        """Per scoring moment from `since` on: its own figures, and those of all rows up to it (AUC to 4 digits)."""
        found = []
        counts = np.zeros((2, _PARTS + 1))
        squared = 0.0
        for moment in self.moments:
            if moment.as_of < since or not moment.risk.size:
                continue
            off = float(np.square(moment.risk - moment.bought_not).sum())
            part = (moment.risk * _PARTS).astype(np.int64)
            for label in (0, 1):
                counts[label] += np.bincount(part[moment.bought_not == label], minlength=_PARTS + 1)
            squared += off
            found.append(
                {
                    "as_of": str(np.datetime64(moment.as_of, "us").astype("datetime64[D]")),
                    "rows": moment.risk.size,
                    "auc": _round(auc(moment.bought_not, moment.risk)),
                    "brier": _round(off / moment.risk.size),
                    "auc_so_far": _round(_auc_of_counts(counts)),
                    "brier_so_far": _round(squared / counts.sum()),
                }
            )
        return found


def _auc_of_counts(counts: Floats) -> float | None:
    """AUC where rows are only counted by label and part of the scale."""
    zeros, ones = counts
    pairs = zeros.sum() * ones.sum()
    below = np.cumsum(zeros) - zeros
    return float((ones * (below + zeros / 2.0)).sum() / pairs) if pairs else None


def _column(rows: list[Mapping[str, Any]], name: str) -> Floats:
    return np.array([np.nan if (value := row.get(name)) is None else value for row in rows], dtype=np.float64)


def _known(values: Floats) -> Floats:
    return values[np.isfinite(values)]


def _mean(parts: list[Floats]) -> float | None:
    values = np.concatenate(parts)
    return _round(float(values.mean())) if values.size else None


def _log_loss(labels: Bools, risk: Floats) -> float:
    clipped = np.clip(risk, 1e-6, 1 - 1e-6)
    return float(-np.where(labels, np.log(clipped), np.log1p(-clipped)).mean())


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
