"""Learns the chance of a yes: lead conversion, campaign response, promoter. One contest for each."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from analytics.learners.batch import Batch, Floats
from analytics.learners.contest import Contest
from analytics.learners.logistic import Posterior
from analytics.learners.plain import Plain
from analytics.operators import campaign_response, lead_conversion, promoter
from analytics.operators.chances import CONTENDERS, ChanceModel
from analytics.operators.churn_model import Linear

_PRIOR_BIAS, _PRIOR = 0.5, 4.0  # precisions
_COMMON = 0.25  # spread of what the examples of one week share, in log-odds
_KEPT_A_WEEK = 0.99
_MOST_ROWS = 5_000
_LARGEST = 1e4


class ChanceLearner:
    """`steady` is the posterior that learns in batches (logistic.py), `plain` is River's."""

    name: ClassVar[str]
    publish_every: ClassVar[int] = 50
    features: ClassVar[tuple[str, ...]]
    bias: ClassVar[float]

    def __init__(self) -> None:
        size = len(self.features)
        mean, precision = np.array([self.bias] + [0.0] * size), np.array([_PRIOR_BIAS] + [_PRIOR] * size)
        self.steady = Posterior.start(mean, precision)
        self.plain, self.contest = Plain(self.features, self.features), Contest(CONTENDERS)
        self.batch = Batch()
        self.centre: Floats = np.zeros(size)
        self.examples, self._learned = 0, 0

    def take(self, example: Mapping[str, Any]) -> None:
        """Judged by what was said at its moment, then learned with others."""
        as_of, label, x = float(example["as_of"]), bool(example["label"]), [float(v) for v in example["x"]]
        if len(x) != len(self.features) or not all(-_LARGEST < v < _LARGEST for v in x):
            raise ValueError("features out of range")
        self.contest.take(as_of, label, example["predicted"])
        self.batch.rows.append([as_of, float(label), 1.0, *x])
        self.examples += 1
        if len(self.batch.rows) >= _MOST_ROWS:
            self._learn()

    def figures(self) -> dict[str, Any]:
        return self.contest.figures()

    def snapshot(self) -> ChanceModel:
        self._learn()
        steady = Linear(float(self.steady.mean[0]), tuple(self.steady.mean[1:].tolist()))
        models = dict(zip(CONTENDERS, (steady, self.plain.linear()), strict=True))
        return ChanceModel(self.features, models, self.contest.decide(), tuple(self.centre.tolist()))

    def _learn(self) -> None:
        for week in self.batch.take():
            self.steady.learn(week, _COMMON, _KEPT_A_WEEK)
            self.plain.learn(week.x, week.label)
            count = len(week.label)
            self._learned += count
            self.centre += (week.x.mean(axis=0) - self.centre) * count / self._learned

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Those stored by versions that learned whatever waited at once have rows instead of a batch."""
        self.batch = Batch()
        self.batch.rows = [[at, label, 1.0, *x] for at, label, *x in state.pop("rows", ())]
        self.__dict__.update(state)


class LeadConversionLearner(ChanceLearner):
    name: ClassVar[str] = lead_conversion.MODEL
    features: ClassVar[tuple[str, ...]] = lead_conversion.FEATURES
    bias: ClassVar[float] = lead_conversion.BIAS


class CampaignResponseLearner(ChanceLearner):
    name: ClassVar[str] = campaign_response.MODEL
    features: ClassVar[tuple[str, ...]] = campaign_response.FEATURES
    bias: ClassVar[float] = campaign_response.BIAS


class PromoterLearner(ChanceLearner):
    name: ClassVar[str] = promoter.MODEL
    features: ClassVar[tuple[str, ...]] = promoter.FEATURES
    bias: ClassVar[float] = promoter.BIAS
