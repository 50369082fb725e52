"""Who gets what."""

from sqlalchemy.ext.asyncio import AsyncSession

from sales.domain import next_owner
from sales.models import OwnerRow
from sales.repository import routing


async def owner_for(session: AsyncSession, customer: str) -> OwnerRow | None:
    """The customer's owner; without an active one, whose turn it is, for good. None while nobody is active."""
    if owner := await routing.owner_of(session, customer):
        return owner
    turn = await routing.hold(session)
    active, owner = await routing.active_owners(session, customer)
    if owner:  # since a moment ago
        return owner
    chosen = next_owner(list(active), turn.last_owner)
    if chosen is None:
        return None
    turn.last_owner = chosen
    await routing.set_owner_of(session, customer, chosen)
    return active[chosen]
