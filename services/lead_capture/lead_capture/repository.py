"""Every SQL statement of capture."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg
from sqlalchemy import Row, and_, delete, func, insert, or_, select, text, tuple_, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from common.outbox import OUTBOX
from lead_capture.models import ALIASES, IDEMPOTENCY, IMPORTS, WRITE_KEYS

_TICK_LOCK = 0x5449434B  # spells TICK
_ABANDONED = timedelta(seconds=30)
_REPEATS_KEPT = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Reservation:
    """A request that carries an `Idempotency-Key`."""

    source: str
    key: str
    fingerprint: bytes


async def count_spooled(session: AsyncSession, at_most: int | None = None) -> int:
    """How many messages wait, counted no further than `at_most`."""
    rows = select(OUTBOX.c.position).limit(at_most).subquery()
    return int((await session.execute(select(func.count()).select_from(rows))).scalar_one())


async def add_key(session: AsyncSession, values: Mapping[str, object]) -> datetime:
    """Returns when it was created."""
    statement = insert(WRITE_KEYS).values(**values).returning(WRITE_KEYS.c.created_at)
    return (await session.execute(statement)).scalar_one()  # type: ignore[no-any-return]


async def list_keys(session: AsyncSession) -> Sequence[Row]:  # type: ignore[type-arg]
    return (await session.execute(select(WRITE_KEYS).order_by(WRITE_KEYS.c.created_at))).all()


async def revoke_key(session: AsyncSession, id_: str) -> bool:
    """Whether there was such a key."""
    known = WRITE_KEYS.c.id == id_
    revoked = func.coalesce(WRITE_KEYS.c.revoked_at, func.now())
    statement = update(WRITE_KEYS).where(known).values(revoked_at=revoked).returning(WRITE_KEYS.c.id)
    return (await session.execute(statement)).first() is not None


async def add_import(session: AsyncSession, id_: str, source: str, started: datetime) -> None:
    await session.execute(insert(IMPORTS).values(id=id_, source=source, started_at=started))


async def find_import(session: AsyncSession, id_: str) -> Row | None:  # type: ignore[type-arg]
    return (await session.execute(select(IMPORTS).where(IMPORTS.c.id == id_))).first()


async def end_import(session: AsyncSession, id_: str) -> None:
    ended = func.coalesce(IMPORTS.c.ended_at, func.now())
    await session.execute(update(IMPORTS).where(IMPORTS.c.id == id_).values(ended_at=ended))


async def reserve(session: AsyncSession, wanted: Sequence[Reservation]) -> set[tuple[str, str]]:
    """The (source, key) pairs that are now ours; one abandoned by a process that died is taken over."""
    rows = [{"source": r.source, "key": r.key, "fingerprint": r.fingerprint} for r in wanted]
    statement = postgresql.insert(IDEMPOTENCY).values(rows)
    abandoned = and_(
        IDEMPOTENCY.c.status.is_(None),
        IDEMPOTENCY.c.reserved_at < func.now() - _ABANDONED,
        IDEMPOTENCY.c.fingerprint == statement.excluded.fingerprint,
    )
    statement = statement.on_conflict_do_update(
        index_elements=["source", "key"], set_={"reserved_at": func.now()}, where=abandoned
    )
    mine = await session.execute(statement.returning(IDEMPOTENCY.c.source, IDEMPOTENCY.c.key))
    return {(source, key) for source, key in mine}


async def find_answers(session: AsyncSession, pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Row]:  # type: ignore[type-arg]
    """What is known of these (source, key) pairs."""
    both = tuple_(IDEMPOTENCY.c.source, IDEMPOTENCY.c.key)
    rows = (await session.execute(select(IDEMPOTENCY).where(both.in_(list(pairs))))).all()
    return {(row.source, row.key): row for row in rows}


async def keep_answers(
    session: AsyncSession, answers: Mapping[tuple[str, str], tuple[int, str | None, bytes] | None]
) -> None:
    """Stores (status, location, body) of each; None gives the reservation back."""
    released = [pair for pair, answer in answers.items() if answer is None]
    if released:
        matches = or_(*(and_(IDEMPOTENCY.c.source == s, IDEMPOTENCY.c.key == k) for s, k in released))
        await session.execute(delete(IDEMPOTENCY).where(matches, IDEMPOTENCY.c.status.is_(None)))
    statement = text(
        "UPDATE idempotency SET status = :status, location = :location, answer = :answer"
        " WHERE source = :source AND key = :key"
    )
    kept = [
        {"source": source, "key": key, "status": answer[0], "location": answer[1], "answer": answer[2]}
        for (source, key), answer in answers.items()
        if answer
    ]
    if kept:
        await session.execute(statement, kept)


async def forget_answers(session: AsyncSession) -> None:
    """Drops what no client will repeat any more."""
    await session.execute(delete(IDEMPOTENCY).where(IDEMPOTENCY.c.reserved_at < func.now() - _REPEATS_KEPT))


async def point(session: AsyncSession, aliases: Iterable[str], survivor: str) -> None:
    """From now on these customer keys stand for `survivor`; a key that stands for itself is kept only if known."""
    statement = text(
        "INSERT INTO aliases (alias, survivor)"
        " SELECT alias, :survivor FROM unnest(CAST(:aliases AS text[])) AS alias"
        " WHERE alias <> :survivor OR EXISTS (SELECT 1 FROM aliases known WHERE known.alias = :survivor)"
        " ON CONFLICT (alias) DO UPDATE SET survivor = excluded.survivor, changed_at = now()"
        " WHERE aliases.survivor <> excluded.survivor"
    )
    await session.execute(statement, {"aliases": sorted(set(aliases)), "survivor": survivor})


async def repoint(session: AsyncSession, losing: str, survivor: str) -> None:
    """What stood for `losing` stands for `survivor` now."""
    await session.execute(
        update(ALIASES).where(ALIASES.c.survivor == losing).values(survivor=survivor, changed_at=func.now())
    )


async def hand_back(session: AsyncSession, keys: Iterable[str], held_by: Iterable[str], to: str) -> None:
    """Of these keys those that stand for one of `held_by` stand for `to` now. Rows stay, so that all replicas hear."""
    held = and_(ALIASES.c.alias.in_(list(keys)), ALIASES.c.survivor.in_(list(held_by)))
    await session.execute(update(ALIASES).where(held).values(survivor=to, changed_at=func.now()))


async def survivor(session: AsyncSession, key: str) -> str:
    """The key that this one stands for, itself where nothing else is known."""
    found = await session.execute(select(ALIASES.c.survivor).where(ALIASES.c.alias == key))
    return found.scalar_one_or_none() or key


async def changed_aliases(session: AsyncSession, since: datetime | None) -> Sequence[Row]:  # type: ignore[type-arg]
    query = select(ALIASES.c.alias, ALIASES.c.survivor, ALIASES.c.changed_at)
    if since is not None:
        query = query.where(ALIASES.c.changed_at >= since)
    return (await session.execute(query)).all()


async def lead_ticking(connection: asyncpg.Connection) -> bool:
    """Tries to be the one replica that ticks, for as long as this connection lives."""
    return bool(await connection.fetchval("SELECT pg_try_advisory_lock($1)", _TICK_LOCK))


async def report_floor(connection: asyncpg.Connection, instance: str, floor: datetime) -> tuple[datetime, bool]:
    """Tells the others what this replica has made safe; returns the lowest floor of all and whether nothing waits.

    A replica not heard of for 15 s is gone: what it had not acknowledged was never promised.
    """
    await connection.execute(
        "INSERT INTO replicas (instance, accepted_before) VALUES ($1, $2)"
        " ON CONFLICT (instance) DO UPDATE SET accepted_before = excluded.accepted_before, seen_at = now()",
        instance,
        floor,
    )
    row = await connection.fetchrow(
        "SELECT min(accepted_before) AS floor, NOT EXISTS (SELECT 1 FROM outbox) AS empty"
        " FROM replicas WHERE seen_at > now() - interval '15 seconds'"
    )
    assert row is not None
    return row["floor"], row["empty"]
