"""Who gets what."""

from sqlalchemy.ext.asyncio import AsyncSession

from sales.domain import owner_of_turn
from sales.models import OwnerRow
from sales.repository import routing


async def owner_for(session: AsyncSession, customer: str) -> OwnerRow | None:
    """The customer's owner; without an active one, whose turn it is, for good. None while nobody is active."""
    active, owner = await routing.active_owners(session, customer)
    if owner or not active:
        return owner
    chosen = owner_of_turn(list(active), await routing.next_turn(session))
    return active.get(await routing.take(session, customer, chosen or ""))
