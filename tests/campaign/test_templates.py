"""What the sandbox lets through and what it stops."""

import time
from typing import Any

import pytest

from campaign.templates import Template, TemplateError

BOMBS = {
    "a long loop": "{% for i in (1..100000000) %}x{% endfor %}",
    "nested loops": "{% for i in (1..1000) %}{% for j in (1..1000) %}{% endfor %}{% endfor %}",
    "many loops": "{% for i in (1..1000) %}{{ i }}{% endfor %}" * 1400,
    "many empty loops": "{% for i in (1..1000) %}{% endfor %}" * 1600,
    "a table": "{% tablerow i in (1..100000) %}{% endtablerow %}",
    "doubling": "{% assign a = 'xxxxxxxxxxxxxxxx' %}" + "{% assign a = a | append: a %}" * 40,
    "replacing": "{{ 'x' | " + " | ".join(["replace: 'x', 'xxxxxxxxxxxxxxxx'"] * 12) + " }}",
    "a long range": "{{ (1..100000000) | join: ',' }}",
    "a reversed range": "{% assign a = (1..100000000) | reverse %}",
    "a huge number": "{{ 2 | " + " | ".join(["times: 99999999999999999999999"] * 1000) + " }}",
    "division by zero": "{{ 1 | divided_by: 0 }}",
}
UNREADABLE = {
    "files": "{% include 'secrets' %}",
    "other templates": "{% render 'secrets' %}",
    "deep nesting": "{% if a %}" * 50 + "{% endif %}" * 50,
    "open brackets": "{{ " + "a[" * 5000,
    "too much source": "x" * 70_000,
    "no end": "{% for i in a %}",
}


@pytest.mark.parametrize("source", BOMBS.values(), ids=BOMBS)
def test_bombs_end_quickly_and_by_name(source: str) -> None:
    started = time.monotonic()
    with pytest.raises(TemplateError, match="cannot be rendered"):
        Template(source).render({})
    assert time.monotonic() - started < 10  # half a second on an idle machine


@pytest.mark.parametrize("source", UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read(source: str) -> None:
    with pytest.raises(TemplateError):
        Template(source)


def test_html_escapes_every_value_and_text_none() -> None:
    values: dict[str, Any] = {"name": "<script>&"}
    assert Template("{{ name }}", html=True).render(values) == "&lt;script&gt;&amp;"
    assert Template("{{ name }}").render(values) == "<script>&"
    with pytest.raises(TemplateError, match="unknown filter"):
        Template("{{ name | safe }}", html=True).render(values)


def test_what_is_not_known_is_nothing() -> None:
    source = "[{{ a.b.c }}{{ d[0] }}{% for x in e %}x{% endfor %}{{ f.__class__ }}{{ g | default: 'you' }}]"
    assert Template(source).render({"f": {"k": 1}}) == "[you]"
