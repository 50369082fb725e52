"""What the command line is told, read and refused."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heed.replay.options import Exclusion, OptionError, days, days_or_none, exclusion

TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)
BARE = st.from_regex(r"[A-Za-z0-9_.-][A-Za-z0-9_. -]*[A-Za-z0-9_.-]|[A-Za-z0-9_.-]", fullmatch=True)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("kind in (1, 2)", Exclusion("kind", ("1", "2"))),
        ("kind=1", Exclusion("kind", ("1",))),
        ("kind == 1", Exclusion("kind", ("1",))),
        ("kind IN('a, b', \"c)\" , d e)", Exclusion("kind", ("a, b", "c)", "d e"))),
        ("Country = United Kingdom", Exclusion("Country", ("United Kingdom",))),
        ("in stock = no", Exclusion("in stock", ("no",))),
        ("'a = b' in ('it''s')", Exclusion("a = b", ("it's",))),
        ("kind = ''", Exclusion("kind", ("",))),
        ("kind =", Exclusion("kind", ("",))),
    ],
)
def test_exclusions(text: str, read: Exclusion) -> None:
    assert exclusion(text) == read


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind", "write COLUMN = VALUE"),
        ("= 1", "write COLUMN = VALUE"),
        ("kind != 1", "write COLUMN = VALUE"),
        ("kind in ()", "a value is missing"),
        ("kind in (1", "expected ',' or a closing"),
        ("kind in (1,", "a value is missing"),
        ("kind in (1) or more", "expected ',' or a closing"),
        ("kind = 'a", "a quote is not closed"),
    ],
)
def test_what_is_no_exclusion_is_refused_with_what_it_should_look_like(text: str, said: str) -> None:
    with pytest.raises(OptionError, match=said):
        exclusion(text)


@given(column=TEXT.filter(lambda t: t and '"' not in t), values=st.lists(TEXT, min_size=1, max_size=4))
def test_whatever_is_quoted_comes_back(column: str, values: list[str]) -> None:
    quoted = ", ".join('"' + value.replace('"', '""') + '"' for value in values)
    assert exclusion(f'"{column}" in ({quoted})') == Exclusion(column, tuple(values))


@given(column=BARE.filter(lambda c: not c.lower().endswith(" in")), values=st.lists(BARE, min_size=1, max_size=4))
def test_plain_words_need_no_quotes(column: str, values: list[str]) -> None:
    assert exclusion(f"{column} in ({', '.join(values)})") == Exclusion(column, tuple(values))


@given(text=TEXT)
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(OptionError):
        assert exclusion(text).column


def test_spans() -> None:
    assert (days("7d"), days(" 8W "), days_or_none("0d"), days_or_none("30d")) == (7, 56, 0, 30)
    for text in ("7", "0d", "-7d", "7h", "", "99999d"):
        with pytest.raises(OptionError, match="write 7d"):
            days(text)
