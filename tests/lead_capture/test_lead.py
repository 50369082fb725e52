"""Leads from forms."""

import pytest

from lead_capture.domain.lead import from_form, origin_of


def test_a_form_is_read_in_the_words_of_the_json_route() -> None:
    fields = {"email": "a@b.example", "consent": "on", "consent_text": "Yes, write.", "csrf": "1"}
    assert from_form(fields, frozenset({"email", "consent"})) == {
        "email": "a@b.example",
        "consent": {"given": True, "text": "Yes, write.", "channel": None},
    }


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://shop.example/thanks?a=1", "https://shop.example"),
        ("http://localhost:3000/x", "http://localhost:3000"),
        ("https://shop.example@evil.example/", None),
        ("https://shop.example\\@evil.example/", None),
        ("//evil.example/", None),
        ("javascript:alert(1)", None),
        ("https://shop.example:port/", None),
        ("/thanks", None),
        ("https://shop.example/\r\nset-cookie: a=b", None),
    ],
)
def test_the_origin_of_an_address_is_what_a_browser_would_use(url: str, origin: str | None) -> None:
    assert origin_of(url) == origin
