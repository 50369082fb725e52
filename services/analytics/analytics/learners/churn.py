"""Learns churn risk: River's scaler and logistic regression, judged on each example before it learns it."""

import copy
from collections.abc import Mapping
from typing import Any, ClassVar

from river import metrics

from analytics.operators import churn_risk

_BINS = 10


class ChurnLearner:
    """A model with its progressive figures: each example is predicted before it is learned."""

    name: ClassVar[str] = churn_risk.MODEL
    publish_every: ClassVar[int] = 200

    def __init__(self) -> None:
        self.model = churn_risk.new_model()
        self.auc, self.log_loss = metrics.ROCAUC(), metrics.LogLoss()
        self.squared, self.examples, self.positives = 0.0, 0, 0
        self.bins = [[0.0, 0.0, 0.0] for _ in range(_BINS)]

    def take(self, example: Mapping[str, Any]) -> None:
        """Predict, score, then learn."""
        label, features = (
            bool(example["label"]),
            {name: float(example["features"][name]) for name in churn_risk.FEATURES},
        )
        risk = self.model.predict_proba_one(dict(features)).get(True, 0.5)
        self.auc.update(label, risk)
        self.log_loss.update(label, risk)
        self.squared += (risk - label) ** 2
        self.examples += 1
        self.positives += label
        predicted = self.bins[min(_BINS - 1, int(risk * _BINS))]
        for at, number in enumerate((risk, float(label), 1.0)):
            predicted[at] += number
        self.model.learn_one(features, label)

    def figures(self) -> dict[str, Any]:
        seen = max(1, self.examples)
        calibration = [
            {"predicted": round(p / n, 4), "observed": round(o / n, 4), "count": int(n)} for p, o, n in self.bins if n
        ]
        return {
            "auc": round(float(self.auc.get()), 4),
            "log_loss": round(float(self.log_loss.get()), 4),
            "brier": round(self.squared / seen, 4),
            "base_rate": round(self.positives / seen, 4),
            "calibration": calibration,
        }

    def snapshot(self) -> Any:
        return copy.deepcopy(self.model)
