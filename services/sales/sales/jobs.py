"""What time does, and what heals by itself: found in one transaction, done in one each."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from common.clock import Clock
from common.database import Database
from sales.repository import alerts, leads, routing
from sales.service.alerts import Alerts
from sales.service.budget import Budget
from sales.service.leads import Leads

Find = Callable[[AsyncSession], Awaitable[Sequence[str]]]
Act = Callable[[AsyncSession, str], Awaitable[None]]

_AT_ONCE = 100
KEEP_CHANGES = timedelta(days=7)


class Jobs:
    """Safe to run in several replicas: each act takes its row's lock and decides again."""

    def __init__(
        self, database: Database, clock: Clock, alert_cases: Alerts, lead_cases: Leads, budget: Budget
    ) -> None:
        self._database, self._clock = database, clock
        self._alerts, self._leads, self._budget = alert_cases, lead_cases, budget

    async def attend(self) -> None:
        """Ends snoozes and escalates what is overdue."""
        now = self._clock.now()
        await self._each(lambda session: alerts.due(session, now, _AT_ONCE), self._alerts.attend)

    async def let_up(self) -> None:
        """Surfaces what waited, where an owner's day has room."""
        await self._each(self._budget.with_room, self._alerts.let_up)

    async def work_out_budget(self) -> None:
        """Moves the thresholds by what came lately and what people said of it."""
        async with self._database.transaction() as session:
            await self._budget.work_out(session)

    async def settle(self) -> None:
        """Gives owners to what has none, and shows customers by the key and name known by now."""
        await self._each(lambda session: alerts.misplaced(session, _AT_ONCE), self._alerts.follow)
        async with self._database.reading() as session:
            if not await routing.anyone_active(session):
                return
        await self._each(lambda session: alerts.without_owner(session, _AT_ONCE), self._alerts.assign)
        await self._each(lambda session: leads.without_owner(session, _AT_ONCE), self._leads.assign)

    async def compact(self) -> None:
        """Keeps the log of changes short; who resumes later than that gets each alert as it is."""
        async with self._database.transaction() as session:
            await alerts.compact(session, self._clock.now() - KEEP_CHANGES)

    async def _each(self, find: Find, act: Act) -> None:
        async with self._database.reading() as session:
            found = await find(session)
        for id_ in found:
            async with self._database.transaction() as session:
                await act(session, id_)
