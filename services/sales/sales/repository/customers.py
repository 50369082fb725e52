"""What is known of customers elsewhere."""

from dataclasses import dataclass

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from sales.models import ContactRow


@dataclass(frozen=True)
class Known:
    """The key that stands for a customer now, and the name."""

    key: str
    name: str | None


async def known(session: AsyncSession, customer: str) -> Known:
    """What is known of whoever this key was given to."""
    survivor = aliased(ContactRow)
    query = select(ContactRow.merged_into, survivor.name).where(ContactRow.customer == customer)
    query = query.outerjoin(survivor, survivor.customer == func.coalesce(ContactRow.merged_into, ContactRow.customer))
    found = (await session.execute(query)).one_or_none()
    return Known(found[0] or customer, found[1]) if found else Known(customer, None)


async def put_name(session: AsyncSession, customer: str, name: str | None) -> None:
    statement = insert(ContactRow).values(customer=customer, name=name)
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=[ContactRow.customer],
            set_={"name": name},
            where=ContactRow.name.is_distinct_from(name),
        )
    )


async def put_merged(session: AsyncSession, losing: str, surviving: str) -> None:
    """Also those that were merged into the losing key before: one step leads to the survivor."""
    statement = insert(ContactRow).values(customer=losing, merged_into=surviving)
    await session.execute(
        statement.on_conflict_do_update(index_elements=[ContactRow.customer], set_={"merged_into": surviving})
    )
    earlier = update(ContactRow).where(ContactRow.merged_into == losing)
    await session.execute(earlier.values(merged_into=surviving))
