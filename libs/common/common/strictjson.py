"""JSON as a bus can carry it: UTF-8, finite, shallow, no NUL. Checked before any model sees it."""

import re
from typing import Any

import orjson

from common.problems import Problem

MAX_DEPTH = 32
MAX_KEY = 255
_LONG_KEY = re.compile(rb'"[^"]{%d,}"\s*:' % (MAX_KEY + 1))
_NOT_FINITE = (float("inf"), float("-inf"))
# orjson's own words for lone surrogates, numbers past a double and nesting past its stack.
_UNKEEPABLE = ("low surrogate", "surrogate in string", "infinity", "depth limit")


def parse(body: bytes) -> Any:
    """The document. Raises Problem 400 for what is not JSON, 422 for what is but cannot be kept."""
    document = decode(body)
    if not is_plain(body):
        check(document)
    return document


def is_plain(body: bytes) -> bool:
    """Whether the look of a document that could be decoded says already that `check` has nothing to find."""
    # Without a backslash a NUL cannot be written, and a quote ends a text; orjson lets no infinite number pass.
    return b"\\" not in body and body.count(b"{") + body.count(b"[") <= MAX_DEPTH and _LONG_KEY.search(body) is None


def decode(body: bytes) -> Any:
    """The document without a look at its depth, keys and texts; for callers that `check` it part by part."""
    if not body:
        raise Problem(400, "The body is empty; send a JSON document.")
    if body.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        raise Problem(400, "The body starts with a byte order mark; send plain UTF-8 without it.")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _not_json(body, error) from error


def parse_object(body: bytes) -> dict[str, Any]:
    """As `parse`, and 422 unless the document is an object."""
    document = parse(body)
    if not isinstance(document, dict):
        raise Problem(422, "The document must be a JSON object.")
    return document


def _not_json(body: bytes, error: orjson.JSONDecodeError) -> Problem:
    text = str(error)
    if any(sign in text for sign in _UNKEEPABLE) or error.doc[error.pos :].startswith(("NaN", "Infinity")):
        return Problem(422, f"The document has a value that JSON cannot carry: {error}.")
    return Problem(400, f"The body is not JSON: {error}.")


def check(value: Any, depth: int = 1) -> None:
    """Raises Problem 422 for what a bus cannot carry: too deep, a NUL, a key too long, a number not finite.

    Calls itself for containers only: captures check tens of thousands of documents a second.
    """
    if depth > MAX_DEPTH:
        raise Problem(422, f"The document is nested deeper than {MAX_DEPTH} levels.")
    kind = type(value)
    if kind is dict:
        for key in value:
            if len(key) > MAX_KEY or "\x00" in key:
                raise Problem(422, f"A key is longer than {MAX_KEY} characters or holds a NUL character.")
        items = value.values()
    else:
        items = value if kind is list else (value,)
    for item in items:
        kind = type(item)
        if kind is str:
            if "\x00" in item:
                raise Problem(422, "A text holds a NUL character.")
        elif kind is dict or kind is list:
            check(item, depth + 1)
        elif kind is float and item in _NOT_FINITE:
            raise Problem(422, "A number is not finite.")
