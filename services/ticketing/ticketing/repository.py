"""Every SQL statement of ticketing."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from common.paging import Page, after, page
from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from ticketing.domain import Priority, Status, Ticket
from ticketing.models import ReplyRow, TicketRow


async def add(session: AsyncSession, row: TicketRow | ReplyRow) -> None:
    session.add(row)
    await session.flush()


async def find(session: AsyncSession, ticket_id: str) -> TicketRow | None:
    """The ticket with its replies."""
    query = select(TicketRow).where(TicketRow.id == ticket_id).options(selectinload(TicketRow.replies))
    return (await session.execute(query)).scalar_one_or_none()


async def lock(session: AsyncSession, ticket_id: str) -> TicketRow | None:
    """The ticket, held until the transaction ends, so that its facts leave in the order of their commits."""
    return (
        await session.execute(select(TicketRow).where(TicketRow.id == ticket_id).with_for_update())
    ).scalar_one_or_none()


async def search(
    session: AsyncSession,
    *,
    status: Status | None,
    assignee: str | None,
    customer: str | None,
    text: str | None,
    limit: int,
    cursor: str | None,
) -> Page[TicketRow]:
    """Newest first."""
    query = select(TicketRow).order_by(TicketRow.created_at.desc(), TicketRow.id.desc())
    if status:
        query = query.where(TicketRow.status == status)
    if assignee:
        query = query.where(TicketRow.assignee_id == assignee)
    if customer:
        query = query.where(TicketRow.customer == customer)
    if text:
        query = query.where(TicketRow.subject.icontains(text, autoescape=True))
    query = after(query, cursor, TicketRow.created_at, TicketRow.id)
    rows = (await session.execute(query.limit(limit + 1))).scalars().all()
    return page(rows, limit, lambda row: (row.created_at, row.id))


async def overdue(session: AsyncSession, now: datetime, limit: int = 100) -> Sequence[TicketRow]:
    """Tickets with a deadline that passed; other replicas skip those held here."""
    passed = or_(TicketRow.first_response_due <= now, TicketRow.resolution_due <= now)
    query = select(TicketRow).where(passed).order_by(TicketRow.created_at).limit(limit)
    return (await session.execute(query.with_for_update(skip_locked=True))).scalars().all()


async def move_customer(session: AsyncSession, losing: str, surviving: str) -> None:
    await session.execute(update(TicketRow).where(TicketRow.customer == losing).values(customer=surviving))


def to_domain(row: TicketRow) -> Ticket:
    return Ticket(
        status=Status(row.status),
        priority=Priority(row.priority),
        created_at=row.created_at,
        first_response_due=row.first_response_due,
        resolution_due=row.resolution_due,
        first_response_at=row.first_response_at,
        resolved_at=row.resolved_at,
        escalated=row.escalated,
    )


def store(row: TicketRow, ticket: Ticket) -> None:
    """Writes what the rules decided into the row."""
    for name, value in asdict(ticket).items():
        setattr(row, name, value)
