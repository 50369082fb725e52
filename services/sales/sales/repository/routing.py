"""Owners, whose turn it is, and which customer is whose."""

from collections.abc import Sequence

from sqlalchemy import and_, bindparam, delete, literal, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from sales.models import TURNS, OwnerRow, OwnershipRow
from sales.repository.budget import give_places

_ACTIVE = (
    select(OwnerRow, OwnershipRow.customer)
    .outerjoin(OwnershipRow, and_(OwnershipRow.owner_id == OwnerRow.id, OwnershipRow.customer == bindparam("key")))
    .where(OwnerRow.active)
)
_TURN = select(TURNS.next_value())
_TAKE = text(
    """
    INSERT INTO ownerships AS held (customer, owner_id) VALUES (:customer, :owner)
    ON CONFLICT (customer) DO UPDATE SET owner_id =
        CASE WHEN (SELECT active FROM owners WHERE id = held.owner_id) THEN held.owner_id ELSE excluded.owner_id END
    RETURNING owner_id
    """
)


async def owners(session: AsyncSession) -> Sequence[OwnerRow]:
    return (await session.execute(select(OwnerRow).order_by(OwnerRow.name, OwnerRow.id))).scalars().all()


async def put_owner(session: AsyncSession, owner_id: str, name: str, email: str, active: bool) -> None:
    values = {"name": name, "email": email, "active": active}
    statement = insert(OwnerRow).values(id=owner_id, **values)
    await session.execute(statement.on_conflict_do_update(index_elements=[OwnerRow.id], set_=values))
    await give_places(session, owner_id)


async def anyone_active(session: AsyncSession) -> bool:
    return bool((await session.execute(select(select(OwnerRow).where(OwnerRow.active).exists()))).scalar_one())


async def active_owners(session: AsyncSession, customer: str) -> tuple[dict[str, OwnerRow], OwnerRow | None]:
    """All active owners by id, and the one among them whose the customer is."""
    rows = (await session.execute(_ACTIVE, {"key": customer})).all()
    return {row.id: row for row, _ in rows}, next((row for row, whose in rows if whose), None)


async def next_turn(session: AsyncSession) -> int:
    """Counts up, without waiting for anybody. A turn whose transaction fails is skipped."""
    return (await session.execute(_TURN)).scalar_one()


async def take(session: AsyncSession, customer: str, owner_id: str) -> str:
    """Gives the customer to this owner, unless an active one has been quicker. Returns whose it is."""
    given = {"customer": customer, "owner": owner_id}
    return (await session.execute(_TAKE, given)).scalar_one()  # type: ignore[no-any-return]


async def share_ownership(session: AsyncSession, held_by: str, with_: str) -> None:
    """Whose a customer is, another one is too, unless they have an owner."""
    owner = select(literal(with_), OwnershipRow.owner_id).where(OwnershipRow.customer == held_by)
    statement = insert(OwnershipRow).from_select(["customer", "owner_id"], owner)
    await session.execute(statement.on_conflict_do_nothing())


async def move_ownership(session: AsyncSession, losing: str, surviving: str) -> None:
    """The survivor's owner stays; without one it takes the other's."""
    moved = delete(OwnershipRow).where(OwnershipRow.customer == losing).returning(OwnershipRow.owner_id)
    owner_id = (await session.execute(moved)).scalar_one_or_none()
    if owner_id is not None:
        statement = insert(OwnershipRow).values(customer=surviving, owner_id=owner_id)
        await session.execute(statement.on_conflict_do_nothing())
