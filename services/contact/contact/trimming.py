"""Keeps what strangers send to a size that a page can show."""

from collections.abc import Mapping
from typing import Any

_TEXT = 300
_MEMBERS = 20
_DEPTH = 3


def shortened(text: str, limit: int) -> str:
    """At most `limit` characters, the last an ellipsis when something is missing."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def trimmed(data: Mapping[str, Any]) -> dict[str, Any]:
    """The first members of a document, texts cut, empty and deeply nested ones left out."""
    return _members(data, _DEPTH)


def _members(data: Mapping[str, Any], depth: int) -> dict[str, Any]:
    kept = ((shortened(str(name), 100), _value(value, depth - 1)) for name, value in list(data.items())[:_MEMBERS])
    return {name: value for name, value in kept if value not in (None, "", {}, [])}


def _value(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return shortened(value, _TEXT)
    if isinstance(value, Mapping):
        return _members(value, depth) if depth > 0 else None
    if isinstance(value, list | tuple):
        return [_value(item, depth - 1) for item in value[:_MEMBERS]] if depth > 0 else None
    return value
