"""Owners, whose turn it is, and which customer is whose."""

from collections.abc import Sequence

from sqlalchemy import and_, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from sales.models import OwnerRow, OwnershipRow, RoutingRow


async def owners(session: AsyncSession) -> Sequence[OwnerRow]:
    return (await session.execute(select(OwnerRow).order_by(OwnerRow.name, OwnerRow.id))).scalars().all()


async def put_owner(session: AsyncSession, owner_id: str, name: str, email: str, active: bool) -> None:
    values = {"name": name, "email": email, "active": active}
    statement = insert(OwnerRow).values(id=owner_id, **values)
    await session.execute(statement.on_conflict_do_update(index_elements=[OwnerRow.id], set_=values))


async def hold(session: AsyncSession) -> RoutingRow:
    """The routing row, held until the transaction ends."""
    query = select(RoutingRow).with_for_update().execution_options(populate_existing=True)
    return (await session.execute(query)).scalar_one()


async def anyone_active(session: AsyncSession) -> bool:
    return bool((await session.execute(select(select(OwnerRow).where(OwnerRow.active).exists()))).scalar_one())


async def active_owners(session: AsyncSession, customer: str) -> tuple[dict[str, OwnerRow], OwnerRow | None]:
    """All active owners by id, and the one among them whose the customer is."""
    his = and_(OwnershipRow.owner_id == OwnerRow.id, OwnershipRow.customer == customer)
    query = select(OwnerRow, OwnershipRow.customer).outerjoin(OwnershipRow, his).where(OwnerRow.active)
    rows = (await session.execute(query)).all()
    return {row.id: row for row, _ in rows}, next((row for row, whose in rows if whose), None)


async def owner_of(session: AsyncSession, customer: str) -> OwnerRow | None:
    """Whoever the customer belongs to, while active."""
    query = select(OwnerRow).join(OwnershipRow, OwnershipRow.owner_id == OwnerRow.id)
    query = query.where(OwnershipRow.customer == customer, OwnerRow.active)
    return (await session.execute(query)).scalar_one_or_none()


async def set_owner_of(session: AsyncSession, customer: str, owner_id: str) -> None:
    statement = insert(OwnershipRow).values(customer=customer, owner_id=owner_id)
    await session.execute(
        statement.on_conflict_do_update(index_elements=[OwnershipRow.customer], set_={"owner_id": owner_id})
    )


async def move_ownership(session: AsyncSession, losing: str, surviving: str) -> None:
    """The survivor's owner stays; without one it takes the other's."""
    moved = delete(OwnershipRow).where(OwnershipRow.customer == losing).returning(OwnershipRow.owner_id)
    owner_id = (await session.execute(moved)).scalar_one_or_none()
    if owner_id is not None:
        statement = insert(OwnershipRow).values(customer=surviving, owner_id=owner_id)
        await session.execute(statement.on_conflict_do_nothing())
