"""Learns churn risk: weekly chances of a purchase a week later, and who of the contenders foresaw the horizon best."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from analytics.learners.batch import Batch, Floats, Week
from analytics.learners.contest import Contest
from analytics.learners.logistic import Posterior, sigmoid
from analytics.learners.plain import Plain
from analytics.operators.buying import STATE
from analytics.operators.churn_model import CONTENDERS, FEATURES, ChurnModel, Direct, Linear, Projected, phi
from analytics.operators.churn_prior import DIRECT, WEEKLY

PROJECTED, DIRECTLY, PLAIN = CONTENDERS
PLAIN_FEATURES = ("silence", "tenure", "order_days", "silence_by_gap", "rate", "recent_28", "recent_112", "spend")

_PRIOR_BIAS, _PRIOR = 0.3, 40.0  # precisions
_COMMON = 0.4  # spread of what the customers of one week share, in log-odds
_KEPT_A_WEEK = 0.99
_LEVEL_HALF_LIFE = 26.0  # weeks
_LEVEL_DOUBT = 50.0  # information at which a batch's level counts half
_BATCH = 20_000
_LARGEST = 1e7


def row_of(example: Mapping[str, Any], label: float) -> list[float]:
    """As it waits in a batch. Raises KeyError, TypeError or ValueError for what is no example."""
    state, weight = tuple(map(float, example["x"])), float(example.get("weight", 1.0))
    if len(state) != len(STATE) or not all(0.0 <= v <= _LARGEST for v in (*state, weight)) or not weight:
        raise ValueError("out of range")
    return [float(example["as_of"]), label, weight, *phi(state)]


class Level:
    """How the shop as a whole does beyond what its customers' numbers say, half forgotten after half a year.

    A busy season fills everybody's recent counts; what it says about the next eight weeks is little, since seasons
    pass. So the deviation of the customers' mean log-odds from its own slow mean is taken back. What came of one week
    counts once, in however many batches it comes.
    """

    here: tuple[float, float, float] = (0.0, 0.0, 0.0)  # of the latest week: information; offset, mean log-odds by it

    def __init__(self) -> None:
        self.off = self.weight = self.mean = self.mean_weight = self.shift = 0.0

    def learn(self, week: Week, odds: Floats) -> None:
        """`odds` that the weights alone give, and what came true."""
        off, information, centre = _common_offset(odds, week.label, week.weight)
        if week.gone:
            self._close(week.gone)
        known, offsets, centres = self.here
        # The offset leans on 0 once a week: not here.
        self.here = known + information, offsets + (information + 1.0) * off, centres + information * centre
        off, trust, centre = self._latest()
        mean, mean_weight = self.mean + trust * centre, self.mean_weight + trust
        usual = mean / mean_weight if mean_weight else centre
        self.shift = (self.off + trust * off) / (self.weight + trust + 1.0) - trust * (centre - usual)

    def _latest(self) -> tuple[float, float, float]:
        """Offset, how far it is to be trusted, mean log-odds."""
        information, offsets, centres = self.here
        off, centre = offsets / (information + 1.0), centres / max(information, 1e-9)
        return off, information / (information + _LEVEL_DOUBT), centre

    def _close(self, weeks: float) -> None:
        """The latest week is past by so many; a new one begins."""
        off, trust, centre = self._latest()
        kept = 0.5 ** (weeks / _LEVEL_HALF_LIFE)
        self.off, self.weight = kept * (self.off + trust * off), kept * (self.weight + trust)
        self.mean, self.mean_weight = kept * (self.mean + trust * centre), kept * (self.mean_weight + trust)
        self.here = (0.0, 0.0, 0.0)


class ChurnLearner:
    """Two kinds of examples: what happened within a week (`step`), and how the whole horizon ended (`outcome`)."""

    name: ClassVar[str] = "churn_risk"
    publish_every: ClassVar[int] = 200

    def __init__(self) -> None:
        precision = np.array([_PRIOR_BIAS, *[_PRIOR] * len(FEATURES)])
        self.weekly = Posterior.start(np.array([WEEKLY.bias, *WEEKLY.weights]), precision)
        self.direct = Posterior.start(np.array([DIRECT.bias, *DIRECT.weights]), precision)
        self.plain, self.level, self.contest = Plain(FEATURES, PLAIN_FEATURES), Level(), Contest(CONTENDERS)
        self.steps, self.outcomes = Batch(), Batch()
        self.step, self.examples = 7.0, 0
        self.centre: Floats = np.zeros(len(FEATURES))

    def take(self, example: Mapping[str, Any]) -> None:
        """A step waits for its batch; an outcome is judged by what was predicted, then waits too."""
        if example["part"] == "step":
            step = float(example["step"])
            if not 0.0 < step < 400.0:
                raise ValueError("no span of days")
            self.steps.rows.append(row_of(example, float(bool(example["bought"]))))
            self.step = step
            if len(self.steps.rows) >= _BATCH:
                self._learn_steps()
        else:
            label = bool(example["label"])
            row = row_of(example, float(label))
            self.contest.take(row[0], label, example["predicted"], row[2])
            self.outcomes.rows.append(row)
            if len(self.outcomes.rows) >= _BATCH:
                self._learn_outcomes()
        self.examples += 1

    def snapshot(self) -> ChurnModel:
        self._learn_steps()
        self._learn_outcomes()
        contenders: dict[str, Projected | Direct] = {
            PROJECTED: Projected(_linear(self.weekly), self.level.shift, self.step),
            DIRECTLY: Direct(_linear(self.direct)),
            PLAIN: Direct(self.plain.linear()),
        }
        return ChurnModel(contenders, self.contest.decide(), tuple(self.centre.tolist()))

    def figures(self) -> dict[str, Any]:
        return self.contest.figures()

    def _learn_steps(self) -> None:
        for week in self.steps.take():
            self.weekly.learn(week, _COMMON, _KEPT_A_WEEK)
            odds = self.weekly.odds(week.x)
            self.level.learn(week, odds)
            p = sigmoid(odds)
            information = week.weight * p * (1.0 - p)
            part = information.sum() / (information.sum() + _LEVEL_DOUBT)
            self.centre += part * (information @ week.x / max(1e-9, information.sum()) - self.centre)

    def _learn_outcomes(self) -> None:
        for week in self.outcomes.take():
            self.direct.learn(week, _COMMON, _KEPT_A_WEEK)
            self.plain.learn(week.x, week.label)


def _common_offset(odds: Floats, y: Floats, weight: Floats) -> tuple[float, float, float]:
    """What added to all log-odds makes the labels likely, its information, and the mean of the log-odds so weighted."""
    off, information = 0.0, np.zeros(len(odds))
    for _ in range(8):
        p = sigmoid(odds + off)
        information = weight * p * (1.0 - p)
        off += float(np.clip((weight @ (y - p) - off) / (information.sum() + 1.0), -1.0, 1.0))
    total = float(information.sum())
    return off, total, float(information @ odds) / max(total, 1e-9)


def _linear(posterior: Posterior) -> Linear:
    return Linear(float(posterior.mean[0]), tuple(posterior.mean[1:].tolist()))
