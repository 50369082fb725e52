"""One request to the hot path, and its body within the limits."""

import asyncio
import re
import zlib
from collections.abc import Coroutine, Generator
from dataclasses import dataclass
from datetime import datetime
from types import coroutine
from typing import Any

from starlette.types import Receive, Scope

from common.http import read_body
from common.problems import Problem
from lead_capture.events import Receipt

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_TRACEPARENT = re.compile(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_GZIP = 31


@dataclass(slots=True)
class Call:
    """What a route needs of a request; header names are lower case."""

    path: str
    query: bytes
    headers: dict[bytes, bytes]
    receive: Receive

    @classmethod
    def of(cls, scope: Scope, receive: Receive) -> "Call":
        return cls(scope["path"], scope["query_string"], dict(scope["headers"]), receive)

    @property
    def origin(self) -> str | None:
        """The page's origin, when a browser sent this."""
        given = self.headers.get(b"origin")
        return given.decode("latin-1") if given else None

    @property
    def content_type(self) -> str:
        return self.headers.get(b"content-type", b"").partition(b";")[0].strip().lower().decode("latin-1")

    @property
    def request_id(self) -> str | None:
        """The client's own, when it is sane."""
        given = self.headers.get(b"x-request-id")
        return given.decode() if given and _REQUEST_ID.fullmatch(given) else None

    def receipt(self, now: datetime, backfill: datetime | None) -> Receipt:
        trace = self.headers.get(b"traceparent")
        traceparent = trace.decode() if trace and _TRACEPARENT.fullmatch(trace) else None
        return Receipt(now, self.request_id, traceparent, backfill)

    def header(self, name: bytes) -> str | None:
        value = self.headers.get(name)
        return value.decode("latin-1").strip() if value is not None else None

    async def body(self, limit: int, seconds: float) -> bytes:
        """Raises Problem 400, 408, 413 or 415."""
        encoding = self.headers.get(b"content-encoding", b"identity").strip().lower()
        if encoding not in (b"identity", b"gzip", b""):
            raise Problem(415, "Send the body plain or with Content-Encoding: gzip.")
        declared = self.headers.get(b"content-length", b"0")
        if declared.isdigit() and int(declared[:12]) > limit:
            raise Problem(413, f"The body is larger than {limit} bytes.")
        body = await _within(seconds, read_body(self.receive, limit))
        return gunzip(body, limit) if encoding == b"gzip" else body


async def _within(seconds: float, reading: Coroutine[Any, Any, bytes]) -> bytes:
    """The body. One that came with its headers, as nearly all do, costs no timer. Raises Problem 408."""
    try:
        waits_for = reading.send(None)
    except StopIteration as done:
        return bytes(done.value)
    try:
        async with asyncio.timeout(seconds):
            return await _rest(reading, waits_for)
    except TimeoutError:
        raise Problem(408, f"The body did not arrive within {seconds:g} s.") from None
    finally:
        reading.close()


@coroutine
def _rest(reading: Coroutine[Any, Any, bytes], waits_for: object) -> Generator[object, Any, bytes]:
    """What is left of a coroutine that has run up to the first thing it waits for."""
    yield waits_for
    return (yield from reading.__await__())


def gunzip(body: bytes, limit: int) -> bytes:
    """Stops at `limit` bytes of output, however much would follow. Raises Problem 400 or 413."""
    inflater = zlib.decompressobj(_GZIP)
    try:
        plain = inflater.decompress(body, limit + 1)
    except zlib.error as error:
        raise Problem(400, f"The body is not gzip: {error}.") from None
    if len(plain) > limit:
        raise Problem(413, f"The unpacked body is larger than {limit} bytes.")
    if not inflater.eof or inflater.unused_data:
        raise Problem(400, "The gzip body is cut off, or something follows it.")
    return plain
