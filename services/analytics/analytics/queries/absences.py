"""Conditions about what did not come. Time alone makes them true; only an event makes them false."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from analytics.queries.conditions import Clause
from analytics.queries.tracks import Track
from analytics.queries.values import Operand, figure, length
from analytics.queries.view import Leaf, Now, Value, View
from analytics.queries.vocabulary import Type


@dataclass(frozen=True, slots=True)
class Absent:
    """`no(order) over 21d`: none came in the last 21 days, of a customer who has been known for so long."""

    track: Track
    window: int
    one: str
    key: str

    def value(self, view: View) -> bool:
        return view.read(self) is True

    def measure(self, view: Now) -> Value:
        return view.now >= self._due(view)

    def _due(self, view: Now) -> float:
        latest = view.latest(self.track)
        last = max(view.covered_from(self.track), view.since)
        return max(last, latest.at if latest else last) + self.window

    def reach(self, view: Now, goal: bool) -> float:
        return self._due(view) if goal else math.inf

    def lapse(self, view: Now, state: bool) -> float:
        return math.inf if state else self._due(view)

    def words(self, view: Now) -> str:
        latest = view.latest(self.track)
        return f"no {self.one} for {figure(view.now - latest.at, Type.DURATION) if latest else length(self.window)}"

    def reading(self) -> str:
        return f"there was no {self.one} for {length(self.window)}"

    def clauses(self) -> Iterator[Clause]:
        yield self

    def sides(self) -> tuple[Operand, ...]:
        return ()

    def currency(self, view: Now) -> str:
        return ""

    def leaves(self) -> Iterator[Leaf]:
        yield self


@dataclass(frozen=True, slots=True)
class AbsentAfter:
    """`no(order) over 21d after lead`: the last lead is 21 days ago and no order came since."""

    track: Track
    anchor: Track
    window: int
    one: str
    after: str
    key: str

    def value(self, view: View) -> bool:
        return view.read(self) is True

    def measure(self, view: Now) -> Value:
        return view.now >= self._due(view)

    def _due(self, view: Now) -> float:
        latest, anchor = view.latest(self.track), view.latest(self.anchor)
        if anchor is None or (latest is not None and latest.at > anchor.at):
            return math.inf
        return anchor.at + self.window

    def reach(self, view: Now, goal: bool) -> float:
        return self._due(view) if goal else math.inf

    def lapse(self, view: Now, state: bool) -> float:
        return math.inf if state else self._due(view)

    def words(self, view: Now) -> str:
        anchor = view.latest(self.anchor)
        passed = figure(view.now - anchor.at, Type.DURATION) if anchor else length(self.window)
        return f"no {self.one} for {passed} after a {self.after}"

    def reading(self) -> str:
        return f"there was no {self.one} for {length(self.window)} after the last {self.after}"

    def clauses(self) -> Iterator[Clause]:
        yield self

    def sides(self) -> tuple[Operand, ...]:
        return ()

    def currency(self, view: Now) -> str:
        return ""

    def leaves(self) -> Iterator[Leaf]:
        yield self
