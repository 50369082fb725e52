"""The values of a rule. Each knows its value, its words, and when it moves.

`moves(view, up)` is the earliest moment after `view.now` at which the value may rise (or fall) by time alone, that is
without an event of this customer; infinity when it cannot.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from analytics.orders import DAY
from analytics.queries.view import Leaf, Now, Value, View
from analytics.queries.vocabulary import Type
from analytics.wording import days_text, money_text


class Operand(Protocol):
    """A value that is compared. `currency` is that of money, as far as it is known."""

    @property
    def type(self) -> Type: ...
    def value(self, view: View) -> Value: ...
    def moves(self, view: Now, up: bool) -> float: ...
    def currency(self, view: Now) -> str: ...
    def words(self, view: Now) -> str: ...
    def reading(self) -> str: ...
    def leaves(self) -> Iterator[Leaf]: ...


@dataclass(frozen=True, slots=True)
class Constant:
    """A number, an amount, a duration in seconds, a text."""

    constant: float | str
    type: Type
    code: str = ""
    share: bool = False

    def value(self, view: View) -> Value:
        return self.constant

    def moves(self, view: Now, up: bool) -> float:
        return math.inf

    def currency(self, view: Now) -> str:
        return self.code

    def words(self, view: Now) -> str:
        return self.reading()

    def reading(self) -> str:
        return figure(self.constant, self.type, self.code, share=self.share)

    def leaves(self) -> Iterator[Leaf]:
        return iter(())


@dataclass(frozen=True, slots=True)
class Computed:
    """Arithmetic. Unknown when a part is, or when it divides by nothing."""

    op: str
    left: Operand
    right: Operand
    type: Type

    def value(self, view: View) -> Value:
        left, right = self.left.value(view), self.right.value(view)
        if not isinstance(left, float | int) or not isinstance(right, float | int):
            return None
        if self.op == "+":
            return left + right
        if self.op == "-":
            return left - right
        if self.op == "*":
            return left * right
        return left / right if right else None

    def moves(self, view: Now, up: bool) -> float:
        if self.op == "+":
            return min(self.left.moves(view, up), self.right.moves(view, up))
        if self.op == "-":
            return min(self.left.moves(view, up), self.right.moves(view, not up))
        if isinstance(self.right, Constant) and isinstance(self.right.constant, float) and self.right.constant > 0:
            return self.left.moves(view, up)
        if self.op == "*" and isinstance(self.left, Constant) and isinstance(self.left.constant, float):
            return self.right.moves(view, up == (self.left.constant > 0))
        return min(part.moves(view, way) for part in (self.left, self.right) for way in (True, False))

    def currency(self, view: Now) -> str:
        return (self.left.currency(view) or self.right.currency(view)) if self.type is Type.MONEY else ""

    def words(self, view: Now) -> str:
        return self._written(self.left.words(view), self.right.words(view))

    def reading(self) -> str:
        if self.op == "*" and isinstance(self.left, Constant) and self.left.type is Type.NUMBER:
            return f"{self.left.reading()} times {self.right.reading()}"
        return self._written(self.left.reading(), self.right.reading())

    def _written(self, left: str, right: str) -> str:
        sign = {"*": "×", "/": "÷", "-": "−"}.get(self.op, self.op)
        if self.op != "+" and isinstance(self.right, Computed):
            right = f"({right})"
        if self.op in "*/" and isinstance(self.left, Computed) and self.left.op in "+-":
            left = f"({left})"
        return f"{left} {sign} {right}"

    def leaves(self) -> Iterator[Leaf]:
        yield from self.left.leaves()
        yield from self.right.leaves()


def figure(value: Value, type_: Type, currency: str = "", *, share: bool = False) -> str:
    """A value as a person reads it: `£310`, `21 days`, `82%`, `2`."""
    if value is None:
        return "unknown"
    if isinstance(value, str):
        return f"“{value}”"
    if type_ is Type.DURATION:
        return days_text(round(value / DAY, 1)) if value >= DAY else f"{value / 3_600:.3g} hours"
    if type_ is Type.MONEY and currency:
        return money_text(value, currency)
    return f"{100 * value:.3g}%" if share else f"{value:,.10g}" if value == int(value) else f"{value:,.4g}"


def length(seconds: int) -> str:
    """`7 days`, `36 hours`."""
    count, unit = next((seconds // size, unit) for size, unit in _UNITS if seconds % size == 0)
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def span(seconds: int) -> str:
    """`7-day`, `36-hour`."""
    return "-".join(length(seconds).removesuffix("s").split())


_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"))
