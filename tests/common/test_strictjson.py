"""What a bus cannot carry is refused before any model sees it."""

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import strictjson
from common.problems import Problem

_UTF16 = '{"a": 1}'.encode("utf-16")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"   ", 400),
        (b'{"a": ', 400),
        (b'{"a": 1} tail', 400),
        (b'{"a": "\xff"}', 400),
        (b'{"a": "\xed\xa0\x80"}', 400),
        (b'{"a": "\x00"}', 400),
        (_UTF16, 400),
        ('{"a": 1}'.encode("utf-16-le"), 400),
        (b'\xef\xbb\xbf{"a": 1}', 400),
        (b"{'a': 1}", 400),
        (b'{"surrogate in string":}', 400),
        (b'{"a": NaN}', 422),
        ('{"é": NaN}'.encode(), 422),
        (b'{"a": Infinity}', 422),
        (b'{"a": -Infinity}', 422),
        (b'{"a": 1e999}', 422),
        (b'{"a": -1e999}', 422),
        (b'{"a": ' + b"9" * 5_000 + b"}", 422),
        (b'{"a": "\\ud800"}', 422),
        (b'{"a": "\\udc00"}', 422),
        (b'{"\\ud800": 1}', 422),
        (b'{"a": "\\u0000"}', 422),
        (b'{"\\u0000": 1}', 422),
        (b"[" * 33 + b"]" * 33, 422),
        (b"[" * 1_000 + b"]" * 1_000, 422),
        (b"[" * 5_000 + b"]" * 5_000, 422),
        (b'{"a":' * 1_000 + b"1" + b"}" * 1_000, 422),
        (json.dumps({"k" * 256: 1}).encode(), 422),
    ],
)
def test_bad_documents(body: bytes, status: int) -> None:
    with pytest.raises(Problem) as raised:
        strictjson.parse(body)
    assert raised.value.status == status, raised.value.detail
    assert raised.value.detail.endswith((".", "characters.")), "a sentence a person can act on"


@pytest.mark.parametrize("body", [b"[]", b"null", b"1", b'"text"'])
def test_top_level_must_be_an_object(body: bytes) -> None:
    with pytest.raises(Problem, match="must be a JSON object") as raised:
        strictjson.parse_object(body)
    assert raised.value.status == 422


@pytest.mark.parametrize("body", [b"[" * 32 + b"]" * 32, json.dumps({"k" * 255: 1}).encode(), b'"\\ud83d\\ude00"'])
def test_documents_at_the_limits(body: bytes) -> None:
    assert strictjson.parse(body) == json.loads(body)


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_a_document_or_a_problem(body: bytes) -> None:
    status = _status_of(body)
    assert status in (200, 400, 422)
    if status == 200:
        json.loads(body)


def _status_of(body: bytes) -> int:
    try:
        strictjson.parse(body)
    except Problem as problem:
        return problem.status
    return 200


scalars = st.none() | st.integers(-9, 9) | st.floats(allow_nan=False, allow_infinity=False)
keys = st.text('a\0":\\', max_size=4) | st.sampled_from(["k" * 255, "k" * 256, "é" * 200])
documents = st.recursive(
    scalars | st.text('a\0"\\:{[é ', max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=40,
)


@given(documents)
def test_what_looks_plain_has_nothing_to_find(document: object) -> None:
    for body in (orjson.dumps(document), json.dumps(document).encode(), json.dumps(document, indent=2).encode()):
        if strictjson.is_plain(body):
            strictjson.check(orjson.loads(body))


def test_what_cannot_be_carried_never_looks_plain() -> None:
    deep = b"[" * 33 + b"]" * 33
    for body in (b'{"a":"\\u0000"}', b'{"%b":1}' % (b"k" * 256), b'{"%b" \n :1}' % (b"k" * 256), deep):
        assert not strictjson.is_plain(body)
