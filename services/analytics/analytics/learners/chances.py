"""Learns the chance of a yes: lead conversion, campaign response, promoter. One contest for each."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from analytics.learners.contest import Contest
from analytics.learners.logistic import Floats, Posterior
from analytics.learners.plain import Plain
from analytics.operators import campaign_response, lead_conversion, promoter
from analytics.operators.chances import CONTENDERS, ChanceModel
from analytics.operators.churn_model import Linear

_WEEK = 7 * 86_400.0
_PRIOR_BIAS, _PRIOR = 0.5, 4.0  # precisions
_COMMON = 0.25
_KEPT_A_WEEK = 0.99
_BATCH = 5_000
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
        self.rows: list[list[float]] = []
        self.centre: Floats = np.zeros(size)
        self.examples, self._learned, self._moment = 0, 0, 0.0

    def take(self, example: Mapping[str, Any]) -> None:
        """Judged by what was said at its moment, then learned with others."""
        as_of, label, x = float(example["as_of"]), bool(example["label"]), [float(v) for v in example["x"]]
        if len(x) != len(self.features) or not all(-_LARGEST < v < _LARGEST for v in x):
            raise ValueError("features out of range")
        self.contest.take(as_of, label, example["predicted"])
        self.rows.append([as_of, float(label), *x])
        self.examples += 1
        if len(self.rows) >= _BATCH:
            self._learn()

    def figures(self) -> dict[str, Any]:
        return self.contest.figures()

    def snapshot(self) -> ChanceModel:
        self._learn()
        steady = Linear(float(self.steady.mean[0]), tuple(self.steady.mean[1:].tolist()))
        models = dict(zip(CONTENDERS, (steady, self.plain.linear()), strict=True))
        return ChanceModel(self.features, models, self.contest.decide(), tuple(self.centre.tolist()))

    def _learn(self) -> None:
        if not self.rows:
            return
        rows, self.rows = np.array(self.rows), []
        at, y, x = float(rows[:, 0].mean()), rows[:, 1], rows[:, 2:]
        if self._moment:
            self.steady.forget(_KEPT_A_WEEK ** (max(0.0, at - self._moment) / _WEEK))
        self._moment = max(self._moment, at)
        self.steady.learn(x, y, np.ones(len(y)), _COMMON)
        self.plain.learn(x, y)
        self._learned += len(y)
        self.centre += (x.mean(axis=0) - self.centre) * len(y) / self._learned


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
