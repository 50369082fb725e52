"""What the hot path answers."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.types import Send

Pairs = Sequence[tuple[bytes, bytes]]

_JSON = (b"content-type", b"application/json")


@dataclass(frozen=True, slots=True)
class Answer:
    """HTTP status, Location where it is a redirect, and a JSON body."""

    status: int
    location: str | None
    body: bytes


SUCCESS = Answer(200, None, b'{"success":true}')


def accepted(id_: str) -> Answer:
    """202: the fact is safe, on the bus or in the outbox."""
    return Answer(202, None, b'{"id":"%b"}' % id_.encode())


async def send_answer(send: Send, answer: Answer, extra: Pairs = ()) -> None:
    headers = [_JSON, (b"content-length", b"%d" % len(answer.body)), *extra]
    if answer.location is not None:
        headers.append((b"location", answer.location.encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


async def send_empty(send: Send, status: int, extra: Pairs) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [*extra]})
    await send({"type": "http.response.body", "body": b""})
