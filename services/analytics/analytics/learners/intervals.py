"""How forecasts with an interval are judged: progressively, each before it is learned from."""

from collections import Counter
from typing import Any, Protocol

GROUPS = ("new", "known", "regular")  # by the evidence the customer's own history gives
_KNOWN, _REGULAR = 1, 4
_ALL_JUDGED, _JUDGED_EVERY = 2_000, 8


class Interval(Protocol):
    """A forecast: the number said, and the bounds that 80 % should fall between."""

    def __getitem__(self, at: int, /) -> float: ...


def is_judged(count: int) -> bool:
    """Whether the forecast after so many is judged: all at first, then a sample, which tells as much."""
    return count <= _ALL_JUDGED or not count % _JUDGED_EVERY


class Judged:
    """Mean absolute error beside a baseline's, and the share within the bounds, by evidence."""

    def __init__(self) -> None:
        self.count: Counter[str] = Counter()
        self.inside: Counter[str] = Counter()
        self.missed, self.baseline = 0.0, 0.0

    def note(self, truth: float, said: Interval, baseline: float, evidence: int) -> None:
        """`said` is (number, low, high); `evidence` counts what is known of the customer's own."""
        number, low, high = said[0], said[1], said[2]
        group = GROUPS[(evidence >= _KNOWN) + (evidence >= _REGULAR)]
        self.count[group] += 1
        self.inside[group] += low <= truth <= high
        self.missed += abs(truth - number)
        self.baseline += abs(truth - baseline)

    def figures(self) -> dict[str, Any]:
        """None where nothing was judged yet."""
        total = self.count.total()
        shares = {group: self.inside[group] / self.count[group] if self.count[group] else None for group in GROUPS}
        return {
            "mae": self.missed / total if total else None,
            "mae_own_mean": self.baseline / total if total else None,
            "coverage": self.inside.total() / total if total else None,
            "coverage_by_evidence": shares,
        }
