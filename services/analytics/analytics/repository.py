"""The queries of the HTTP API. What the runtime writes is in checkpoint.py, task.py and trainer.py."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import Integer, cast, delete, func, select, true
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from analytics.models import AdoptionRow, DecisionRow, ModelRow, ProfileRow, QueryRow, SeenRow, TaskRow, TriggerRow
from common.paging import Page, after, page

KEEP_IDS = timedelta(days=7)


async def profile(session: AsyncSession, customer: str) -> tuple[bytes, bytes | None] | None:
    """The packed profile, and the state of the task that keeps it."""
    query = (
        select(ProfileRow.packed, TaskRow.state)
        .join(TaskRow, TaskRow.partition == ProfileRow.partition)
        .where(ProfileRow.customer == customer)
    )
    row = (await session.execute(query)).one_or_none()
    return (row.packed, row.state) if row else None


async def triggers(
    session: AsyncSession,
    *,
    only_open: bool,
    customer: str | None = None,
    kind: str | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> Page[TriggerRow]:
    """Newest first."""
    query = select(TriggerRow).order_by(TriggerRow.opened_at.desc(), TriggerRow.id.desc())
    if only_open:
        query = query.where(TriggerRow.open)
    if customer:
        query = query.where(TriggerRow.customer == customer)
    if kind:
        query = query.where(TriggerRow.kind == kind)
    query = after(query, cursor, TriggerRow.opened_at, TriggerRow.id)
    rows = (await session.execute(query.limit(limit + 1))).scalars().all()
    return page(rows, limit, lambda row: (row.opened_at, row.id))


async def decision(session: AsyncSession, id_: str) -> DecisionRow | None:
    return await session.get(DecisionRow, id_)


async def decisions(
    session: AsyncSession,
    *,
    customer: str | None,
    kind: str | None,
    trigger: str | None,
    limit: int,
    cursor: str | None,
) -> Page[DecisionRow]:
    """Newest first."""
    query = select(DecisionRow).order_by(DecisionRow.time.desc(), DecisionRow.id.desc())
    for column, wanted in ((DecisionRow.customer, customer), (DecisionRow.kind, kind), (DecisionRow.trigger, trigger)):
        query = query if wanted is None else query.where(column == wanted)
    query = after(query, cursor, DecisionRow.time, DecisionRow.id)
    rows = (await session.execute(query.limit(limit + 1))).scalars().all()
    return page(rows, limit, lambda row: (row.time, row.id))


async def newest_models(session: AsyncSession, name: str | None = None) -> Sequence[ModelRow]:
    """The newest version of each model, or of the one named."""
    newest = select(ModelRow.name, func.max(ModelRow.version).label("version")).group_by(ModelRow.name).subquery()
    query = select(ModelRow).join(newest, (ModelRow.name == newest.c.name) & (ModelRow.version == newest.c.version))
    query = query if name is None else query.where(ModelRow.name == name)
    return (await session.execute(query.options(defer(ModelRow.state)).order_by(ModelRow.name))).scalars().all()


async def versions(session: AsyncSession, name: str, limit: int) -> Sequence[ModelRow]:
    """Newest first, without their snapshots."""
    query = select(ModelRow).where(ModelRow.name == name).order_by(ModelRow.version.desc()).limit(limit)
    return (await session.execute(query.options(defer(ModelRow.state)))).scalars().all()


async def model(session: AsyncSession, name: str, version: int) -> ModelRow | None:
    return await session.get(ModelRow, (name, version), options=[defer(ModelRow.state)])


async def adoptions(session: AsyncSession) -> Sequence[AdoptionRow]:
    """The last one of each model: what is scored with."""
    query = (
        select(AdoptionRow).ext(distinct_on(AdoptionRow.name)).order_by(AdoptionRow.name, AdoptionRow.position.desc())
    )
    return (await session.execute(query)).scalars().all()


async def adoption(session: AsyncSession, name: str) -> AdoptionRow | None:
    """The last one of a model."""
    query = select(AdoptionRow).where(AdoptionRow.name == name).order_by(AdoptionRow.position.desc()).limit(1)
    return (await session.execute(query)).scalar()


async def states(session: AsyncSession) -> Sequence[bytes]:
    """What each task knows that is not one customer's."""
    query = select(TaskRow.state).where(TaskRow.state.is_not(None)).order_by(TaskRow.partition)
    return [state for state in (await session.execute(query)).scalars() if state]


async def version_before(session: AsyncSession, name: str) -> int | None:
    """The version that was scored with before the one in use."""
    mine = select(AdoptionRow.version).where(AdoptionRow.name == name).order_by(AdoptionRow.position.desc())
    current = (await session.execute(mine.limit(1))).scalar()
    return (await session.execute(mine.where(AdoptionRow.version < (current or 0)).limit(1))).scalar()


async def forget_ids(session: AsyncSession) -> None:
    """Drops ids older than any producer repeats; those of orders stay for good."""
    await session.execute(delete(SeenRow).where(~SeenRow.forever, SeenRow.at < func.now() - KEEP_IDS))


async def queries(session: AsyncSession, *, ended: bool, limit: int, cursor: str | None) -> Page[QueryRow]:
    """Newest first; those that were ended only if asked for."""
    query = select(QueryRow).order_by(QueryRow.created_at.desc(), QueryRow.id.desc())
    query = query if ended else query.where(QueryRow.ended_at.is_(None))
    query = after(query, cursor, QueryRow.created_at, QueryRow.id)
    rows = (await session.execute(query.limit(limit + 1))).scalars().all()
    return page(rows, limit, lambda row: (row.created_at, row.id))


async def query(session: AsyncSession, id_: str, *, to_change: bool = False) -> QueryRow | None:
    return await session.get(QueryRow, id_, with_for_update=to_change)


async def task_states(session: AsyncSession) -> Sequence[bytes]:
    """What tasks know beside their customers, one of each partition that was ever folded."""
    return [state for state in (await session.execute(select(TaskRow.state))).scalars() if state]


async def active_queries(session: AsyncSession) -> Sequence[QueryRow]:
    """Those that were not ended, for whoever is about to add one: the next waits until this transaction is over."""
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtext("heed queries"))))
    return (await session.execute(select(QueryRow).where(QueryRow.ended_at.is_(None)))).scalars().all()


async def last_number(session: AsyncSession) -> int:
    """The number of the query that was saved last."""
    newest = select(QueryRow.number).order_by(QueryRow.created_at.desc(), QueryRow.id.desc())
    return (await session.execute(newest.limit(1))).scalar() or 0


async def last_track(session: AsyncSession) -> int:
    """The largest number that a track ever had."""
    number = func.jsonb_each_text(QueryRow.tracks).table_valued("key", "value").render_derived().lateral()
    found = select(func.max(cast(number.c.value, Integer))).select_from(QueryRow).join(number, true())
    return (await session.execute(found)).scalar() or 0


async def triggers_of_queries(session: AsyncSession, ids: Sequence[str]) -> dict[str, tuple[int, int]]:
    """How many triggers each query raised, and how many of them are open."""
    rule = TriggerRow.data["rule"].astext
    mine = select(rule, func.count(), func.count().filter(TriggerRow.open)).group_by(rule)
    mine = mine.where(TriggerRow.kind == "standing_query", rule.in_(ids))
    return {id_: (raised, still) for id_, raised, still in await session.execute(mine)}
