"""Messages and their links. Whoever writes one holds its customer's contact."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from campaign.domain import Status
from campaign.models import ContactRow, LinkRow, MessageRow
from common.notifications import notify
from common.paging import Page, after, page

CHANNEL = "messages"
COUNTED = ("sent", "opened", "clicked", "converted", "suppressed", "failed", "unknown")


async def add(session: AsyncSession, row: MessageRow, links: Iterable[LinkRow]) -> None:
    """Stores a message and wakes the sender."""
    session.add(row)
    await session.flush()
    session.add_all(links)
    await session.flush()
    notify(session, CHANNEL)


async def get(session: AsyncSession, id_: str) -> MessageRow:
    return await session.get_one(MessageRow, id_, populate_existing=True)


async def is_due(session: AsyncSession, now: datetime) -> bool:
    query = select(MessageRow.id).where(MessageRow.status == Status.QUEUED, MessageRow.next_attempt_at <= now)
    return (await session.execute(query.limit(1))).scalar_one_or_none() is not None


async def hold_next(session: AsyncSession, now: datetime) -> str | None:
    """The customer whose message is to go next, held; one that somebody else holds is skipped."""
    query = (
        select(ContactRow.customer)
        .join(MessageRow, MessageRow.customer == ContactRow.customer)
        .where(MessageRow.status == Status.QUEUED, MessageRow.next_attempt_at <= now)
        .order_by(MessageRow.next_attempt_at)
        .limit(1)
        .with_for_update(of=ContactRow, skip_locked=True)
    )
    return (await session.execute(query)).scalar_one_or_none()


async def next_due(session: AsyncSession, customer: str, now: datetime) -> MessageRow | None:
    """A message of a customer who is held, as it is now."""
    query = (
        select(MessageRow)
        .where(MessageRow.customer == customer, MessageRow.status == Status.QUEUED, MessageRow.next_attempt_at <= now)
        .order_by(MessageRow.next_attempt_at)
        .limit(1)
        .execution_options(populate_existing=True)
    )
    return (await session.execute(query)).scalar_one_or_none()


async def abandoned(session: AsyncSession, in_flight: Collection[str]) -> Sequence[tuple[str, str]]:
    """(id, customer) of messages that were left in the middle: being sent, but not one of those in flight."""
    query = select(MessageRow.id, MessageRow.customer).where(
        MessageRow.status == Status.SENDING, MessageRow.id.not_in(in_flight)
    )
    return [(id_, customer) for id_, customer in await session.execute(query)]


async def queued_of(session: AsyncSession, enrolment_id: str) -> Sequence[MessageRow]:
    query = select(MessageRow).where(MessageRow.enrolment_id == enrolment_id, MessageRow.status == Status.QUEUED)
    return (await session.execute(query.execution_options(populate_existing=True))).scalars().all()


async def by_token(session: AsyncSession, token: str) -> MessageRow | None:
    return (await session.execute(select(MessageRow).where(MessageRow.token == token))).scalar_one_or_none()


async def link(session: AsyncSession, token: str) -> LinkRow | None:
    return await session.get(LinkRow, token, populate_existing=True)


async def latest_sent(
    session: AsyncSession, customers: Iterable[str], since: datetime, until: datetime
) -> MessageRow | None:
    """The last message that went to one of these customers in that time."""
    query = (
        select(MessageRow)
        .where(MessageRow.customer.in_(list(customers)), MessageRow.sent_at > since, MessageRow.sent_at <= until)
        .order_by(MessageRow.sent_at.desc(), MessageRow.id.desc())
        .limit(1)
        .execution_options(populate_existing=True)
    )
    return (await session.execute(query)).scalar_one_or_none()


async def customers_mailed(session: AsyncSession, customers: Iterable[str], since: datetime) -> set[str]:
    """Those of these customers to whom a message went since then."""
    query = select(MessageRow.customer).where(MessageRow.customer.in_(list(customers)), MessageRow.sent_at > since)
    return set((await session.execute(query)).scalars())


async def move_customer(session: AsyncSession, losing: str, surviving: str) -> None:
    await session.execute(update(MessageRow).where(MessageRow.customer == losing).values(customer=surviving))


async def move_with(session: AsyncSession, enrolments: Collection[str], to: str) -> None:
    """What was written in these enrolments."""
    await session.execute(update(MessageRow).where(MessageRow.enrolment_id.in_(enrolments)).values(customer=to))


async def search(
    session: AsyncSession, *, customer: str | None, status: Status | None, limit: int, cursor: str | None
) -> Page[MessageRow]:
    """Newest first."""
    query = select(MessageRow)
    if customer:
        query = query.where(MessageRow.customer == customer)
    if status:
        query = query.where(MessageRow.status == status)
    query = after(query, cursor, MessageRow.created_at, MessageRow.id)
    ordered = query.order_by(MessageRow.created_at.desc(), MessageRow.id.desc()).limit(limit + 1)
    rows = (await session.execute(ordered)).scalars().all()
    return page(rows, limit, lambda row: (row.created_at, row.id))


async def funnel(session: AsyncSession) -> dict[tuple[str, str], dict[str, int]]:
    """(journey, step) → what became of its messages."""
    counts = {
        "sent": func.count(MessageRow.sent_at),
        "opened": func.count(MessageRow.opened_at),
        "clicked": func.count(MessageRow.clicked_at),
        "converted": func.count(MessageRow.converted_at),
        "suppressed": func.count().filter(MessageRow.status == Status.SUPPRESSED),
        "failed": func.count().filter(MessageRow.status == Status.FAILED),
        "unknown": func.count().filter(MessageRow.status == Status.UNKNOWN),
    }
    query = select(MessageRow.journey, MessageRow.step, *(counts[name] for name in COUNTED))
    rows = await session.execute(query.group_by(MessageRow.journey, MessageRow.step))
    return {(journey, step): dict(zip(COUNTED, values, strict=True)) for journey, step, *values in rows}


async def count_by_status(session: AsyncSession) -> dict[str, int]:
    """How many messages are not final, or of unknown fate."""
    watched = (Status.QUEUED, Status.SENDING, Status.UNKNOWN)
    query = select(MessageRow.status, func.count()).where(MessageRow.status.in_(watched)).group_by(MessageRow.status)
    return dict((await session.execute(query)).all())
