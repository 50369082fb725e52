"""Every SQL statement of the console."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import any_, delete, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import joinedload

from common.paging import Page, after, page
from console.domain import Attempts, Role
from console.models import SessionRow, SignInAttemptRow, UserRow


async def add_user(session: AsyncSession, user: UserRow) -> bool:
    """False when the e-mail address is taken."""
    values = {column.key: getattr(user, column.key) for column in UserRow.__table__.columns}
    statement = insert(UserRow).values(values).on_conflict_do_nothing(index_elements=["email"])
    return await session.scalar(statement.returning(UserRow.id)) is not None


async def user_by_email(session: AsyncSession, email: str) -> UserRow | None:
    return await session.scalar(select(UserRow).where(UserRow.email == email))


async def names(session: AsyncSession, ids: Sequence[str]) -> dict[str, str]:
    rows = await session.execute(select(UserRow.id, UserRow.name).where(UserRow.id.in_(ids)))
    return {row.id: row.name for row in rows}


async def users(session: AsyncSession, limit: int, cursor: str | None) -> Page[UserRow]:
    query = after(select(UserRow), cursor, UserRow.created_at, UserRow.id)
    query = query.order_by(UserRow.created_at.desc(), UserRow.id.desc()).limit(limit + 1)
    return page((await session.scalars(query)).all(), limit, lambda row: (row.created_at, row.id))


async def set_time_zone(session: AsyncSession, user_id: str, time_zone: str) -> None:
    await session.execute(update(UserRow).where(UserRow.id == user_id).values(time_zone=time_zone))


async def unannounced(session: AsyncSession, limit: int = 50) -> Sequence[UserRow]:
    """Sales people whom the sales service has not been told of, oldest first."""
    sells = literal(Role.SALES.value) == any_(UserRow.roles)
    query = select(UserRow).where(UserRow.announced_at.is_(None), sells)
    return (await session.scalars(query.order_by(UserRow.created_at).limit(limit))).all()


async def mark_announced(session: AsyncSession, user_id: str, now: datetime) -> None:
    await session.execute(update(UserRow).where(UserRow.id == user_id).values(announced_at=now))


async def find_session(session: AsyncSession, token_hash: bytes) -> SessionRow | None:
    query = select(SessionRow).where(SessionRow.token_hash == token_hash).options(joinedload(SessionRow.user))
    return await session.scalar(query)


async def end_session(session: AsyncSession, token_hash: bytes) -> None:
    await session.execute(delete(SessionRow).where(SessionRow.token_hash == token_hash))


async def forget(session: AsyncSession, sessions_before: datetime, attempts_before: datetime) -> None:
    """Deletes sessions unused, and tries made, since before these moments."""
    await session.execute(delete(SessionRow).where(SessionRow.seen_at < sessions_before))
    await session.execute(delete(SignInAttemptRow).where(SignInAttemptRow.at < attempts_before))


def record_attempt(session: AsyncSession, email: str, address: str, now: datetime) -> None:
    session.add(SignInAttemptRow(email=email, address=address, at=now))


async def attempts(session: AsyncSession, email: str, address: str, since: datetime) -> Attempts:
    """How often this person, this address and both together have tried since then."""
    row = SignInAttemptRow
    both = func.count().filter((row.email == email) & (row.address == address))
    person = func.count().filter(row.email == email)
    place = func.count().filter(row.address == address)
    recent = (row.at > since) & ((row.email == email) | (row.address == address))
    counts = (await session.execute(select(both, person, place).where(recent))).one()
    return Attempts(*counts)


async def clear_attempts(session: AsyncSession, email: str, address: str) -> None:
    row = SignInAttemptRow
    await session.execute(delete(row).where(row.email == email, row.address == address))
