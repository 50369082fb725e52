"""Reading for pages: people, their names, their timelines."""

from collections.abc import Collection

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from common.paging import Page, after, page
from contact.models import ConflictRow, ContactRow, IdentityRow, TimelineRow


async def newest(session: AsyncSession, limit: int, cursor: str | None) -> Page[ContactRow]:
    """Everybody, the newest first."""
    query = select(ContactRow).order_by(ContactRow.created_at.desc(), ContactRow.id.desc())
    query = after(query, cursor, ContactRow.created_at, ContactRow.id)
    rows = (await session.execute(query.limit(limit + 1))).scalars().all()
    return page(rows, limit, lambda row: (row.created_at, row.id))


async def find(session: AsyncSession, key: str) -> ContactRow | None:
    """The person whose customer key this is, or was before a merge."""
    query = select(ContactRow).join(IdentityRow, IdentityRow.contact_id == ContactRow.id)
    return (await session.execute(query.where(IdentityRow.key == key))).scalar_one_or_none()


async def find_all(session: AsyncSession, keys: Collection[str]) -> dict[str, ContactRow]:
    """As `find`, for many keys at once; those of nobody are left out."""
    query = select(IdentityRow.key, ContactRow).join(ContactRow, IdentityRow.contact_id == ContactRow.id)
    rows = await session.execute(query.where(IdentityRow.key.in_(keys)))
    return {row.key: row.ContactRow for row in rows}


async def shared_with(session: AsyncSession, contact: str) -> list[tuple[IdentityRow, ContactRow]]:
    """The identifiers that this person and others use, each with the other person."""
    mine, theirs = ConflictRow.contact_id == contact, IdentityRow.contact_id == contact
    pairs = select(IdentityRow, ConflictRow.contact_id).join(ConflictRow, ConflictRow.identity_key == IdentityRow.key)
    found = (await session.execute(pairs.where(or_(mine, theirs)).limit(50))).all()
    others = {user if identity.contact_id == contact else identity.contact_id for identity, user in found}
    rows = (await session.execute(select(ContactRow).where(ContactRow.id.in_(others - {contact})))).scalars()
    people = {row.id: row for row in rows}
    named = ((identity, user if identity.contact_id == contact else identity.contact_id) for identity, user in found)
    return [(identity, people[other]) for identity, other in named if other in people]


async def timeline(
    session: AsyncSession, contact: str, kinds: Collection[str], limit: int, cursor: str | None
) -> Page[TimelineRow]:
    """What happened, the newest first; all kinds when none is named."""
    query = select(TimelineRow).where(TimelineRow.contact_id == contact)
    if kinds:
        query = query.where(TimelineRow.kind.in_(kinds))
    query = after(query, cursor, TimelineRow.time, TimelineRow.id)
    query = query.order_by(TimelineRow.time.desc(), TimelineRow.id.desc())
    rows = (await session.execute(query.limit(limit + 1))).scalars().all()
    return page(rows, limit, lambda row: (row.time, row.id))
