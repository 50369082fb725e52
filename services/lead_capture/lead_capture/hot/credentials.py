"""Where a write key may stand in a request."""

import base64
import binascii
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import parse_qs

from common.problems import Problem
from lead_capture.keyring import PUBLIC, WriteKey

_MAX_KEY = 128


def presented_key(headers: Mapping[bytes, bytes], query: bytes) -> str | None:
    """Basic user name (as the Segment SDKs do), Bearer, or `?writeKey=`. Raises Problem 401 for a broken header."""
    given = headers.get(b"authorization")
    if given:
        return _from_header(given)
    if b"writeKey=" in query:
        values = parse_qs(query.decode("latin-1"), max_num_fields=20).get("writeKey", ())
        return values[0][:_MAX_KEY] if values else None
    return None


def allow_in_the_open(key: WriteKey) -> WriteKey:
    """A key in an address ends in logs and histories: only public ones. Raises Problem 401."""
    if key.kind != PUBLIC:
        raise Problem(401, "A server key belongs into the Authorization header.", headers={"WWW-Authenticate": "Basic"})
    return key


@lru_cache(maxsize=1_024)
def _from_header(given: bytes) -> str:
    scheme, _, value = given.partition(b" ")
    value = value.strip()
    if scheme.lower() == b"basic":
        try:
            user, _, _ = base64.b64decode(value, validate=True).partition(b":")
        except binascii.Error:
            raise _unauthorised() from None
        value = user
    elif scheme.lower() != b"bearer":
        raise _unauthorised()
    if not value or len(value) > _MAX_KEY:
        raise _unauthorised()
    return value.decode("utf-8", "replace")


def _unauthorised() -> Problem:
    return Problem(401, "Send a write key: Basic user name or Bearer.", headers={"WWW-Authenticate": "Basic"})
