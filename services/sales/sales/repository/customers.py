"""What is known of customers elsewhere."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import cast

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from sales.models import ContactRow

# Built once: to put a statement together costs more than to execute it.
_SURVIVOR = aliased(ContactRow)
_KNOWN = (
    select(ContactRow.merged_into, _SURVIVOR.name)
    .outerjoin(_SURVIVOR, _SURVIVOR.customer == func.coalesce(ContactRow.merged_into, ContactRow.customer))
    .where(ContactRow.customer == bindparam("key"))
)
_NAMED = insert(ContactRow)
_PUT_NAME = _NAMED.on_conflict_do_update(
    index_elements=[ContactRow.customer],
    set_={"name": _NAMED.excluded.name},
    where=ContactRow.name.is_distinct_from(_NAMED.excluded.name),
)


@dataclass(frozen=True)
class Known:
    """The key that stands for a customer now, and the name."""

    key: str
    name: str | None


async def known(session: AsyncSession, customer: str) -> Known:
    """What is known of whoever this key was given to."""
    found = (await session.execute(_KNOWN, {"key": customer})).one_or_none()
    return Known(found[0] or customer, found[1]) if found else Known(customer, None)


async def known_as(session: AsyncSession, own: str | None, told: str) -> Known:
    """What is known of whoever is named, where that is anybody; else of the key that a fact was told under."""
    found = (await session.execute(_KNOWN, {"key": own})).one_or_none() if own and own != told else None
    return Known(found[0] or cast(str, own), found[1]) if found else await known(session, told)


async def put_name(session: AsyncSession, customer: str, name: str | None) -> None:
    await session.execute(_PUT_NAME, {"customer": customer, "name": name})


async def put_merged(session: AsyncSession, losing: str, surviving: str) -> None:
    """Also those that were merged into the losing key before: one step leads to the survivor."""
    statement = insert(ContactRow).values(customer=losing, merged_into=surviving)
    await session.execute(
        statement.on_conflict_do_update(index_elements=[ContactRow.customer], set_={"merged_into": surviving})
    )
    earlier = update(ContactRow).where(ContactRow.merged_into == losing)
    await session.execute(earlier.values(merged_into=surviving))


async def put_separated(session: AsyncSession, losing: str, keys: Collection[str]) -> None:
    """All of these keys stand for the losing customer, who is nobody else any more."""
    statement = insert(ContactRow).values(customer=losing, merged_into=None)
    await session.execute(
        statement.on_conflict_do_update(index_elements=[ContactRow.customer], set_={"merged_into": None})
    )
    theirs = update(ContactRow).where(ContactRow.customer.in_(keys), ContactRow.customer != losing)
    await session.execute(theirs.values(merged_into=losing))
