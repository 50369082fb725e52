"""Pages follow each other without a gap or a repeat; a strange cursor is the caller's error."""

import base64
from datetime import timedelta

import orjson
import pytest
from sqlalchemy import Column, DateTime, MetaData, Table, Text, insert, select

from common.database import Database
from common.paging import after, page
from common.problems import Problem
from common.testing.effects import MOMENT

ROWS = Table("rows", MetaData(), Column("id", Text), Column("at", DateTime(timezone=True)))


async def test_pages_hold_every_row_once(database: Database) -> None:
    async with database.engine.begin() as connection:
        await connection.run_sync(ROWS.create)
        # Several share a moment, so that the id has to decide.
        await connection.execute(
            insert(ROWS), [{"id": f"{n:02}", "at": MOMENT + timedelta(seconds=n // 3)} for n in range(20)]
        )
    seen: list[str] = []
    cursor = None
    while True:
        async with database.transaction() as session:
            query = after(select(ROWS).order_by(ROWS.c.at.desc(), ROWS.c.id.desc()), cursor, ROWS.c.at, ROWS.c.id)
            rows = (await session.execute(query.limit(8))).all()
        found = page(rows, 7, lambda row: (row.at, row.id))
        seen += [row.id for row in found.items]
        cursor = found.next
        if cursor is None:
            break
    assert seen == [f"{n:02}" for n in reversed(range(20))]


@pytest.mark.parametrize(
    "inside",
    [b"", b"{", b"5", b"null", b"[1,2]", b'["x","y"]', b'["2026-03-01T00:00:00Z",5]', b'["2026-03-01","a"]',
     b'["0001-01-01T00:00:00+14:00","a"]', b'["2026-03-01T00:00:00Z"]', b"\xff"],
)  # fmt: skip
def test_strange_cursors(inside: bytes) -> None:
    cursor = base64.urlsafe_b64encode(inside).decode()
    with pytest.raises(Problem) as raised:
        after(select(ROWS), cursor, ROWS.c.at, ROWS.c.id)
    assert raised.value.status == 422


@pytest.mark.parametrize("cursor", ["é", "a", "====", "%%%"])
def test_cursors_that_are_not_base64(cursor: str) -> None:
    with pytest.raises(Problem):
        after(select(ROWS), cursor, ROWS.c.at, ROWS.c.id)


def test_the_last_page_has_no_cursor() -> None:
    assert page([1, 2], 2, lambda row: (MOMENT, str(row))).next is None
    following = page([1, 2, 3], 2, lambda row: (MOMENT, str(row)))
    assert following.items == [1, 2]
    assert following.next is not None
    assert orjson.loads(base64.urlsafe_b64decode(following.next))[1] == "2"
