"""Reads server-sent events (HTML standard, section 9.2.6)."""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass


@dataclass(frozen=True)
class StreamEvent:
    name: str
    data: str
    id: str | None


async def events(lines: AsyncIterator[str]) -> AsyncGenerator[StreamEvent]:
    """One event per blank line; an event cut off by the end of the stream is dropped, as the standard says."""
    name, last_id = "message", None
    data: list[str] = []
    async for line in lines:
        if not line:
            if data:
                yield StreamEvent(name, "\n".join(data), last_id)
            name, data = "message", []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            name = value
        elif field == "data":
            data.append(value)
        elif field == "id":
            last_id = value
