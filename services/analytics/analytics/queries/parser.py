"""Text to tree. The grammar is Lark's (LALR); what it refuses is said in plain words with the place."""

import re
from decimal import Decimal
from functools import cache
from typing import Any, NoReturn

from lark import Lark, Token, Transformer, Tree, v_args
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken, VisitError
from lark.tree import Meta

from analytics.queries import syntax
from analytics.queries.syntax import Place, RuleError

LONGEST_TEXT = 1_000
MOST_TOKENS = 120  # also bounds how deep a tree can be
_LONGEST_NUMBER = 15

_GRAMMAR = r"""
rule: _condition [THEN QUIET FOR DURATION]

_condition: disjunction | _conjunction
disjunction: _conjunction (OR _conjunction)+
_conjunction: conjunction | _negation
conjunction: _negation (AND _negation)+
_negation: negation | _comparison
negation: NOT _comparison
_comparison: comparison | among | _sum
comparison: _sum COMPARE _sum
among: _sum IN "(" _literal ("," _literal)* ")"
_sum: sum | _product
sum: _sum (PLUS | MINUS) _product
_product: product | _unary
product: _product (TIMES | DIVIDED) _unary
_unary: minus | _atom
minus: MINUS _atom
_atom: _literal | name | call | usual | "(" _condition ")"
name: NAME
call: NAME "(" thing ")" [OVER DURATION] [AFTER after]
usual: NAME OVER DURATION
after: NAME
thing: NAME [WHERE _filter (AND _filter)*]
_filter: filter | filter_in
filter: NAME COMPARE _literal
filter_in: NAME IN "(" _literal ("," _literal)* ")"
_literal: number | percent | money | duration | text
number: NUMBER
percent: PERCENT
money: MONEY
duration: DURATION
text: TEXT

AND.5: /and(?![\w.])/i
OR.5: /or(?![\w.])/i
NOT.5: /not(?![\w.])/i
IN.5: /in(?![\w.])/i
OVER.5: /over(?![\w.])/i
AFTER.5: /after(?![\w.])/i
WHERE.5: /where(?![\w.])/i
THEN.5: /then(?![\w.])/i
QUIET.5: /quiet(?![\w.])/i
FOR.5: /for(?![\w.])/i
DURATION.4: /\d+(\.\d+)?\s*(minutes?|min|hours?|h|days?|d|weeks?|w)(?![\w.])/i
PERCENT.3: /\d+(\.\d+)?\s*%/
MONEY.3: /[£$€¥]\s*\d+(\.\d+)?|\d+(\.\d+)?\s*(?!AND|NOT)[A-Z]{3}(?![\w.])/
NUMBER.2: /\d+(\.\d+)?/
NAME: /(?!(?:and|or|not|in|over|after|where|then|quiet|for)(?![\w.]))[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)*/i
TEXT: /"[^"\n]*"|'[^'\n]*'/
COMPARE: />=|<=|!=|<>|==|=|>|<|≥|≤|≠/
PLUS: "+"
MINUS: "-"
TIMES: "*"
DIVIDED: "/"

%ignore /\s+/
"""
_WORDS = {
    "AND": "“and”",
    "OR": "“or”",
    "NOT": "“not”",
    "IN": "“in”",
    "OVER": "“over”",
    "AFTER": "“after”",
    "WHERE": "“where”",
    "THEN": "“then quiet for …”",
    "QUIET": "“quiet for …”",
    "FOR": "“for …”",
    "DURATION": "a duration such as 7d",
    "PERCENT": "",
    "MONEY": "",
    "NUMBER": "a number",
    "NAME": "a name",
    "TEXT": "a text in quotes",
    "COMPARE": "a comparison such as >",
    "PLUS": "",
    "MINUS": "",
    "TIMES": "",
    "DIVIDED": "an operator such as +",
    "LPAR": "“(”",
    "RPAR": "“)”",
    "COMMA": "“,”",
    "$END": "the end",
}
_OTHER_UNITS = re.compile(r"(s|sec|seconds?|m|mo|months?|q|quarters?|y|years?)", re.IGNORECASE)
_SIGNS = {"==": "=", "<>": "!=", "≥": ">=", "≤": "<=", "≠": "!="}
_SYMBOLS = {"£": "GBP", "$": "USD", "€": "EUR", "¥": "JPY"}
_SECONDS = {"m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def parse(text: str) -> syntax.Rule:
    """The tree of a rule. Raises RuleError."""
    if len(text) > LONGEST_TEXT:
        raise RuleError(f"a rule has at most {LONGEST_TEXT:,} characters", Place())
    steps = _grammar().parse_interactive(text)
    try:
        for count, token in enumerate(steps.iter_parse()):
            if count >= MOST_TOKENS:
                raise RuleError("the rule is too long: split it in two", _place(token))
        tree: Tree[Token] = steps.feed_eof()  # type: ignore[no-untyped-call]
    except UnexpectedInput as error:
        _explain(text, error, steps.accepts())  # type: ignore[no-untyped-call]
    try:
        rule: syntax.Rule = _Builder().transform(tree)
    except VisitError as error:
        raise error.orig_exc from None
    return rule


@cache
def _grammar() -> Lark:
    return Lark(_GRAMMAR, start="rule", parser="lalr", propagate_positions=True, maybe_placeholders=False)


# -- what went wrong --------------------------------------------------------------------------------


def _explain(text: str, error: UnexpectedInput, accepts: set[str]) -> NoReturn:
    if isinstance(error, UnexpectedToken) and error.token.type != "$END":
        raise RuleError(_unexpected(text, error.token, accepts), _place(error.token)) from None
    if isinstance(error, UnexpectedCharacters):
        at = error.pos_in_stream or 0
        raise RuleError(_stray(text[at], accepts), Place(error.line, error.column, at)) from None
    if not text.strip():
        raise RuleError("the rule is empty", Place()) from None
    raise RuleError(f"the rule ends too early: {_expected(accepts)}", end_of(text)) from None


def _unexpected(text: str, token: Token, accepts: set[str]) -> str:
    before = text[: token.start_pos or 0].rstrip()
    if token.type == "NAME" and before[-1:].isdigit() and _OTHER_UNITS.fullmatch(token):
        return f"durations are written in min, h, d or w, not in “{token}”: a month is 30d"
    if token.type == "COMPARE" and "COMPARE" not in accepts and "PLUS" in accepts:
        return "one comparison at a time: join two with “and”"
    return f"“{token}” does not fit here: {_expected(accepts)}"


def _stray(character: str, accepts: set[str]) -> str:
    if character in "\"'":
        return f"this text is not closed: {character} is missing at its end"
    return f"“{character}” does not fit here: {_expected(accepts)}"


def _expected(terminals: set[str]) -> str:
    words = [word for name, word in _WORDS.items() if word and name in terminals]
    return f"expected {', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else f"expected {''.join(words)}"


def _place(token: Token) -> Place:
    return Place(token.line or 1, token.column or 1, token.start_pos or 0)


def end_of(text: str) -> Place:
    """The place after the last character."""
    return Place(text.count("\n") + 1, len(text) - text.rfind("\n"), len(text))


# -- the tree ---------------------------------------------------------------------------------------


def duration(text: str, at: Place) -> syntax.Duration:
    """`1.5 days` in seconds. Raises RuleError for parts of a minute and for nothing at all."""
    match = re.match(r"([\d.]+)\s*([a-z])", text.lower())
    assert match is not None
    seconds = Decimal(match[1]) * _SECONDS[match[2]]
    if seconds % 60 or not seconds:
        raise RuleError("a duration is a number of whole minutes, more than none", at)
    return syntax.Duration(int(seconds), at=at)


@v_args(inline=True, meta=True)
class _Builder(Transformer[Token, Any]):
    """Lark's tree to ours, leaves first."""

    def rule(self, meta: Meta, condition: syntax.Condition, *quiet: Token) -> syntax.Rule:
        after = duration(quiet[3], _place(quiet[3])) if quiet else None
        return syntax.Rule(condition, after, at=_start(meta))

    def disjunction(self, meta: Meta, *parts: Any) -> syntax.Logic:
        return syntax.joined("or", parts[::2], _start(meta))

    def conjunction(self, meta: Meta, *parts: Any) -> syntax.Logic:
        return syntax.joined("and", parts[::2], _start(meta))

    def negation(self, meta: Meta, _: Token, operand: syntax.Condition) -> syntax.Not:
        return syntax.Not(operand, at=_start(meta))

    def comparison(self, _: Meta, left: Any, op: Token, right: Any) -> syntax.Compare:
        return syntax.Compare(_SIGNS.get(op, str(op)), left, right, at=_place(op))

    def among(self, meta: Meta, operand: Any, _: Token, *values: Any) -> syntax.Among:
        return syntax.Among(operand, values, at=_start(meta))

    def sum(self, _: Meta, left: Any, op: Token, right: Any) -> syntax.Arithmetic:
        return syntax.Arithmetic(str(op), left, right, at=_place(op))

    product = sum

    def minus(self, meta: Meta, _: Token, operand: Any) -> syntax.Minus:
        return syntax.Minus(operand, at=_start(meta))

    def name(self, meta: Meta, name: Token) -> syntax.Name:
        return syntax.Name(name.lower(), at=_start(meta))

    def call(self, meta: Meta, function: Token, thing: syntax.Thing, *rest: Any) -> syntax.Call:
        given = {str(word.type): value for word, value in zip(rest[::2], rest[1::2], strict=True)}
        over = given.get("OVER")
        return syntax.Call(
            function.lower(),
            thing,
            None if over is None else duration(over, _place(over)),
            given.get("AFTER"),
            at=_start(meta),
        )

    def usual(self, meta: Meta, function: Token, _: Token, over: Token) -> syntax.Usual:
        return syntax.Usual(function.lower(), duration(over, _place(over)), at=_start(meta))

    def after(self, meta: Meta, name: Token) -> syntax.Thing:
        return syntax.Thing(name.lower(), at=_start(meta))

    def thing(self, meta: Meta, name: Token, *where: Any) -> syntax.Thing:
        return syntax.Thing(name.lower(), tuple(where[1::2]), at=_start(meta))

    def filter(self, meta: Meta, name: Token, op: Token, value: syntax.Literal) -> syntax.Filter:
        return syntax.Filter(name.lower(), _SIGNS.get(op, str(op)), (value,), at=_start(meta))

    def filter_in(self, meta: Meta, name: Token, _: Token, *values: syntax.Literal) -> syntax.Filter:
        return syntax.Filter(name.lower(), "in", values, at=_start(meta))

    def number(self, meta: Meta, text: Token) -> syntax.Number:
        return syntax.Number(_decimal(text, meta), at=_start(meta))

    def percent(self, meta: Meta, text: Token) -> syntax.Number:
        return syntax.Number(_decimal(text.rstrip("% \t\n"), meta), percent=True, at=_start(meta))

    def money(self, meta: Meta, text: Token) -> syntax.Money:
        currency = _SYMBOLS.get(text[0]) or text[-3:]
        return syntax.Money(_decimal(text.strip("£$€¥ \t\n" + currency), meta), currency, at=_start(meta))

    def duration(self, meta: Meta, text: Token) -> syntax.Duration:
        return duration(text, _start(meta))

    def text(self, meta: Meta, text: Token) -> syntax.Text:
        return syntax.Text(text[1:-1], at=_start(meta))


def _decimal(text: str, meta: Meta) -> Decimal:
    if len(text) > _LONGEST_NUMBER:
        raise RuleError("this number is too long", _start(meta))
    return Decimal(text)


def _start(meta: Meta) -> Place:
    return Place(meta.line, meta.column, meta.start_pos)
