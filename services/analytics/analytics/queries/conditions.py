"""The conditions of a rule, in three-valued logic: true, false, and unknown where a value is.

`reach(view, goal)` is the earliest moment after now at which a condition that is not `goal` may become it by time
alone; `lapse(view, state)` the earliest at which one that is `state` may stop being it. Both may be too early: whoever
looks at that moment looks again.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

from analytics.queries.leaves import Since
from analytics.queries.values import Operand, figure
from analytics.queries.view import Leaf, Now, View
from analytics.queries.vocabulary import COMPARES, Type

_IN_WORDS = {
    "=": "is",
    "!=": "is not",
    "<": "is less than",
    "<=": "is at most",
    ">": "is more than",
    ">=": "is at least",
}


class Condition(Protocol):
    """Part of a rule that is true, false or unknown (None)."""

    def value(self, view: View) -> bool | None: ...
    def reach(self, view: Now, goal: bool) -> float: ...
    def lapse(self, view: Now, state: bool) -> float: ...
    def words(self, view: Now) -> str: ...
    def reading(self) -> str: ...
    def clauses(self) -> Iterator["Clause"]: ...


class Clause(Condition, Protocol):
    """A condition that is not made of conditions. `sides` are what it compares: the observed and the expected.

    `leaves` are what is read of the customer to know its value.
    """

    def sides(self) -> tuple[Operand, ...]: ...
    def leaves(self) -> Iterator[Leaf]: ...


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two values. Amounts of different currencies do not compare."""

    op: str
    left: Operand
    right: Operand
    currencies: bool = False  # whether amounts of different currencies may meet here
    currency: str = ""  # of the amounts in the rule's text

    def value(self, view: View) -> bool | None:
        left, right = self.left.value(view), self.right.value(view)
        if left is None or right is None:
            return None
        if self.currencies and not view.agree(self.leaves(), self.currency):
            return None
        return COMPARES[self.op](left, right)

    def reach(self, view: Now, goal: bool) -> float:
        if self.op in ("=", "!="):
            return min(side.moves(view, up) for side in self.sides() for up in (True, False))
        up = (self.op[0] == ">") == goal
        return min(self.left.moves(view, up), self.right.moves(view, not up))

    def lapse(self, view: Now, state: bool) -> float:
        return self.reach(view, not state)

    def words(self, view: Now) -> str:
        return f"{self.left.words(view)} {self.op} {self.right.words(view)}"

    def reading(self) -> str:
        return f"{self.left.reading()} {_IN_WORDS[self.op]} {self.right.reading()}"

    def clauses(self) -> Iterator[Clause]:
        yield self

    def sides(self) -> tuple[Operand, ...]:
        return self.left, self.right

    def leaves(self) -> Iterator[Leaf]:
        return chain(self.left.leaves(), self.right.leaves())


@dataclass(frozen=True, slots=True)
class Membership:
    """`segment in ("a", "b")`."""

    operand: Operand
    values: tuple[float | str, ...]
    type: Type

    def value(self, view: View) -> bool | None:
        found = self.operand.value(view)
        return None if found is None else found in self.values

    def reach(self, view: Now, goal: bool) -> float:
        return min(self.operand.moves(view, True), self.operand.moves(view, False))

    def lapse(self, view: Now, state: bool) -> float:
        return self.reach(view, not state)

    def words(self, view: Now) -> str:
        return self.operand.words(view)

    def reading(self) -> str:
        return f"{self.operand.reading()} is one of {', '.join(figure(value, self.type) for value in self.values)}"

    def clauses(self) -> Iterator[Clause]:
        yield self

    def sides(self) -> tuple[Operand, ...]:
        return (self.operand,)

    def leaves(self) -> Iterator[Leaf]:
        return self.operand.leaves()


@dataclass(frozen=True, slots=True)
class Elapsed:
    """`days_since(order) > 21d`: true from the moment the 21 days are over (`longer`), or until then."""

    since: Since
    limit: Operand
    longer: bool

    def value(self, view: View) -> bool | None:
        elapsed, limit = self.since.value(view), self.limit.value(view)
        if not isinstance(elapsed, float | int) or not isinstance(limit, float | int):
            return None
        if isinstance(view, Now) and (last := self.since.last(view)) is not None:
            return (view.now >= last + limit) == self.longer
        return (elapsed >= limit) == self.longer

    def reach(self, view: Now, goal: bool) -> float:
        moves = min(self.limit.moves(view, True), self.limit.moves(view, False))
        last, limit = self.since.last(view), self.limit.value(view)
        if goal is not self.longer or last is None or not isinstance(limit, float | int):
            return moves
        return min(moves, last + limit)

    def lapse(self, view: Now, state: bool) -> float:
        return self.reach(view, not state)

    def words(self, view: Now) -> str:
        return f"{self.since.words(view)} {'≥' if self.longer else '<'} {self.limit.words(view)}"

    def reading(self) -> str:
        return f"{self.since.reading()} is {'at least' if self.longer else 'less than'} {self.limit.reading()}"

    def clauses(self) -> Iterator[Clause]:
        yield self

    def sides(self) -> tuple[Operand, ...]:
        return self.since, self.limit

    def leaves(self) -> Iterator[Leaf]:
        return chain(self.since.leaves(), self.limit.leaves())


@dataclass(frozen=True, slots=True)
class Negation:
    operand: Condition

    def value(self, view: View) -> bool | None:
        found = self.operand.value(view)
        return None if found is None else not found

    def reach(self, view: Now, goal: bool) -> float:
        return self.operand.reach(view, not goal)

    def lapse(self, view: Now, state: bool) -> float:
        return self.operand.lapse(view, not state)

    def words(self, view: Now) -> str:
        return f"not ({self.operand.words(view)})"

    def reading(self) -> str:
        return f"it is not so that {self.operand.reading()}"

    def clauses(self) -> Iterator[Clause]:
        return self.operand.clauses()


@dataclass(frozen=True, slots=True)
class Joined:
    """Conditions joined by `and` (the decisive value is false) or by `or` (it is true)."""

    parts: Sequence[Condition]
    decisive: bool

    def value(self, view: View) -> bool | None:
        found: bool | None = not self.decisive
        for part in self.parts:
            value = part.value(view)
            if value is self.decisive:
                return value
            if value is None:
                found = None
        return found

    def reach(self, view: Now, goal: bool) -> float:
        if goal is self.decisive:
            return min(part.reach(view, goal) for part in self.parts)
        return max((p.reach(view, goal) for p in self.parts if p.value(view) is not goal), default=math.inf)

    def lapse(self, view: Now, state: bool) -> float:
        if state is not self.decisive:
            return min(part.lapse(view, state) for part in self.parts)
        return max((p.lapse(view, state) for p in self.parts if p.value(view) is state), default=math.inf)

    def words(self, view: Now) -> str:
        """Of an `or`, what is true."""
        said = [part.words(view) for part in self.parts if not self.decisive or part.value(view)]
        return " and ".join(said)

    def reading(self) -> str:
        parts = [f"({p.reading()})" if isinstance(p, Joined) else p.reading() for p in self.parts]
        return f" {'or' if self.decisive else 'and'} ".join(parts)

    def clauses(self) -> Iterator[Clause]:
        for part in self.parts:
            yield from part.clauses()
