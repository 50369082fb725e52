"""The values of a rule that are read of a customer: aggregates over windows, usual levels, states, times since."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from analytics.orders import SCALE
from analytics.queries.tracks import Track
from analytics.queries.values import figure, length, span
from analytics.queries.view import Leaf, Now, Value, View
from analytics.queries.vocabulary import State, Type

LEAST_OBSERVED = 2  # windows a customer must have been known for before their own mean says anything
_OF_SUMS: dict[str, float | None] = {"sum": 0.0, "count": 0.0, "mean": None}  # and what they are of nothing
_FALLING = frozenset({"count", "sum", "distinct"})  # by time alone these can only fall


@dataclass(frozen=True, slots=True)
class Aggregate:
    """`count`, `sum`, `mean`, `min`, `max`, `last` or `distinct` over a window."""

    function: str
    track: Track
    window: int
    type: Type
    label: str
    key: str

    def value(self, view: View) -> Value:
        return view.read(self)

    def measure(self, view: Now) -> Value:
        return self._over(view) if view.complete(self.track, self.window) else None

    def _over(self, view: Now) -> Value:
        if self.function in _OF_SUMS:
            cells = view.cells(self.track)
            return of_sums(self.function, *cells.read(view.now, self.window)) if cells else _OF_SUMS[self.function]
        if self.function == "distinct":
            different = view.different(self.track)
            return float(different.count(view.now)) if different else 0.0
        if self.function == "last":
            latest = view.latest(self.track)
            return latest.value / SCALE if latest and latest.at > view.now - self.window else None
        cells = view.cells(self.track)
        found = cells.extremes(view.now, self.window) if cells else None
        return None if found is None else found[self.function == "max"] / SCALE

    def moves(self, view: Now, up: bool) -> float:
        if not view.complete(self.track, self.window):
            return view.covered_from(self.track) + self.window
        if up and self.function in _FALLING:
            return math.inf
        if self.function == "distinct":
            different = view.different(self.track)
            return different.leaves(view.now) if different else math.inf
        if self.function == "last":
            latest = view.latest(self.track)
            return latest.at + self.window if latest and latest.at > view.now - self.window else math.inf
        cells = view.cells(self.track)
        return cells.leaves(view.now, self.window) if cells else math.inf

    def currency(self, view: Now) -> str:
        return _currency(self.track, view) if self.type is Type.MONEY else ""

    def words(self, view: Now) -> str:
        number = figure(self.value(view), self.type, self.currency(view))
        return f"{span(self.window)} {self.label} {number}"

    def reading(self) -> str:
        number = "the number of " if self.type is Type.NUMBER and self.function in _FALLING else ""
        last = length(self.window).removeprefix("1 ")
        return f"{number}{self.label} in the last {last}"

    def leaves(self) -> Iterator[Leaf]:
        yield self


@dataclass(frozen=True, slots=True)
class UsualLevel:
    """`mean over 90d`: the level of `of` in the 90 days before its window, as much as one window holds.

    The time before the customer was first heard of does not count as quiet: the mean is over the part of the 90 days in
    which they were known, and unknown below two windows of it.
    """

    of: Aggregate
    over: int
    key: str

    @property
    def type(self) -> Type:
        return self.of.type

    def value(self, view: View) -> Value:
        return view.read(self)

    def measure(self, view: Now) -> Value:
        window, reach = self.of.window, self.of.window + self.over
        observed = min(self.over, view.now - window - view.since)
        if observed < LEAST_OBSERVED * window or not view.complete(self.of.track, reach):
            return None
        cells = view.cells(self.of.track)
        if cells is None:
            return None if self.of.function == "mean" else 0.0
        count, total = cells.read(view.now, reach, window)
        level = of_sums(self.of.function, count, total)
        return level if level is None or self.of.function == "mean" else level * window / observed

    def moves(self, view: Now, up: bool) -> float:
        reach = self.of.window + self.over
        if not view.complete(self.of.track, reach):
            return view.covered_from(self.of.track) + reach
        cells = view.cells(self.of.track)
        if cells is None:
            return math.inf
        enters, leaves = cells.leaves(view.now, self.of.window), cells.leaves(view.now, reach)
        if self.of.function == "mean":
            return min(enters, leaves)
        return enters if up else leaves

    def currency(self, view: Now) -> str:
        return self.of.currency(view)

    def words(self, view: Now) -> str:
        return figure(self.value(view), self.type, self.currency(view))

    def reading(self) -> str:
        mean = "the same" if self.of.function == "mean" else f"the mean {span(self.of.window)} {self.of.label}"
        return f"{mean} of the {length(self.over)} before"

    def leaves(self) -> Iterator[Leaf]:
        yield self


@dataclass(frozen=True, slots=True)
class StateValue:
    """`tickets.open`: what is known at any moment. It moves with events only."""

    name: str
    state: State
    key: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", self.name)

    @property
    def type(self) -> Type:
        return self.state.type

    def value(self, view: View) -> Value:
        return view.read(self)

    def measure(self, view: Now) -> Value:
        found = view.state(self.name)
        return None if found is None else found[0]

    def moves(self, view: Now, up: bool) -> float:
        return math.inf

    def currency(self, view: Now) -> str:
        found = view.state(self.name) if self.type is Type.MONEY else None
        return found[1] if found else ""

    def words(self, view: Now) -> str:
        number = figure(self.value(view), self.type, self.currency(view), share=self.state.share)
        return f"{self.state.label} {number}"

    def reading(self) -> str:
        return f"the number of {self.state.label}" if self.state.counts else f"the {self.state.label}"

    def leaves(self) -> Iterator[Leaf]:
        yield self


@dataclass(frozen=True, slots=True)
class Since:
    """`days_since(order)`, in seconds. It grows with time, which the comparison reckons with."""

    track: Track
    many: str
    key: str
    type: Type = Type.DURATION

    def value(self, view: View) -> Value:
        return view.read(self)

    def measure(self, view: Now) -> Value:
        at = self.last(view)
        return None if at is None else max(0.0, view.now - at)

    def last(self, view: Now) -> float | None:
        latest = view.latest(self.track)
        return latest.at if latest else None

    def moves(self, view: Now, up: bool) -> float:
        return math.inf

    def currency(self, view: Now) -> str:
        return ""

    def words(self, view: Now) -> str:
        return f"{figure(self.value(view), self.type)} since the last {self.many}"

    def reading(self) -> str:
        return f"the time since the last {self.many}"

    def leaves(self) -> Iterator[Leaf]:
        yield self


def of_sums(function: str, count: int, total: int) -> float | None:
    """Count, sum or mean; no mean of nothing."""
    if function == "count":
        return float(count)
    if function == "sum":
        return total / SCALE
    return total / SCALE / count if count else None


def _currency(track: Track, view: Now) -> str:
    """That of the rule, else of what the customer's memory holds."""
    found = view.cells(track) or view.latest(track)
    return track.stream.currency or (found.currency if found else "")
