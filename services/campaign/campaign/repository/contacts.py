"""Contacts and the suppression list."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, DateTime, Text, bindparam, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from campaign.models import ContactRow, SuppressionRow

# One statement whatever the number of orders, so that it is compiled and prepared once.
_NOTE = text(
    """
    INSERT INTO contacts (customer, last_order_at) SELECT * FROM unnest(:customers, :times)
    ON CONFLICT (customer) DO UPDATE
    SET last_order_at = greatest(contacts.last_order_at, excluded.last_order_at)
    RETURNING customer, merged_into
    """
).bindparams(bindparam("customers", type_=ARRAY(Text)), bindparam("times", type_=ARRAY(DateTime(timezone=True))))
_MERGE_LOCK = 0x4845454443414D01  # one merge at a time, so that chains of merges stay one step long


async def lock(session: AsyncSession, customer: str) -> ContactRow:
    """The contact that this customer is now, held until the transaction ends; made where it is not known yet."""
    while True:
        query = select(ContactRow).where(ContactRow.customer == customer).with_for_update()
        found = await session.execute(query.execution_options(populate_existing=True))
        row = found.scalar_one_or_none()
        if row is None:
            await session.execute(insert(ContactRow).values(customer=customer).on_conflict_do_nothing())
        elif row.merged_into is None:
            return row
        else:
            customer = row.merged_into


async def lock_for_merge(session: AsyncSession, losing: str, surviving: str) -> tuple[ContactRow, ContactRow]:
    """Both contacts as they are now, held; the same row twice where they are one already."""
    await session.execute(select(func.pg_advisory_xact_lock(_MERGE_LOCK)))
    for customer in (losing, surviving):
        await session.execute(insert(ContactRow).values(customer=customer).on_conflict_do_nothing())
    names = {
        row.customer: row.merged_into or row.customer
        for row in (
            await session.execute(select(ContactRow).where(ContactRow.customer.in_([losing, surviving])))
        ).scalars()
    }
    held = {name: await lock(session, name) for name in sorted({names[losing], names[surviving]})}
    return held[names[losing]], held[names[surviving]]


async def point_to(session: AsyncSession, losing: str, surviving: str) -> None:
    """The loser, and whoever was merged into it before, is the survivor from now on."""
    either = (ContactRow.customer == losing) | (ContactRow.merged_into == losing)
    await session.execute(update(ContactRow).where(either).values(merged_into=surviving))


async def part(
    session: AsyncSession, surviving: str, losing: str, keys: Collection[str]
) -> tuple[ContactRow, ContactRow]:
    """Both contacts, held, after all of these keys lead to the losing one again."""
    await session.execute(select(func.pg_advisory_xact_lock(_MERGE_LOCK)))
    for customer in (losing, surviving):
        await session.execute(insert(ContactRow).values(customer=customer).on_conflict_do_nothing())
    held = select(ContactRow.customer).where(ContactRow.customer.in_({*keys, losing, surviving}))
    await session.execute(held.order_by(ContactRow.customer).with_for_update())  # one order of locks for everybody
    survivor = await lock(session, surviving)
    theirs = update(ContactRow).where(ContactRow.customer.in_(keys))
    await session.execute(theirs.where(ContactRow.customer == losing).values(merged_into=None))
    await session.execute(theirs.where(ContactRow.customer != losing).values(merged_into=losing))
    return survivor, await lock(session, losing)


async def store(session: AsyncSession, contacts: Iterable[Mapping[str, Any]]) -> None:
    """Writes what is now known of contacts, each named once."""
    rows = sorted(contacts, key=lambda row: str(row["customer"]))  # one order of locks for everybody
    statement = insert(ContactRow)
    named = ("name", "email", "consent", "traits")
    statement = statement.on_conflict_do_update(
        index_elements=[ContactRow.customer],
        set_={name: statement.excluded[name] for name in named},
        where=ContactRow.merged_into.is_(None),
    )
    await session.execute(statement, rows)


async def note_orders(session: AsyncSession, orders: Mapping[str, datetime]) -> dict[str, str]:
    """Remembers when customers last ordered, and holds them. Returns who each of them is now."""
    now_is: dict[str, str] = {}
    pending = {customer: customer for customer in orders}
    while pending:
        latest: dict[str, datetime] = {}
        for asked, customer in pending.items():
            latest[customer] = max(latest.get(customer, orders[asked]), orders[asked])
        merged = await _note_orders(session, latest)
        now_is |= {asked: customer for asked, customer in pending.items() if customer not in merged}
        pending = {asked: merged[customer] for asked, customer in pending.items() if customer in merged}
    return now_is


async def _note_orders(session: AsyncSession, latest: Mapping[str, datetime]) -> dict[str, str]:
    """Returns those that are somebody else now, and whom."""
    customers = sorted(latest)
    rows = await session.execute(_NOTE, {"customers": customers, "times": [latest[name] for name in customers]})
    return {customer: merged for customer, merged in rows if merged is not None}


async def suppress(session: AsyncSession, address: str, reason: str, at: datetime) -> bool:
    """Puts an address on the suppression list; False where it is there already."""
    row = {"address": address.lower(), "reason": reason, "at": at}
    statement = insert(SuppressionRow).values(row).on_conflict_do_nothing().returning(SuppressionRow.address)
    return (await session.execute(statement)).scalar_one_or_none() is not None


async def lift_suppression(session: AsyncSession, address: str, before: datetime) -> None:
    """Takes an address off the list if it was put there before this moment."""
    query = delete(SuppressionRow).where(SuppressionRow.address == address.lower(), SuppressionRow.at < before)
    await session.execute(query)


async def is_suppressed(session: AsyncSession, address: str) -> bool:
    query = select(text("1")).select_from(SuppressionRow).where(SuppressionRow.address == address.lower())
    return (await session.execute(query)).scalar_one_or_none() is not None


async def names(session: AsyncSession, customers: Iterable[str]) -> dict[str, str | None]:
    query = select(ContactRow.customer, ContactRow.name).where(ContactRow.customer.in_(set(customers)))
    return dict((await session.execute(query)).all())


async def find(session: AsyncSession, customer: str) -> ContactRow | None:
    return await session.get(ContactRow, customer)


async def now_is(session: AsyncSession, customer: str) -> str:
    """Who a customer is after merges."""
    row = await find(session, customer)
    return row.merged_into or customer if row else customer
