"""Lists in pages by the last row seen (keyset), so that a page costs the same however deep."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

import orjson
from sqlalchemy import ColumnElement, Select, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from common.clock import parse_rfc3339, rfc3339
from common.problems import Problem

Row = TypeVar("Row")
Column = InstrumentedAttribute[Any] | ColumnElement[Any]


@dataclass(frozen=True)
class Page(Generic[Row]):
    """Some rows, and the cursor of those that follow (None at the end)."""

    items: Sequence[Row]
    next: str | None


def after(query: Select[Any], cursor: str | None, moment: Column, id_: Column) -> Select[Any]:
    """Only rows that come after the cursor, newest first by (moment, id). Raises Problem 422 for a bad cursor."""
    if cursor is None:
        return query
    try:
        text, last_id = orjson.loads(base64.urlsafe_b64decode(cursor))
        last = parse_rfc3339(text)
    except (ValueError, TypeError) as error:
        raise _strange_cursor() from error
    if not isinstance(last_id, str):
        raise _strange_cursor()
    return query.where(tuple_(moment, id_) < (last, last_id))


def _strange_cursor() -> Problem:
    return Problem(422, "The cursor is not one of ours; start again without it.")


def page(rows: Sequence[Row], limit: int, key: Callable[[Row], tuple[datetime, str]]) -> Page[Row]:
    """Cuts `limit + 1` fetched rows to a page."""
    if len(rows) <= limit:
        return Page(rows, None)
    moment, id_ = key(rows[limit - 1])
    return Page(rows[:limit], base64.urlsafe_b64encode(orjson.dumps([rfc3339(moment), id_])).decode())
