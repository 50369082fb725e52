"""Tree to text: the one way to write a rule, so that two that mean the same are the same."""

from decimal import Decimal

from analytics.queries import syntax

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))
_SYMBOLS = {"GBP": "£", "USD": "$", "EUR": "€", "JPY": "¥"}
_OR, _AND, _NOT, _COMPARE, _SUM, _PRODUCT, _MINUS, _ATOM = range(8)


def render(rule: syntax.Rule) -> str:
    """The rule as text: `parse(render(rule)) == rule`."""
    quiet = f" then quiet for {duration_text(rule.quiet)}" if rule.quiet else ""
    return _text(rule.condition, _OR) + quiet


def duration_text(duration: syntax.Duration) -> str:
    """`90d`, `36h`, `45min`: the largest unit that divides it."""
    size, unit = next((size, unit) for size, unit in _UNITS if duration.seconds % size == 0)
    return f"{duration.seconds // size}{unit}"


def thing_text(thing: syntax.Thing) -> str:
    """`order.total where channel = "web"`."""
    where = " and ".join(_filter(f) for f in thing.where)
    return f"{thing.name} where {where}" if where else thing.name


def _filter(f: syntax.Filter) -> str:
    if f.op == "in":
        return f"{f.field} in {_list(f.values)}"
    return f"{f.field} {f.op} {_literal(f.values[0])}"


def _list(values: tuple[syntax.Literal, ...]) -> str:
    return f"({', '.join(map(_literal, values))})"


def _literal(literal: syntax.Literal) -> str:
    match literal:
        case syntax.Number(value, percent):
            return f"{_number(value)}%" if percent else _number(value)
        case syntax.Money(amount, currency):
            symbol = _SYMBOLS.get(currency)
            return f"{symbol}{_number(amount)}" if symbol else f"{_number(amount)} {currency}"
        case syntax.Duration():
            return duration_text(literal)
        case syntax.Text(value):
            return f"'{value}'" if '"' in value else f'"{value}"'


def _number(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _text(node: syntax.Condition, least: int) -> str:
    """`node` as a part of something that binds as tightly as `least`: in brackets when it binds less."""
    text, binds = _bare(node)
    return text if binds >= least else f"({text})"


def _bare(node: syntax.Condition) -> tuple[str, int]:
    match node:
        case syntax.Logic(op, parts):
            binds = _OR if op == "or" else _AND
            return f" {op} ".join(_text(part, binds + 1) for part in parts), binds
        case syntax.Not(operand):
            return f"not {_text(operand, _COMPARE)}", _NOT
        case syntax.Compare(op, left, right):
            return f"{_text(left, _SUM)} {op} {_text(right, _SUM)}", _COMPARE
        case syntax.Among(operand, values):
            return f"{_text(operand, _SUM)} in {_list(values)}", _COMPARE
        case syntax.Arithmetic(op, left, right):
            binds = _SUM if op in "+-" else _PRODUCT
            return f"{_text(left, binds)} {op} {_text(right, binds + 1)}", binds
        case syntax.Minus(operand):
            return f"-{_text(operand, _ATOM)}", _MINUS
        case _:
            return _atom(node), _ATOM


def _atom(node: syntax.Condition) -> str:
    match node:
        case syntax.Name(name):
            return name
        case syntax.Usual(function, over):
            return f"{function} over {duration_text(over)}"
        case syntax.Call(function, thing, over, after):
            span = f" over {duration_text(over)}" if over else ""
            return f"{function}({thing_text(thing)}){span}{f' after {after.name}' if after else ''}"
        case syntax.Number() | syntax.Money() | syntax.Duration() | syntax.Text():
            return _literal(node)
        case _:
            raise TypeError(type(node).__name__)
