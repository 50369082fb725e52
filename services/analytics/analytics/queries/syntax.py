"""A rule as written: its tree, and what is wrong with it and where. Nodes compare without their places."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the text: line and column count from 1, `offset` in characters from 0."""

    line: int = 1
    column: int = 1
    offset: int = 0


class RuleError(Exception):
    """The rule cannot be saved: what is wrong in plain words, and where."""

    def __init__(self, detail: str, place: Place) -> None:
        super().__init__(detail)
        self.detail, self.place = detail, place


@dataclass(frozen=True, slots=True)
class Node:
    """Part of a rule."""

    at: Place = field(default_factory=Place, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Number(Node):
    """`3`, `0.5`; `percent` as in `70%`, whose value is 70."""

    value: Decimal
    percent: bool = False


@dataclass(frozen=True, slots=True)
class Money(Node):
    """`£310`, `310 GBP`."""

    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Duration(Node):
    """`7d`, in seconds: whole minutes."""

    seconds: int


@dataclass(frozen=True, slots=True)
class Text(Node):
    value: str


Literal = Number | Money | Duration | Text


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A state value such as `tickets.open`."""

    name: str


@dataclass(frozen=True, slots=True)
class Filter(Node):
    """`channel = "web"`, `sku in ("a", "b")`: the only operator with several values is `in`."""

    field: str
    op: str
    values: tuple[Literal, ...]


@dataclass(frozen=True, slots=True)
class Thing(Node):
    """What is counted: `order`, `order.total where channel = "web"`."""

    name: str
    where: tuple[Filter, ...] = ()


@dataclass(frozen=True, slots=True)
class Call(Node):
    """`sum(order.total) over 7d`, `no(order) over 21d after lead`, `days_since(order)`."""

    function: str
    thing: Thing
    over: Duration | None = None
    after: Thing | None = None


@dataclass(frozen=True, slots=True)
class Usual(Node):
    """`mean over 90d`: of what stands on the other side of the comparison, in the time before it."""

    function: str
    over: Duration


@dataclass(frozen=True, slots=True)
class Minus(Node):
    operand: "Expression"


@dataclass(frozen=True, slots=True)
class Arithmetic(Node):
    """`+`, `-`, `*`, `/`."""

    op: str
    left: "Expression"
    right: "Expression"


Expression = Number | Money | Duration | Text | Name | Call | Usual | Minus | Arithmetic


@dataclass(frozen=True, slots=True)
class Compare(Node):
    """`=`, `!=`, `<`, `<=`, `>`, `>=`."""

    op: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Among(Node):
    """`segment in ("a", "b")`."""

    operand: Expression
    values: tuple[Literal, ...]


@dataclass(frozen=True, slots=True)
class Not(Node):
    operand: "Condition"


@dataclass(frozen=True, slots=True)
class Logic(Node):
    """`and`, `or` of two or more. Parts never have the same operator: `joined` flattens them."""

    op: str
    parts: tuple["Condition", ...]


# What stands where a condition is wanted may turn out to be none: that is for the checker to say.
Condition = Compare | Among | Not | Logic | Call | Expression


@dataclass(frozen=True, slots=True)
class Rule(Node):
    """A whole rule: `condition then quiet for 7d`."""

    condition: Condition
    quiet: Duration | None = None


def joined(op: str, parts: Sequence[Condition], at: Place) -> Logic:
    """`a and (b and c)` is `a and b and c`."""
    flat: list[Condition] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, Logic) and part.op == op else (part,))
    return Logic(op, tuple(flat), at=at)
