"""The names a rule may use: facts and their fields, functions, state values; and their names in plain English."""

import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import Enum
from typing import Any

from analytics.events import What


class Type(Enum):
    """What a value is. The words are those of error messages."""

    NUMBER = "a number"
    MONEY = "an amount of money"
    DURATION = "a duration"
    TEXT = "a text"
    TRUTH = "a condition"


@dataclass(frozen=True)
class Field:
    """Part of a fact. `path` is where its data has it; fields of `items` are of each line of an order."""

    type: Type
    path: tuple[str, ...]
    of_items: bool = False
    label: str = ""


@dataclass(frozen=True)
class Fact:
    """A kind of event that can be counted. `kinds` narrows touchpoints."""

    what: What
    one: str
    many: str
    fields: dict[str, Field]
    kinds: frozenset[str] = frozenset()


@dataclass(frozen=True)
class State:
    """What is known of a customer at any moment. `share`: a number from 0 to 1, said in per cent; `counts`: so many."""

    type: Type
    label: str
    share: bool = False
    counts: bool = False


def _text(*path: str) -> Field:
    return Field(Type.TEXT, path)


_UTM = {f"utm.{name}": _text("utm", name) for name in ("source", "medium", "campaign")}
_ORDER = {
    "total": Field(Type.MONEY, ("total",), label="spend"),
    "quantity": Field(Type.NUMBER, ("quantity",), of_items=True, label="items bought"),
    "sku": Field(Type.TEXT, ("sku",), of_items=True, label="products bought"),
    "channel": _text("channel"),
    "source": _text("source"),
    "currency": _text("currency"),
}
_RETURN = {
    **_ORDER,
    "total": Field(Type.MONEY, ("total",), label="money returned"),
    "quantity": Field(Type.NUMBER, ("quantity",), of_items=True, label="items returned"),
    "sku": Field(Type.TEXT, ("sku",), of_items=True, label="products returned"),
}
_WEB = {"name": _text("name"), "page": _text("page_url"), "kind": _text("kind"), "source": _text("source"), **_UTM}
_MESSAGE = {"journey": _text("journey"), "step": _text("step")}

FACTS: dict[str, Fact] = {
    "order": Fact(What.ORDER, "order", "orders", _ORDER),
    "return": Fact(What.RETURN, "return", "returns", _RETURN),
    "visit": Fact(What.VISIT, "visit", "visits", {"source": _text("source"), **_UTM}),
    "touchpoint": Fact(What.TOUCHPOINT, "touchpoint", "touchpoints", _WEB, frozenset({"page", "screen", "track"})),
    "lead": Fact(What.LEAD, "lead", "leads", {"form": _text("form"), "source": _text("source"), **_UTM}),
    "ticket": Fact(What.TICKET_OPENED, "ticket", "tickets", {"priority": _text("priority")}),
    "message.opened": Fact(What.MESSAGE_OPENED, "opened message", "opened messages", _MESSAGE),
    "message.clicked": Fact(What.MESSAGE_CLICKED, "clicked message", "clicked messages", _MESSAGE),
}
ALIASES = {"ticket.opened": "ticket"}
SILENCE = "silence"  # short for days_since(order)
STATES: dict[str, State] = {
    "tickets.open": State(Type.NUMBER, "open tickets", counts=True),
    "tickets.total": State(Type.NUMBER, "tickets ever", counts=True),
    "orders.count": State(Type.NUMBER, "orders ever", counts=True),
    "orders.gap": State(Type.DURATION, "mean gap between orders"),
    "returns.count": State(Type.NUMBER, "returns ever", counts=True),
    "spend.total": State(Type.MONEY, "spend ever"),
    "spend.usual": State(Type.MONEY, "usual order"),
    "churn.risk": State(Type.NUMBER, "churn risk", share=True),
    "segment": State(Type.TEXT, "segment"),
}
FUNCTIONS: dict[str, str] = {
    "count": "how many",
    "sum": "the sum of a field",
    "mean": "the mean of a field",
    "min": "the least of a field",
    "max": "the most of a field",
    "last": "the latest value of a field",
    "distinct": "how many different values of a field",
    "no": "true when none came",
    "days_since": "the time since the last one",
}


COMPARES: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True)
class Resolved:
    """A fact, and the field of it that is meant; no field where the fact itself is counted."""

    name: str
    fact: Fact
    field_name: str = ""
    field: Field | None = field(default=None)


def resolve(name: str) -> Resolved | None:
    """What `order.total` or `order` stands for; None for nothing."""
    name = ALIASES.get(name, name)
    if name in FACTS:
        return Resolved(name, FACTS[name])
    for fact_name, fact in FACTS.items():
        rest = name.removeprefix(fact_name + ".")
        if rest != name and rest in fact.fields:
            return Resolved(fact_name, fact, rest, fact.fields[rest])
    return None


def things() -> list[str]:
    """Everything a function can be of."""
    return [name for fact, spec in FACTS.items() for name in (fact, *(f"{fact}.{field}" for field in spec.fields))]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`: did you mean tickets.open?`, or what there is."""
    names = list(known)
    close = get_close_matches(name, names, n=1, cutoff=0.6) or [n for n in names if n.split(".")[-1] == name][:1]
    return f": did you mean {close[0]}?" if close else f"; known are {', '.join(names)}"
