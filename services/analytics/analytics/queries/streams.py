"""What a fact adds to an aggregate: its filters, its value. Odd data adds nothing and breaks nothing."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from analytics.events import Event, ten_thousandths
from analytics.orders import SCALE
from analytics.queries import syntax
from analytics.queries.rendering import thing_text
from analytics.queries.vocabulary import COMPARES, Field, Resolved, Type

_LARGEST = 2**62


@dataclass(frozen=True)
class Passes:
    """One filter, resolved: `field op one of values`."""

    field: Field
    op: str
    values: tuple[str | float, ...]

    def holds(self, value: str | float | None) -> bool:
        if value is None:
            return False
        return value in self.values if self.op == "in" else COMPARES[self.op](value, self.values[0])


@dataclass(frozen=True)
class Stream:
    """Facts of one kind that pass the filters, and the field that is aggregated. `text` names it."""

    thing: Resolved
    where: tuple[Passes, ...]
    text: str
    currency: str = ""  # money of this currency only; empty: of the first that comes

    @classmethod
    def of(cls, thing: Resolved, where: tuple[Passes, ...], written: syntax.Thing, currency: str = "") -> "Stream":
        name = f"{thing.name}.{thing.field_name}" if thing.field_name else thing.name
        filters = (replace(f, field=f.field.removeprefix(f"{thing.name}.")) for f in written.where)
        text = thing_text(syntax.Thing(name, tuple(filters)))
        return cls(thing, where, f"{text} in {currency}" if currency else text, currency)

    @cached_property
    def is_money(self) -> bool:
        return self.thing.field is not None and self.thing.field.type is Type.MONEY

    def lines(self, event: Event) -> list[Mapping[str, Any]] | None:
        """The lines of the order that pass; None when the fact does not."""
        fact = self.thing.fact
        if event.what is not fact.what or (fact.kinds and event.data.get("kind") not in fact.kinds):
            return None
        if self.is_money and self.currency and event.currency != self.currency:
            return None
        of_items = [c for c in self.where if c.field.of_items]
        if not all(c.holds(_read(event, c.field)) for c in self.where if not c.field.of_items):
            return None
        lines = _lines(event.data)
        if not of_items:
            return lines
        kept = [line for line in lines if all(c.holds(_item(line, c.field)) for c in of_items)]
        return kept or None

    def number(self, event: Event) -> int | None:
        """The field's value in ten-thousandths (0 where facts are counted); None when the fact does not pass."""
        field = self.thing.field
        if not self.where and not self.currency and not self.thing.fact.kinds and not (field and field.of_items):
            return event.amount if self.is_money else 0
        lines = self.lines(event)
        if lines is None:
            return None
        if field is None or field.type is Type.TEXT:
            return 0
        if field.of_items:
            return _clamped(sum(_quantity(line) for line in lines))
        if any(c.field.of_items for c in self.where):
            return _clamped(sum(_worth(line) for line in lines))
        return event.amount

    def texts(self, event: Event) -> Iterator[str]:
        """The different values of a text field in this fact; none when it does not pass."""
        lines, field = self.lines(event), self.thing.field
        if lines is None or field is None:
            return
        if field.of_items:
            found = (_item(line, field) for line in lines)
            yield from sorted({str(value) for value in found if value is not None})
        elif (value := _read(event, field)) is not None:
            yield str(value)


def _read(event: Event, field: Field) -> str | float | None:
    if field.type is Type.MONEY:
        return event.amount / SCALE
    found: Any = event.data
    for name in field.path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, str) else None


def _lines(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    items = data.get("items")
    return [line for line in items if isinstance(line, Mapping)] if isinstance(items, list) else []


def _item(line: Mapping[str, Any], field: Field) -> str | float | None:
    if field.type is Type.NUMBER:
        return _quantity(line) / SCALE
    found = line.get(field.path[0])
    return found if isinstance(found, str) else None


def _quantity(line: Mapping[str, Any]) -> int:
    quantity = line.get("quantity")
    return round(quantity * SCALE) if isinstance(quantity, int | float) and abs(quantity) < 1e12 else 0


def _worth(line: Mapping[str, Any]) -> int:
    try:
        return _quantity(line) * ten_thousandths(line.get("unit_price", "0")) // SCALE
    except ValueError:
        return 0


def _clamped(number: int) -> int:
    return max(-_LARGEST, min(number, _LARGEST))
