"""Models: their versions and what each was worth."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import Field

from console.clients.base import Answer


class CalibrationBin(Answer):
    predicted: float
    observed: float
    count: int


class Model(Answer):
    """A version of a model. `figures` are whatever its learner tells; classifiers have some in common."""

    model: str
    version: int
    adopted_at: datetime | None = None
    examples: int = 0
    in_use: bool = True
    pinned: bool = False
    figures: Mapping[str, Any] = Field(default_factory=dict)
    auc: float | None = None
    brier: float | None = None
    log_loss: float | None = None
    calibration: list[CalibrationBin] = Field(default_factory=list)


class Models(Answer):
    items: list[Model]
