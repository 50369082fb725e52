"""A measured figure, and what was asked of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class Row:
    """One line of a table. `holds` is None for a figure that nothing was asked of."""

    name: str
    value: float
    unit: str
    target: str = ""
    holds: bool | None = None

    @classmethod
    def at_least(cls, name: str, value: float, unit: str, least: float) -> Self:
        return cls(name, value, unit, f"≥ {number(least)}", value >= least)

    @classmethod
    def at_most(cls, name: str, value: float, unit: str, most: float) -> Self:
        return cls(name, value, unit, f"≤ {number(most)}", value <= most)

    def cells(self) -> tuple[str, str, str, str, str]:
        """As text."""
        verdict = "" if self.holds is None else "yes" if self.holds else "NO"
        return self.name, number(self.value), self.unit, self.target, verdict


def number(value: float) -> str:
    """Three significant digits, thousands whole."""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of all does not exceed; infinite without any."""
    ordered = sorted(values)
    rank = max(0, -int(-share * len(ordered) // 1) - 1)
    return ordered[rank] if ordered else float("inf")
