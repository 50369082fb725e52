"""Champion and challengers, judged on the same examples by what each said before the label was known.

Every contender's figures are progressive (prequential: Dawid 1984); those that decide fade with the time of the
examples, so that it counts how the contenders do now (Gama, Sebastião and Rodrigues 2013). A challenger leads once its
log loss is lower by a margin; when it does worse than the champion, the champion leads again at once.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from river import drift

DAY = 86_400.0
HALF_LIFE = 56 * DAY
MARGIN = 0.05  # of log loss that a challenger has to be better by
LEAST_EXAMPLES, LEAST_SPAN = 300.0, 56 * DAY  # what came of one moment came of one weather: few moments tell little
_BINS, _WIDEST = 400, 8.0  # of the log-odds, for the AUC
_CALIBRATION = 10
_LEAST = 1e-6
_RESCALE = 1e6


class Progress:
    """What one contender's predictions were worth: log loss, Brier score, AUC, calibration. O(1) an example."""

    def __init__(self) -> None:
        self.weight = self.positives = self.log_loss = self.squared = 0.0
        self.hits: NDArray[np.float64] = np.zeros((2, _BINS))
        self.bins: NDArray[np.float64] = np.zeros((3, _CALIBRATION))

    def take(self, label: bool, predicted: float, weight: float) -> None:
        p = min(1.0 - _LEAST, max(_LEAST, predicted))
        self.weight += weight
        self.positives += weight * label
        self.log_loss -= weight * math.log(p if label else 1.0 - p)
        self.squared += weight * (p - label) ** 2
        place = int((math.log(p / (1.0 - p)) / _WIDEST + 1.0) * 0.5 * _BINS)
        self.hits[int(label), min(_BINS - 1, max(0, place))] += weight
        at = min(_CALIBRATION - 1, int(p * _CALIBRATION))
        self.bins[0, at] += weight * p
        self.bins[1, at] += weight * label
        self.bins[2, at] += weight

    def scale(self, factor: float) -> None:
        """All sums become this part of what they were."""
        self.weight *= factor
        self.positives *= factor
        self.log_loss *= factor
        self.squared *= factor
        self.hits *= factor
        self.bins *= factor

    @property
    def loss(self) -> float:
        """Mean log loss."""
        return self.log_loss / self.weight if self.weight else math.inf

    def auc(self) -> float | None:
        """Area under the ROC curve, ties within a bin counted half; None while there is one label only."""
        negative, positive = self.hits
        pairs = negative.sum() * positive.sum()
        if not pairs:
            return None
        below = np.cumsum(negative) - 0.5 * negative
        return float((positive * below).sum() / pairs)

    def calibration_error(self) -> float:
        """Expected calibration error in ten bins (Naeini et al., 2015)."""
        return float(np.abs(self.bins[0] - self.bins[1]).sum() / self.weight) if self.weight else 0.0

    def figures(self) -> dict[str, Any]:
        n = self.weight
        if not n:
            return {"auc": None, "log_loss": None, "brier": None, "base_rate": None, "calibration": []}
        auc = self.auc()
        return {
            "auc": None if auc is None else round(auc, 4),
            "log_loss": round(self.log_loss / n, 4),
            "brier": round(self.squared / n, 4),
            "base_rate": round(self.positives / n, 4),
            "calibration_error": round(self.calibration_error(), 4),
            "calibration": [
                {"predicted": round(p / c, 4), "observed": round(o / c, 4), "count": round(c)}
                for p, o, c in self.bins.T.tolist()
                if c
            ],
        }


class Contest:
    """The first name is the champion. `leader` is who is scored with; `changes` counts how often that changed."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self.champion = self.leader = self.names[0]
        self.overall = {name: Progress() for name in self.names}
        self.recent = {name: Progress() for name in self.names}
        self.adwin = drift.ADWIN()
        self.examples = self.drifts = self.changes = 0
        self._origin = self._first = self._latest = math.nan

    def take(self, as_of: float, label: bool, predicted: Mapping[str, float], weight: float = 1.0) -> None:
        """One example with what each contender said of it at `as_of`. Raises KeyError when one said nothing."""
        said = [float(predicted[name]) for name in self.names]
        if not all(math.isfinite(p) for p in said):
            raise ValueError("a prediction is not a number")
        now = self._fade(as_of)
        for name, p in zip(self.names, said, strict=True):
            self.overall[name].take(label, p, weight)
            self.recent[name].take(label, p, weight * now)
        self.examples += 1
        self.adwin.update((said[self.names.index(self.leader)] - label) ** 2)
        self.drifts += self.adwin.drift_detected

    def _fade(self, as_of: float) -> float:
        """What an example of this moment counts: later ones more, so that nothing has to be shrunk at each."""
        if self._origin != self._origin:  # NaN: the first example
            self._origin = self._first = self._latest = as_of
        self._latest = max(self._latest, as_of)
        now = math.exp2(min(60.0, (as_of - self._origin) / HALF_LIFE))
        if now > _RESCALE:
            for progress in self.recent.values():
                progress.scale(1.0 / now)
            self._origin, now = as_of, 1.0
        return now

    def decide(self) -> str:
        """Who leads from now on."""
        best = min(self.names, key=lambda name: self.recent[name].loss)
        champion, leading = self.recent[self.champion].loss, self.recent[self.leader].loss
        leader = self.leader
        if leader != self.champion and leading > champion:
            leader = self.champion
        elif best != leader and self._enough() and self.recent[best].loss < (1.0 - MARGIN) * leading:
            leader = best
        self.changes += leader != self.leader
        self.leader = leader
        return leader

    def _enough(self) -> bool:
        now = math.exp2((self._latest - self._origin) / HALF_LIFE) if self.examples else 1.0
        return self.recent[self.champion].weight / now >= LEAST_EXAMPLES and self._latest - self._first >= LEAST_SPAN

    def figures(self) -> dict[str, Any]:
        """The leader's figures, and each contender's own beside them."""
        contenders = {}
        for name in self.names:
            overall, recent = self.overall[name].figures(), self.recent[name].figures()
            contenders[name] = {key: overall[key] for key in ("auc", "log_loss", "brier")}
            contenders[name]["recent_log_loss"] = recent["log_loss"]
        return {
            **self.overall[self.leader].figures(),
            "leader": self.leader,
            "champion": self.champion,
            "contenders": contenders,
            "judged": self.examples,
            "drifts": self.drifts,
            "changes": self.changes,
        }
