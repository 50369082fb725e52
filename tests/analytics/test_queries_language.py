"""The language of standing queries: what is read, what is refused and where, and how it is said in plain words."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.queries import syntax
from analytics.queries.checking import check
from analytics.queries.parser import MOST_TOKENS, parse
from analytics.queries.rendering import render
from analytics.queries.syntax import RuleError
from analytics.queries.vocabulary import STATES, things

# -- any tree can be written down and read again --------------------------------------------------------

_numbers = st.decimals(0, 9_999, places=2, allow_nan=False)
_names = st.sampled_from([*STATES, "anything", "a.b_c"])
_durations = st.integers(1, 600_000).map(lambda minutes: syntax.Duration(minutes * 60))
_texts = st.text(st.characters(codec="utf-8", exclude_characters="\n\"'", exclude_categories=["Cs", "Cc"]), max_size=8)
_literals = st.one_of(
    st.builds(syntax.Number, _numbers, st.booleans()),
    st.builds(syntax.Money, _numbers, st.sampled_from(["GBP", "EUR", "CHF"])),
    _durations,
    st.builds(syntax.Text, _texts | st.just('say "so"')),
)
_filters = st.one_of(
    st.builds(syntax.Filter, _names, st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), st.tuples(_literals)),
    st.builds(syntax.Filter, _names, st.just("in"), st.lists(_literals, min_size=1, max_size=3).map(tuple)),
)
_things = st.builds(syntax.Thing, st.sampled_from(things()), st.lists(_filters, max_size=2).map(tuple))
_calls = st.builds(
    syntax.Call,
    st.sampled_from(["count", "sum", "no", "days_since"]),
    _things,
    st.none() | _durations,
    st.none() | st.builds(syntax.Thing, st.sampled_from(things())),
)
_atoms = st.one_of(_literals, st.builds(syntax.Name, _names), _calls, st.builds(syntax.Usual, _names, _durations))
_values = st.recursive(
    _atoms,
    lambda inner: st.one_of(
        st.builds(syntax.Minus, inner), st.builds(syntax.Arithmetic, st.sampled_from("+-*/"), inner, inner)
    ),
    max_leaves=5,
)
_clauses = st.one_of(
    st.builds(syntax.Compare, st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), _values, _values),
    st.builds(syntax.Among, _values, st.lists(_literals, min_size=1, max_size=3).map(tuple)),
    _calls,
)
_conditions = st.recursive(
    _clauses,
    lambda inner: st.one_of(
        st.builds(syntax.Not, inner),
        st.builds(
            syntax.joined,
            st.sampled_from(["and", "or"]),
            st.lists(inner, min_size=2, max_size=3),
            st.just(syntax.Place()),
        ),
    ),
    max_leaves=4,
)
_rules = st.builds(syntax.Rule, _conditions, st.none() | _durations)


def refusal(text: str) -> RuleError | None:
    try:
        check(text)
    except RuleError as error:
        return error
    return None


@settings(deadline=None, max_examples=60)
@given(_rules)
def test_what_is_rendered_is_read_as_the_same_rule(rule: syntax.Rule) -> None:
    text = render(rule)
    refused = refusal(text)
    if refused is None or not ("too long" in refused.detail or "characters" in refused.detail):
        assert parse(text) == rule


_WORDS = ["(", ")", "and", "or", "not", ">", "=", "3", "7d", "£5", "'a'", "sum", "order", "over", "in"]


@settings(deadline=None)
@given(st.text(max_size=60) | st.lists(st.sampled_from(_WORDS)).map(" ".join))
def test_anything_is_either_a_rule_or_refused_with_a_place_inside_it(text: str) -> None:
    refused = refusal(text)
    if refused is not None:
        assert refused.detail
        assert 0 <= refused.place.offset <= len(text)
        assert text[: refused.place.offset].count("\n") + 1 == refused.place.line


def test_operators_bind_as_usual() -> None:
    rule = parse("a + b * 2 > 3 and not c < 4 or d = 5 and e = 6")
    assert isinstance(rule.condition, syntax.Logic)
    assert rule.condition.op == "or"
    assert render(rule) == "a + b * 2 > 3 and not c < 4 or d = 5 and e = 6"
    assert render(parse("(a + b) * 2 > 3 AND (c = 4 OR d = 5)")) == "(a + b) * 2 > 3 and (c = 4 or d = 5)"
    assert render(parse("a - (b - c) > 0")) == "a - (b - c) > 0"


@pytest.mark.parametrize(
    ("written", "seconds"), [("7d", 604_800), ("1.5 days", 129_600), ("36 h", 129_600), ("2 weeks", 1_209_600)]
)
def test_durations(written: str, seconds: int) -> None:
    rule = parse(f"count(order) over {written} > 3")
    assert isinstance(rule.condition, syntax.Compare)
    assert rule.condition.left == syntax.Call("count", syntax.Thing("order"), syntax.Duration(seconds))


def test_amounts_are_written_before_and_after() -> None:
    rule = parse("spend.usual > £3.50 and spend.usual < 4 CHF")
    assert isinstance(rule.condition, syntax.Logic)
    amounts = [part.right for part in rule.condition.parts if isinstance(part, syntax.Compare)]
    assert amounts == [syntax.Money(Decimal("3.50"), "GBP"), syntax.Money(Decimal(4), "CHF")]


# -- what is refused, and where -------------------------------------------------------------------------

REFUSED = [
    ("", 1, "empty"),
    ("sum(order.total) over", 22, "expected a duration"),
    ("tickets.open > 3 months", 18, "a month is 30d"),
    ("1 < tickets.open < 3", 18, "one comparison at a time"),
    ('segment = "x', 11, "not closed"),
    ("tickets.open > 3)", 17, "expected"),
    ("tickets.open > and", 16, "expected"),
    ("not not tickets.open > 3", 5, "expected"),
    ("ticket.open > 0", 1, "did you mean tickets.open?"),
    ("sum(order.totl) over 7d > 1", 5, "did you mean order.total?"),
    ("cnt(order) over 7d > 1", 1, "did you mean count?"),
    ('count(order where chanel = "web") over 7d > 0', 19, "did you mean channel?"),
    ("sum(order) over 7d > 3", 5, "order.total or order.quantity"),
    ("count(order.total) over 7d > 1", 7, "count(order)"),
    ("count(order) > 3", 1, "over how long?"),
    ("tickets.open", 1, "not a condition"),
    ("(tickets.open > 3) > 2", 15, "no value to reckon with"),
    ("sum(order.total) over 7d > tickets.open", 26, "do not compare"),
    ("sum(order.total) over 7d > £3 + $4", 33, "GBP and USD"),
    ("segment = 3", 9, "a text and a number"),
    ('segment > "a"', 9, "texts are equal or not"),
    ("churn.risk > 70", 12, "from 0 to 1"),
    ("count(order) over 500d > 3", 19, "1h to 400d"),
    ("count(order) over 30min > 3", 19, "1h to 400d"),
    ("sum(order.total) over 7d > 3 * mean over 395d", 42, "further than 400d"),
    ("sum(order.total) over 7d > mean over 10d", 38, "at least 14d"),
    ("tickets.open > 3 * mean over 90d", 20, "exactly one"),
    ("sum(order.total) over 7d > max over 90d", 28, "write max(…)"),
    ("days_since(order) + 1d > 3d", 1, "stands alone"),
    ("days_since(order) > 401d", 21, "400d"),
    ("no(order)", 1, "over how long?"),
    ("no(order) over 21d > 1", 1, "is a condition"),
    ("count(order) over 21d after lead > 1", 29, "belongs to no"),
    ("max(order.total) over 30d > 1 and min(return.total) over 30d > 2", 35, "1,030 bytes"),
    ("1 + " * 80 + "1 > 0", 2 * MOST_TOKENS + 1, "too long"),
    ("tickets.open >\n  3 % %", 7, "does not fit"),
]


@pytest.mark.parametrize(("text", "column", "detail"), REFUSED)
def test_a_bad_rule_is_refused_at_its_place(text: str, column: int, detail: str) -> None:
    with pytest.raises(RuleError) as refused:
        check(text)
    assert detail in refused.value.detail
    assert refused.value.place.column == column


def test_the_place_counts_lines() -> None:
    with pytest.raises(RuleError) as refused:
        check("tickets.open > 0\nand ticket.open > 0")
    assert (refused.value.place.line, refused.value.place.column, refused.value.place.offset) == (2, 5, 21)


# -- what it means --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "reading"),
    [
        (
            "sum(order.total) over 7d > 3 * mean over 90d and tickets.open > 0",
            "When spend in the last 7 days is more than 3 times the mean 7-day spend of the 90 days before"
            " and the number of open tickets is more than 0.",
        ),
        (
            "no(order) over 21d and count(lead) over 60d > 0 then quiet for 7d",
            "When there was no order for 21 days and the number of leads in the last 60 days is more than 0;"
            " at most once in 7 days for a customer.",
        ),
        ("no(order) over 21d after lead", "When there was no order for 21 days after the last lead."),
        ("silence > 3w", "When the time since the last order is at least 21 days."),
        (
            'count(order where channel = "web") over 12h >= 2',
            'When the number of orders (channel = "web") in the last 12 hours is at least 2.',
        ),
    ],
)
def test_a_rule_is_said_in_plain_words(text: str, reading: str) -> None:
    assert check(text).reading() == reading


def test_the_same_aggregates_are_remembered_once() -> None:
    plan = check("sum(order.total) over 7d > 9 and sum( order.total ) over 7 days < 99 and no(order) over 3d")
    assert [track.text for track in plan.tracks] == ["order.total | sums | 604800s", "order | latest"]
    other = check("no(order) over 9d and sum(order.total) over 1w > 5")
    assert {track.text for track in other.tracks} == {track.text for track in plan.tracks}


def test_how_far_a_rule_looks_back() -> None:
    assert check("sum(order.total) over 7d > 3 * mean over 90d").horizon == 97 * 86_400
    assert check("no(order) over 21d after lead").horizon == 21 * 86_400
    assert check("silence > 2 * orders.gap").horizon == 400 * 86_400
    assert check("tickets.open > 2").horizon == 0
