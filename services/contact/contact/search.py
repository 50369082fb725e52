"""Finding people by what somebody types: parts of a name, address, number or company, also misspelt."""

import base64
import re
from collections.abc import Sequence

import orjson
from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Integer,
    Row,
    Select,
    and_,
    case,
    cast,
    false,
    func,
    literal,
    select,
    text,
    tuple_,
    union,
)
from sqlalchemy.ext.asyncio import AsyncSession

from common.paging import Page
from common.problems import Problem
from contact.models import ContactRow

_CANDIDATES = 500  # of each sort; past that a text says too little to rank by
_PHONE = re.compile(r"\+?[\d\s().-]{4,}")
_TRIGRAM = 3
_MAX_TERMS = 8
_SIMILAR = 0.5  # of the trigrams of the text: lets one letter of a short name be wrong
_THRESHOLD = text(f"SELECT set_config('pg_trgm.word_similarity_threshold', '{_SIMILAR}', true)")
_BEST_SURE = 3  # ranks of sure matches are 1 to 3, those of similar ones 500 to 1,000


async def search(session: AsyncSession, typed: str, limit: int, cursor: str | None) -> Page[ContactRow]:
    """The best matches first; what only resembles the text, where nobody matches it. Raises Problem 422."""
    asked = " ".join(typed.lower().split())
    last = _last(cursor) if cursor is not None else None
    if last is None or last[0] <= _BEST_SURE:
        found = await _ranked(session, *_sure(asked), limit, last)
        if found or last or len(asked) <= _TRIGRAM or _PHONE.fullmatch(asked):
            return _page(found, limit)
    await session.execute(_THRESHOLD)
    return _page(await _ranked(session, *_similar(asked), limit, last), limit)


Candidates = Select[str] | CompoundSelect[str]
Found = Sequence[Row[ContactRow, int]]


def _sure(asked: str) -> tuple[Candidates, ColumnElement[int]]:
    """Who holds the text: at the start, at the start of a word, anywhere."""
    column = ContactRow.search
    if _PHONE.fullmatch(asked):
        digits = re.sub(r"\D", "", asked).lstrip("0")
        return _some(column.contains(digits) if digits else false()), literal(1)
    starts = column.startswith(asked, autoescape=True)
    word = column.contains(f" {asked}", autoescape=True)
    sorts = [_some(starts), _some(word)]
    if len(asked) >= _TRIGRAM:  # the index cannot help to find less inside a word
        sorts.append(_some(and_(*(column.contains(term, autoescape=True) for term in asked.split()[:_MAX_TERMS]))))
    return union(*(each.subquery().select() for each in sorts)), case((starts, _BEST_SURE), (word, 2), else_=1)


def _similar(asked: str) -> tuple[Candidates, ColumnElement[int]]:
    """Who holds a stretch that resembles the text (`<%`, served by the trigram index)."""
    resembles = literal(asked).op("<%", is_comparison=True)(ContactRow.search)
    return _some(resembles), cast(func.word_similarity(asked, ContactRow.search) * 1_000, Integer)


def _some(condition: ColumnElement[bool]) -> Select[str]:
    return select(ContactRow.id).where(condition).limit(_CANDIDATES)


async def _ranked(
    session: AsyncSession, candidates: Candidates, rank: ColumnElement[int], limit: int, last: tuple[int, str] | None
) -> Found:
    query = select(ContactRow, rank.label("rank")).where(ContactRow.id.in_(candidates))
    if last:
        query = query.where(tuple_(rank, ContactRow.id) < last)
    return (await session.execute(query.order_by(rank.desc(), ContactRow.id.desc()).limit(limit + 1))).all()


def _last(cursor: str) -> tuple[int, str]:
    """The rank and id of the last row seen."""
    try:
        rank, id_ = orjson.loads(base64.urlsafe_b64decode(cursor))
    except (ValueError, TypeError):
        rank, id_ = None, None
    if not isinstance(rank, int) or isinstance(rank, bool) or abs(rank) > 1_000 or not isinstance(id_, str):
        raise Problem(422, "The cursor is not one of ours; start again without it.")
    return rank, id_


def _page(found: Found, limit: int) -> Page[ContactRow]:
    items = [row.ContactRow for row in found[:limit]]
    if len(found) <= limit:
        return Page(items, None)
    last = found[limit - 1]
    return Page(items, base64.urlsafe_b64encode(orjson.dumps([last.rank, last.ContactRow.id])).decode())
