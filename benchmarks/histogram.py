"""A Prometheus histogram without labels, read from a page of metrics."""

import re
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class Histogram:
    """How many observations were at most so large: upper bound → count."""

    counts: dict[float, float]

    @classmethod
    def read(cls, page: str, name: str) -> Self:
        found = re.findall(rf'^{name}_bucket{{le="(.+?)"}} (\S+)$', page, re.MULTILINE)
        return cls({float(bound): float(count) for bound, count in found})

    def since(self, earlier: Self) -> "Histogram":
        """The observations made after `earlier`."""
        return Histogram({bound: count - earlier.counts.get(bound, 0.0) for bound, count in self.counts.items()})

    def bound(self, share: float) -> float:
        """The least bucket's bound that this share of all does not exceed; infinite without any."""
        enough = share * max(self.counts.values(), default=0.0)
        return min((b for b, count in self.counts.items() if enough and count >= enough), default=float("inf"))
