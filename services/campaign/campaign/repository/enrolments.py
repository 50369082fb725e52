"""Enrolments. Whoever writes one holds its customer's contact."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from campaign.domain import Enrolment, Outcome, Signal
from campaign.models import ContactRow, EnrolmentRow
from common.paging import Page, after, page


async def may_enter(session: AsyncSession, customer: str, journey: str, trigger_id: str, since: datetime) -> bool:
    """Whether this customer is not in the journey, did not enter it lately, nor ever by this trigger."""
    again = or_(EnrolmentRow.ended_at.is_(None), EnrolmentRow.entered_at > since, EnrolmentRow.trigger_id == trigger_id)
    query = select(EnrolmentRow.id).where(EnrolmentRow.customer == customer, EnrolmentRow.journey == journey, again)
    return (await session.execute(query.limit(1))).scalar_one_or_none() is None


async def add(session: AsyncSession, row: EnrolmentRow) -> None:
    session.add(row)
    await session.flush()


async def get(session: AsyncSession, id_: str) -> EnrolmentRow:
    return await session.get_one(EnrolmentRow, id_, populate_existing=True)


async def live(session: AsyncSession, customer: str) -> Sequence[EnrolmentRow]:
    query = select(EnrolmentRow).where(EnrolmentRow.customer == customer, EnrolmentRow.ended_at.is_(None))
    ordered = query.order_by(EnrolmentRow.entered_at, EnrolmentRow.id)
    return (await session.execute(ordered.execution_options(populate_existing=True))).scalars().all()


async def customers_of_live(session: AsyncSession, customers: Iterable[str]) -> set[str]:
    """Those of these customers who are in a journey."""
    query = select(EnrolmentRow.customer).where(
        EnrolmentRow.customer.in_(list(customers)), EnrolmentRow.ended_at.is_(None)
    )
    return set((await session.execute(query)).scalars())


async def hold_due(session: AsyncSession, now: datetime, limit: int = 50) -> list[str]:
    """Customers for whom a wait is over, held; those that somebody else holds are skipped."""
    query = (
        select(ContactRow.customer)
        .join(EnrolmentRow, EnrolmentRow.customer == ContactRow.customer)
        .where(EnrolmentRow.due_at <= now)
        .order_by(EnrolmentRow.due_at)
        .limit(limit)
        .with_for_update(of=ContactRow, skip_locked=True)
    )
    return list(dict.fromkeys((await session.execute(query)).scalars()))


async def move_customer(session: AsyncSession, losing: str, surviving: str) -> None:
    await session.execute(update(EnrolmentRow).where(EnrolmentRow.customer == losing).values(customer=surviving))


async def move_back(session: AsyncSession, held_by: str, said_of: Collection[str], to: str) -> Sequence[str]:
    """Those of a customer whose trigger was about one of these keys. Returns their ids."""
    theirs = (EnrolmentRow.customer == held_by, EnrolmentRow.said_of.in_(said_of))
    moved = update(EnrolmentRow).where(*theirs).values(customer=to).returning(EnrolmentRow.id)
    return (await session.execute(moved)).scalars().all()


async def search(
    session: AsyncSession, journey: str, *, live: bool | None, limit: int, cursor: str | None
) -> Page[EnrolmentRow]:
    """Newest first; `live` None means all."""
    query = select(EnrolmentRow).where(EnrolmentRow.journey == journey)
    if live is not None:
        query = query.where(EnrolmentRow.ended_at.is_(None) if live else EnrolmentRow.ended_at.is_not(None))
    query = after(query, cursor, EnrolmentRow.entered_at, EnrolmentRow.id)
    ordered = query.order_by(EnrolmentRow.entered_at.desc(), EnrolmentRow.id.desc()).limit(limit + 1)
    rows = (await session.execute(ordered)).scalars().all()
    return page(rows, limit, lambda row: (row.entered_at, row.id))


async def outcomes(session: AsyncSession) -> dict[str, dict[str | None, int]]:
    """Journey → outcome (None: still in it) → how many."""
    query = select(EnrolmentRow.journey, EnrolmentRow.outcome, func.count()).group_by(
        EnrolmentRow.journey, EnrolmentRow.outcome
    )
    counts: dict[str, dict[str | None, int]] = {}
    for journey, outcome, count in await session.execute(query):
        counts.setdefault(journey, {})[outcome] = count
    return counts


async def entered(session: AsyncSession) -> dict[tuple[str, str], int]:
    """(journey, step) → how many enrolments have come to it."""
    steps = select(EnrolmentRow.journey, func.unnest(EnrolmentRow.visited).label("step")).subquery()
    query = select(steps.c.journey, steps.c.step, func.count()).group_by(steps.c.journey, steps.c.step)
    rows = await session.execute(query)
    return {(journey, name): count for journey, name, count in rows}


def to_domain(row: EnrolmentRow) -> Enrolment:
    return Enrolment(
        step=row.step,
        due_at=row.due_at,
        visited=tuple(row.visited),
        mail_step=row.mail_step,
        mailed=row.mailed,
        responses=frozenset(Signal(name) for name in row.responses),
        ended_at=row.ended_at,
        outcome=Outcome(row.outcome) if row.outcome else None,
    )


def store(row: EnrolmentRow, enrolment: Enrolment) -> None:
    """Writes what the rules decided into the row."""
    changed = asdict(enrolment) | {"visited": list(enrolment.visited), "responses": sorted(enrolment.responses)}
    for name, value in changed.items():
        setattr(row, name, value)
