"""Models of a yes or no: logistic regressions by name, one of which leads."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from analytics.operators.base import Adopted, Reason
from analytics.operators.churn_model import Linear, clipped

CONTENDERS = ("steady", "plain")  # the first is the champion
MIN_EXAMPLES: Final = 100


@dataclass
class ChanceModel:
    """A published version. `features` names the inputs in order; `centre` is their usual value."""

    features: tuple[str, ...]
    contenders: Mapping[str, Linear]
    leader: str
    centre: tuple[float, ...]

    def chance(self, x: Sequence[float]) -> float:
        """Probability of yes, as the leader sees it."""
        return self.chances(x)[self.leader]

    def chances(self, x: Sequence[float]) -> dict[str, float]:
        """As every contender sees it."""
        x = tuple(x)
        return {name: clipped(_logistic(linear.odds(x))) for name, linear in self.contenders.items()}

    def contributions(self, x: Sequence[float]) -> dict[str, float]:
        """Log-odds each feature adds to those of the usual case; exact."""
        weights = self.contenders[self.leader].weights
        return {n: w * (v - c) for n, w, v, c in zip(self.features, weights, x, self.centre, strict=True)}

    def reasons(self, x: Sequence[float], words: Mapping[str, str]) -> list[Reason]:
        """The three features that move the chance most; `words` says what each is."""
        top = sorted(self.contributions(x).items(), key=lambda item: (-abs(item[1]), item[0]))[:3]
        return [
            Reason(name, f"{words[name]}, which {'raises' if weight > 0 else 'lowers'} the chance.", round(weight, 4))
            for name, weight in top
            if abs(weight) > 1e-3
        ]


def unlearned(features: tuple[str, ...], bias: float) -> ChanceModel:
    """What is believed before anything was learned: everybody alike."""
    nothing = (0.0,) * len(features)
    return ChanceModel(features, dict.fromkeys(CONTENDERS, Linear(bias, nothing)), CONTENDERS[0], nothing)


def model_of(adopted: Adopted | None, otherwise: ChanceModel) -> ChanceModel:
    """The version in use; `otherwise` is what is believed before the first."""
    return otherwise if adopted is None else cast(ChanceModel, adopted.model)


def enough(adopted: Adopted | None) -> bool:
    """Whether a version has learned enough to be shown."""
    return adopted is not None and adopted.examples >= MIN_EXAMPLES


def _logistic(z: float) -> float:
    return 1.0 / (1.0 + math.exp(-z)) if z > -700 else 0.0
