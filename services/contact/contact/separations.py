"""Every SQL statement of taking a contact apart."""

import re
from collections.abc import AsyncIterator, Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, TextClause, bindparam, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import String, TypeEngine

from contact.domain.people import Identity
from contact.domain.person import Person
from contact.keeping import Line
from contact.models import SEPARATIONS, ApartRow, BroughtRow, IdentityRow, TimelineRow

_PAGE = 2_000
_ORDER = "heed.order.placed.v1"
_TYPES: dict[str, TypeEngine[Any]] = {"keys": ARRAY(String)}
_COLUMNS: list[Any] = [
    IdentityRow.key,
    IdentityRow.contact_id,
    IdentityRow.kind,
    IdentityRow.value,
    IdentityRow.announced,
    IdentityRow.came_with,
    IdentityRow.merged_into,
    IdentityRow.reason,
]


def _about(statement: str) -> TextClause:
    """With the types of the parameters that it names: `keys` are many, all others one text."""
    names = set(re.findall(r"(?<!:):(\w+)", statement))
    return text(statement).bindparams(*(bindparam(n, type_=_TYPES.get(n, String())) for n in names))


_GIVE_BACK = [
    _about(statement)
    for statement in (
        "UPDATE identities SET contact_id = :losing WHERE key = ANY(:keys)",
        """UPDATE identities SET came_with = NULL, merged_into = NULL, reason = NULL, merged_at = NULL, announced = true
           WHERE key = :losing""",
        "UPDATE timeline SET contact_id = :losing WHERE contact_id = :surviving AND captured_as = ANY(:keys)",
        # What was said about a ticket belongs to whoever wrote it.
        """UPDATE timeline SET contact_id = :losing
           WHERE contact_id = :surviving AND kind = 'ticket' AND type <> 'heed.ticket.opened.v1'
             AND data->>'ticket_id' IN (
               SELECT data->>'ticket_id' FROM timeline
               WHERE contact_id = :losing AND type = 'heed.ticket.opened.v1')""",
    )
]
_RETELL = _about("UPDATE identities SET merged_into = :losing, merged_at = now() WHERE key = ANY(:keys)")
_NO_CONFLICT = _about("DELETE FROM conflicts WHERE contact_id = :contact AND identity_key = ANY(:keys)")
_CONFLICT = _about(
    """
    INSERT INTO conflicts (identity_key, contact_id)
    SELECT key, :contact FROM identities WHERE key = ANY(:keys) AND contact_id <> :contact ON CONFLICT DO NOTHING
    """
)


async def identities(session: AsyncSession, contact: str) -> dict[str, Identity]:
    """All keys of a contact."""
    rows = await session.execute(select(*_COLUMNS).where(IdentityRow.contact_id == contact))
    return {row.key: Identity(*row) for row in rows}


async def decided(session: AsyncSession, contact: str, losing: str) -> bool:
    """Whether these two were taken apart before."""
    whose = select(IdentityRow.contact_id).where(IdentityRow.key == losing).scalar_subquery()
    ours = select(ApartRow.one).join(IdentityRow, IdentityRow.key == ApartRow.other)
    query = ours.where(IdentityRow.contact_id == contact, ApartRow.one.in_(_keys_of(whose)))
    return (await session.execute(query.limit(1))).first() is not None


def _keys_of(contact: ColumnElement[str]) -> Select[str]:
    return select(IdentityRow.key).where(IdentityRow.contact_id == contact)


async def brought(session: AsyncSession, keys: Collection[str]) -> dict[str, Person]:
    """What contacts held when their facts began to be kept whole, by their keys then."""
    rows = (await session.execute(select(BroughtRow).where(BroughtRow.key.in_(keys)))).scalars()
    return {row.key: _person(row.person) for row in rows}


def _person(kept: Mapping[str, Any]) -> Person:
    moments = {name: datetime.fromisoformat(kept[name]) for name in ("created_at", "last_seen_at") if kept[name]}
    return Person(**{**kept, **moments})


async def lines(session: AsyncSession, contact: str) -> AsyncIterator[Line]:
    """The lines of a contact whose facts are kept, the oldest first, a page at a time."""
    columns = (
        TimelineRow.captured_as,
        TimelineRow.type,
        TimelineRow.time,
        TimelineRow.data["source"].astext,
        TimelineRow.said,
    )
    query = select(*columns).where(TimelineRow.contact_id == contact, TimelineRow.captured_as.is_not(None))
    query = query.order_by(TimelineRow.time, TimelineRow.id).execution_options(yield_per=_PAGE)
    async for row in await session.stream(query):
        yield Line(*row)


async def counts(session: AsyncSession, contact: str) -> dict[str, int]:
    """How many lines of a contact came as each key."""
    query = select(TimelineRow.captured_as, func.count()).where(TimelineRow.contact_id == contact)
    rows = await session.execute(query.group_by(TimelineRow.captured_as))
    return {key: count for key, count in rows if key is not None}


async def merged_at(session: AsyncSession, contact: str) -> dict[str, datetime]:
    """When each key was merged into this contact."""
    rows = await session.execute(
        select(IdentityRow.key, IdentityRow.merged_at).where(IdentityRow.contact_id == contact)
    )
    return {key: at for key, at in rows if at is not None}


async def give_back(session: AsyncSession, surviving: str, losing: str, keys: Collection[str]) -> None:
    """These keys are the losing person's again, and the lines that came as them. Both contacts are written before."""
    for statement in _GIVE_BACK:
        await session.execute(statement, {"surviving": surviving, "losing": losing, "keys": list(keys)})


async def retell(session: AsyncSession, losing: str, keys: Collection[str]) -> None:
    """Everybody is told that these keys are merged into the losing person."""
    await session.execute(_RETELL, {"losing": losing, "keys": list(keys)})


async def set_conflicts(session: AsyncSession, contact: str, uses: Collection[str], no_more: Collection[str]) -> None:
    """Which identifiers of others a contact uses, and which not any more."""
    await session.execute(_NO_CONFLICT, {"contact": contact, "keys": list(no_more)})
    await session.execute(_CONFLICT, {"contact": contact, "keys": list(uses)})


async def keep_apart(
    session: AsyncSession, one: str, other: str, known: Collection[str], reason: str, at: datetime
) -> None:
    """Remembers the decision; of two about the same pair the later one holds."""
    values = {"known": sorted(known), "reason": reason, "at": at}
    statement = insert(ApartRow).values(one=one, other=other, **values)
    await session.execute(statement.on_conflict_do_update(index_elements=["one", "other"], set_=values))


async def next_number(session: AsyncSession) -> int:
    """Counts decisions: of two about the same people the later one has the higher number."""
    return (await session.execute(select(SEPARATIONS.next_value()))).scalar_one()


async def last_orders(session: AsyncSession, contacts: Collection[str]) -> dict[str, datetime]:
    """When each of these last ordered; those who never did are left out."""
    query = select(TimelineRow.contact_id, func.max(TimelineRow.time)).where(TimelineRow.contact_id.in_(contacts))
    rows = await session.execute(query.where(TimelineRow.type == _ORDER).group_by(TimelineRow.contact_id))
    return {row[0]: row[1] for row in rows}
