"""What others say about who a customer is."""

from collections.abc import Collection

from sqlalchemy.ext.asyncio import AsyncSession

from sales.repository import customers, leads, routing
from sales.service.alerts import Alerts
from sales.service.leads import Leads


class Customers:
    """Names, and merges, which move everything that was the losing key's, until they are undone."""

    def __init__(self, alerts: Alerts, leads: Leads) -> None:
        self._alerts = alerts
        self._leads = leads

    async def named(self, session: AsyncSession, customer: str, name: str | None) -> None:
        """Alerts on screen follow (`Alerts.follow`)."""
        await customers.put_name(session, customer, name)

    async def merged(self, session: AsyncSession, losing: str, into: str) -> None:
        """Merges of merges may arrive in any order: everything ends at the last survivor."""
        await leads.hold_intake(session)
        surviving = (await customers.known(session, into)).key
        if surviving == losing:
            return
        await customers.put_merged(session, losing, surviving)
        await routing.move_ownership(session, losing, surviving)
        await self._leads.merge(session, losing, surviving)
        await self._alerts.merge(session, losing, surviving)

    async def separated(self, session: AsyncSession, losing: str, from_: str, keys: Collection[str]) -> None:
        """Gives the losing customer back what was said of them; what was said of both together stays."""
        await leads.hold_intake(session)
        surviving = (await customers.known(session, from_)).key
        await customers.put_separated(session, losing, keys)
        await routing.share_ownership(session, surviving, losing)
        await leads.move_back(session, surviving, keys, losing)
        await self._alerts.separate(session, surviving, keys, losing)
