"""River's scaler and logistic regression, whose weights can be had unscaled: what most would begin with."""

import math
from collections.abc import Sequence

from river import linear_model, optim, preprocessing

from analytics.learners.batch import Floats
from analytics.operators.churn_model import Linear


class Plain:
    """Looks at `used` of the features `names`."""

    def __init__(self, names: Sequence[str], used: Sequence[str]) -> None:
        self.names, self.used = tuple(names), tuple(used)
        self.scaler = preprocessing.StandardScaler()
        self.regression = linear_model.LogisticRegression(optimizer=optim.SGD(0.02), l2=1e-4)

    def learn(self, x: Floats, y: Floats) -> None:
        """One example after the other: x (n, len(names)), labels y (n)."""
        places = [self.names.index(name) for name in self.used]
        for row, label in zip(x[:, places].tolist(), y.tolist(), strict=True):
            named = dict(zip(self.used, row, strict=True))
            self.scaler.learn_one(named)
            self.regression.learn_one(self.scaler.transform_one(named), bool(label))

    def linear(self) -> Linear:
        """The same regression on the features as they are."""
        weights, bias = dict.fromkeys(self.names, 0.0), float(self.regression.intercept)
        for name in self.used:
            spread = math.sqrt(self.scaler.vars[name])
            if spread > 0:
                weights[name] = float(self.regression.weights.get(name, 0.0)) / spread
                bias -= weights[name] * self.scaler.means[name]
        return Linear(bias, tuple(weights.values()))
