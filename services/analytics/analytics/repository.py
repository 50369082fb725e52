"""The queries of the HTTP API. What the runtime writes is in checkpoint.py, task.py and trainer.py."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from analytics.models import ModelRow, ProfileRow, SeenRow, TaskRow, TriggerRow
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


async def newest_models(session: AsyncSession) -> Sequence[ModelRow]:
    """The newest version of each model."""
    newest = select(ModelRow.name, func.max(ModelRow.version).label("version")).group_by(ModelRow.name).subquery()
    query = select(ModelRow).join(newest, (ModelRow.name == newest.c.name) & (ModelRow.version == newest.c.version))
    return (await session.execute(query)).scalars().all()


async def forget_ids(session: AsyncSession) -> None:
    """Drops ids older than any producer repeats; those of orders stay for good."""
    await session.execute(delete(SeenRow).where(~SeenRow.forever, SeenRow.at < func.now() - KEEP_IDS))
