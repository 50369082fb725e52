"""The learner protocol: a global model that learns from examples of all partitions, and publishes snapshots."""

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol


class Learner(Protocol):
    """Learns in the trainer live, and in the same process in a replay. Deterministic, and picklable with its figures.

    `name` is the `model` of its examples and the name its snapshots are adopted by; `publish_every` the examples from
    one version to the next, at least; `examples` how many it has learned from.
    """

    name: ClassVar[str]
    examples: int

    @property
    def publish_every(self) -> int: ...

    def take(self, example: Mapping[str, Any]) -> None:
        """Predicts, scores itself, then learns. Raises KeyError, TypeError or ValueError for what is no example."""
        ...

    def figures(self) -> dict[str, Any]:
        """What is published beside a version: numbers by name (auc, brier, mae, coverage …), JSON only."""
        ...

    def snapshot(self) -> Any:
        """What tasks score with; it does not change when the learner learns on."""
        ...
