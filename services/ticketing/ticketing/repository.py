"""Every SQL statement of ticketing."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import bindparam, delete, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from common.paging import Page, after, page
from ticketing.domain import Priority, Status, Ticket
from ticketing.models import AnsweredRequestRow, MergedCustomerRow, ReplyRow, TicketRow

# Built once: to put a statement together costs more than to execute it.
_LOCK = select(TicketRow).where(TicketRow.id == bindparam("key")).with_for_update()
_WITH_REPLIES = (
    select(TicketRow)
    .where(TicketRow.id == bindparam("key"))
    .options(selectinload(TicketRow.replies))
    .execution_options(populate_existing=True)
)
_HOLD_CUSTOMER = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))")
_SURVIVING = select(MergedCustomerRow.surviving).where(MergedCustomerRow.losing == bindparam("key"))


@dataclass(frozen=True)
class Filter:
    """Which tickets a list shows; None does not restrict."""

    status: Status | None = None
    assignee: str | None = None
    customer: str | None = None
    text: str | None = None


async def add(session: AsyncSession, *rows: TicketRow | ReplyRow) -> None:
    session.add_all(rows)
    await session.flush()


async def find(session: AsyncSession, ticket_id: str) -> TicketRow | None:
    """The ticket with its replies."""
    return (await session.execute(_WITH_REPLIES, {"key": ticket_id})).scalar_one_or_none()


async def lock(session: AsyncSession, ticket_id: str) -> TicketRow | None:
    """The ticket, held until the transaction ends, so that its facts leave in the order of their commits."""
    return (await session.execute(_LOCK, {"key": ticket_id})).scalar_one_or_none()


async def search(session: AsyncSession, wanted: Filter, limit: int, cursor: str | None) -> Page[TicketRow]:
    """Newest first. The text is looked for in subjects; a number finds the ticket of that number too."""
    query = select(TicketRow).order_by(TicketRow.created_at.desc(), TicketRow.id.desc())
    if wanted.status:
        query = query.where(TicketRow.status == wanted.status)
    if wanted.assignee:
        query = query.where(TicketRow.assignee_id == wanted.assignee)
    if wanted.customer:
        query = query.where(TicketRow.customer == await surviving(session, wanted.customer))
    if wanted.text:
        in_subject = TicketRow.subject.icontains(wanted.text, autoescape=True)
        number = wanted.text.removeprefix("#")
        is_number = number.isascii() and number.isdigit() and len(number) < 10
        query = query.where(or_(in_subject, TicketRow.number == int(number)) if is_number else in_subject)
    query = after(query, cursor, TicketRow.created_at, TicketRow.id)
    rows = (await session.execute(query.limit(limit + 1))).scalars().all()
    return page(rows, limit, lambda row: (row.created_at, row.id))


async def overdue(session: AsyncSession, now: datetime, limit: int = 100) -> Sequence[TicketRow]:
    """Tickets with a deadline that passed; other replicas skip those held here."""
    passed = or_(TicketRow.first_response_due <= now, TicketRow.resolution_due <= now)
    query = select(TicketRow).where(passed).order_by(TicketRow.created_at).limit(limit)
    return (await session.execute(query.with_for_update(skip_locked=True))).scalars().all()


async def hold_customers(session: AsyncSession, *customers: str) -> None:
    """Until the transaction ends nobody merges, or opens a ticket of, one of these customers."""
    for customer in sorted(set(customers)):
        await session.execute(_HOLD_CUSTOMER, {"key": customer})


async def surviving(session: AsyncSession, customer: str) -> str:
    """The key this customer lives on under; its own when it was never merged."""
    return (await session.execute(_SURVIVING, {"key": customer})).scalar_one_or_none() or customer


async def move_customer(session: AsyncSession, losing: str, to: str) -> None:
    """Everything of `losing` belongs to `to` from now on, also what was merged into `losing` before."""
    await session.execute(update(TicketRow).where(TicketRow.customer == losing).values(customer=to))
    merged = update(MergedCustomerRow).where(MergedCustomerRow.surviving == losing)
    await session.execute(merged.values(surviving=to))
    known = insert(MergedCustomerRow).values(losing=losing, surviving=to)
    await session.execute(known.on_conflict_do_update(index_elements=["losing"], set_={"surviving": to}))


async def give_back(session: AsyncSession, held_by: str, said_of: Collection[str], to: str) -> None:
    """Tickets that somebody with one of these keys wrote, and the keys themselves, are `to`'s again."""
    theirs = (TicketRow.customer == held_by, TicketRow.said_of.in_(said_of))
    await session.execute(update(TicketRow).where(*theirs).values(customer=to))
    await session.execute(delete(MergedCustomerRow).where(MergedCustomerRow.losing == to))
    merged = update(MergedCustomerRow).where(MergedCustomerRow.losing.in_(said_of))
    await session.execute(merged.values(surviving=to))


async def claim(session: AsyncSession, row: AnsweredRequestRow) -> AnsweredRequestRow | None:
    """Notes that this request is being answered; the earlier note when there is one.

    Waits while another transaction answers the same request.
    """
    values = {column.name: getattr(row, column.name) for column in AnsweredRequestRow.__table__.columns}
    noted = insert(AnsweredRequestRow).values(values).on_conflict_do_nothing().returning(AnsweredRequestRow.key)
    if (await session.execute(noted)).scalar_one_or_none() is not None:
        return None
    return await session.get_one(AnsweredRequestRow, (row.caller, row.key))


async def forget_requests(session: AsyncSession, before: datetime) -> None:
    """Drops the notes of requests that nobody repeats any more."""
    await session.execute(delete(AnsweredRequestRow).where(AnsweredRequestRow.created_at < before))


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
