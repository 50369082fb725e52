"""Leads and their touches."""

from collections.abc import Collection, Sequence
from dataclasses import asdict

from sqlalchemy import Select, bindparam, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import joinedload, selectinload

from common.paging import Page, after, page
from sales.domain import OPEN_LEADS, Lead, LeadStatus
from sales.models import LeadRow, TouchRow

_SAME = (LeadRow.customer == bindparam("key"), LeadRow.email == bindparam("email"), LeadRow.phone == bindparam("phone"))
_HOLD_OPEN = (
    select(LeadRow)
    .where(LeadRow.status.in_(OPEN_LEADS), or_(*_SAME))
    .order_by(LeadRow.created_at, LeadRow.id)
    .limit(1)
    .with_for_update()
)
_HOLD_INTAKE = text("SELECT pg_advisory_xact_lock(0x4C454144)")  # spells LEAD


async def add(session: AsyncSession, *rows: LeadRow | TouchRow) -> None:
    session.add_all(rows)
    await session.flush()


async def hold_intake(session: AsyncSession) -> None:
    """Until the transaction ends nobody else takes in a lead: two replicas cannot both find that there is none."""
    await session.execute(_HOLD_INTAKE)


async def hold_open(session: AsyncSession, customer: str, email: str | None, phone: str | None) -> LeadRow | None:
    """The oldest open lead of this customer, or with this e-mail or phone."""
    told = {"key": customer, "email": email, "phone": phone}
    return (await session.execute(_HOLD_OPEN, told)).scalar_one_or_none()


async def hold(session: AsyncSession, lead_id: str) -> LeadRow | None:
    """The lead, held until the transaction ends, so that its facts leave in the order of their commits."""
    query = _query().where(LeadRow.id == lead_id).with_for_update(of=LeadRow)
    return (await session.execute(query.execution_options(populate_existing=True))).scalar_one_or_none()


async def find(session: AsyncSession, lead_id: str) -> LeadRow | None:
    return (await session.execute(_query().where(LeadRow.id == lead_id))).scalar_one_or_none()


async def search(
    session: AsyncSession,
    *,
    text: str | None,
    status: LeadStatus | None,
    owner: str | None,
    limit: int,
    cursor: str | None,
) -> Page[LeadRow]:
    """Newest first."""
    query = _query().order_by(LeadRow.created_at.desc(), LeadRow.id.desc())
    if text:
        fields = (LeadRow.name, LeadRow.email, LeadRow.phone, LeadRow.company)
        query = query.where(or_(*(field.icontains(text, autoescape=True) for field in fields)))
    if status:
        query = query.where(LeadRow.status == status)
    if owner:
        query = query.where(LeadRow.owner_id == owner)
    query = after(query, cursor, LeadRow.created_at, LeadRow.id)
    rows = (await session.execute(query.limit(limit + 1))).scalars().all()
    return page(rows, limit, lambda row: (row.created_at, row.id))


async def without_owner(session: AsyncSession, limit: int) -> Sequence[str]:
    query = select(LeadRow.id).where(LeadRow.owner_id.is_(None)).order_by(LeadRow.id).limit(limit)
    return (await session.execute(query)).scalars().all()


async def move(session: AsyncSession, losing: str, surviving: str) -> None:
    await session.execute(update(LeadRow).where(LeadRow.customer == losing).values(customer=surviving))


async def move_back(session: AsyncSession, held_by: str, said_of: Collection[str], to: str) -> None:
    """Those of a customer that somebody with one of these keys began."""
    theirs = (LeadRow.customer == held_by, LeadRow.said_of.in_(said_of))
    await session.execute(update(LeadRow).where(*theirs).values(customer=to))


def _query() -> Select[LeadRow]:
    return select(LeadRow).options(joinedload(LeadRow.owner), selectinload(LeadRow.touches))


def to_domain(row: LeadRow) -> Lead:
    return Lead(LeadStatus(row.status), row.responded_at, row.reason)


def store(row: LeadRow, state: Lead) -> None:
    """Writes what the rules decided into the row."""
    for name, value in asdict(state).items():
        setattr(row, name, value)
