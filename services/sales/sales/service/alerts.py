"""Everything that can happen to an alert."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from common.clock import Clock
from common.envelope import Envelope
from common.ids import new_id
from common.outbox import emit
from common.problems import not_found
from common.tokens import Principal
from sales import domain, events
from sales.domain import Alert, AlertStatus, Outcome
from sales.domain.budget import value_at_stake
from sales.events import TriggerTold, moment
from sales.models import AlertRow
from sales.repository import alerts, customers
from sales.schemas import Alert as Snapshot
from sales.service.budget import Budget, case_of, policy_of
from sales.service.routing import owner_for
from sales.service.rules import allowed


class Alerts:
    """One episode of a trigger is one alert; each change is emitted and logged for the streams."""

    def __init__(self, clock: Clock, facts_topic: str, budget: Budget) -> None:
        self._clock = clock
        self._topic = facts_topic
        self._budget = budget

    # What triggers do

    async def trigger_raised(self, session: AsyncSession, told: TriggerTold, cause: Envelope) -> None:
        """Makes the episode's alert. History (backfill) alerts nobody."""
        if not await alerts.is_new(session, told.trigger):
            await self.trigger_updated(session, told)
        elif cause.backfill is None:
            await self._raise(session, told, cause)

    async def _raise(self, session: AsyncSession, told: TriggerTold, cause: Envelope) -> None:
        now = self._clock.now()
        customer = await customers.known(session, cause.key)
        row = AlertRow(
            id=new_id(),
            trigger_id=told.trigger,
            customer=customer.key,
            said_of=cause.key,
            customer_name=customer.name,
            kind=told.kind,
            created_at=now,
            owner=await owner_for(session, customer.key),
        )
        _tell(row, told)
        admitted = await self._budget.admits(session, row)
        alerts.store(row, domain.raise_alert(told.severity, now, admitted=admitted))
        await alerts.add(session, row)
        await self._emit(session, events.about_alert(row, events.ALERT_RAISED, now, cause))
        await self._log(session, row)

    async def trigger_updated(self, session: AsyncSession, told: TriggerTold) -> None:
        """Newer words and numbers, without a fact; what is resolved keeps those that it was judged by.

        What waits and is worth more now may surface.
        """
        row = await alerts.hold_of_trigger(session, told.trigger)
        if row is None or row.status == AlertStatus.RESOLVED or told.time <= row.noticed_at:
            return
        now, merit = self._clock.now(), row.merit
        state = domain.regrade(alerts.to_domain(row), told.severity, now)
        _tell(row, told)
        if state.waits and row.merit > merit and await self._budget.admits(session, row):
            state = domain.surface(state, now)
        alerts.store(row, state)
        await self._log(session, row)

    async def trigger_cleared(self, session: AsyncSession, trigger_id: str, cause: Envelope) -> None:
        """The cause went away by itself."""
        now = self._clock.now()
        row = await alerts.hold_of_trigger(session, trigger_id)
        if row is None:
            await alerts.put_cleared(session, trigger_id, now)
            return
        cleared = domain.clear(alerts.to_domain(row), now)
        resolves = cleared.status != row.status
        if cleared == alerts.to_domain(row):
            return
        alerts.store(row, cleared)
        if resolves:
            fact = events.about_alert(row, events.ALERT_RESOLVED, now, cause, outcome=None)
            await self._emit(session, fact)
        await self._log(session, row)

    # What people do

    async def acknowledge(self, session: AsyncSession, alert_id: str, by: Principal) -> None:
        row, now = await self._held(session, alert_id), self._clock.now()
        state = allowed(domain.acknowledge, self._seen(row), now)
        await self._change(session, row, state, events.ALERT_ACKNOWLEDGED, by=_person(by))

    async def snooze(self, session: AsyncSession, alert_id: str, until: datetime, by: Principal) -> None:
        row, now = await self._held(session, alert_id), self._clock.now()
        state = allowed(domain.snooze, self._seen(row), until, now)
        await self._change(session, row, state, events.ALERT_SNOOZED, until=moment(until), by=_person(by))

    async def resolve(
        self, session: AsyncSession, alert_id: str, outcome: Outcome, note: str | None, by: Principal
    ) -> None:
        row, now = await self._held(session, alert_id), self._clock.now()
        state = allowed(domain.resolve, self._seen(row), outcome, note, now)
        more = {"outcome": outcome, **({"note": note} if note else {})}
        await self._change(session, row, state, events.ALERT_RESOLVED, **more, by=_person(by))

    async def reopen(self, session: AsyncSession, alert_id: str, by: Principal) -> None:
        row = await self._held(session, alert_id)
        state = domain.reopen(self._seen(row))
        await self._change(session, row, state, events.ALERT_REOPENED, reason="undone", by=_person(by))

    # What time does

    async def attend(self, session: AsyncSession, alert_id: str) -> None:
        """Ends a snooze whose time has come; escalates what nobody acknowledged in time."""
        row, now = await self._held(session, alert_id), self._clock.now()
        before = alerts.to_domain(row)
        woken = domain.wake(before, now)
        if woken != before:
            await self._change(session, row, woken, events.ALERT_REOPENED, reason="snooze_ended")
            return
        late = domain.escalate(before, now)
        await self._change(session, row, late, events.ALERT_ESCALATED, due_at=moment(row.due_at))

    async def let_up(self, session: AsyncSession, alert_id: str) -> None:
        """Surfaces what waits, if there is room in its owner's day by now. Logged for the streams, without a fact."""
        row, now = await self._held(session, alert_id), self._clock.now()
        state = alerts.to_domain(row)
        if state.waits and await self._budget.admits(session, row):
            alerts.store(row, domain.surface(state, now))
            await self._log(session, row)

    async def assign(self, session: AsyncSession, alert_id: str) -> None:
        """Gives an owner to what was raised while there was none; from then on that owner's budget counts."""
        row = await self._held(session, alert_id)
        owner = None if row.owner else await owner_for(session, row.customer)
        if owner is None:
            return
        row.owner = owner
        if not await self._budget.admits(session, row):
            alerts.store(row, domain.withhold(alerts.to_domain(row)))
        await self._emit(session, events.about_alert(row, events.ALERT_ASSIGNED, self._clock.now()))
        await self._log(session, row)

    async def follow(self, session: AsyncSession, alert_id: str) -> None:
        """Shows the customer by the key and the name known by now."""
        row = await self._held(session, alert_id)
        _belongs(row, await customers.known(session, row.customer))
        await self._log(session, row)

    async def merge(self, session: AsyncSession, losing: str, surviving: str) -> None:
        """Two customers turned out to be one."""
        customer = await customers.known(session, surviving)
        for row in await alerts.hold_all_of(session, losing):
            _belongs(row, customer)
            await self._log(session, row)

    async def separate(self, session: AsyncSession, held_by: str, said_of: Collection[str], to: str) -> None:
        """A merge was undone: what was noticed of one alone is theirs again."""
        customer = await customers.known(session, to)
        for row in await alerts.hold_all_of(session, held_by):
            if row.said_of in said_of:
                _belongs(row, customer)
                await self._log(session, row)

    def _seen(self, row: AlertRow) -> Alert:
        """Who does something about what waits has it before them already; that takes no place of the day."""
        return domain.surface(alerts.to_domain(row), self._clock.now())

    async def _held(self, session: AsyncSession, alert_id: str) -> AlertRow:
        row = await alerts.hold(session, alert_id)
        if row is None:
            raise not_found("alert")
        return row

    async def _change(self, session: AsyncSession, row: AlertRow, state: Alert, type_: str, **more: Any) -> None:
        if state == alerts.to_domain(row):
            return
        alerts.store(row, state)
        await self._emit(session, events.about_alert(row, type_, self._clock.now(), **more))
        await self._log(session, row)

    async def _emit(self, session: AsyncSession, fact: Envelope) -> None:
        await emit(session, self._topic, [fact])

    async def _log(self, session: AsyncSession, row: AlertRow) -> None:
        await alerts.log_change(session, row.id, Snapshot.of(row).model_dump(mode="json"))


def _tell(row: AlertRow, told: TriggerTold) -> None:
    row.direction, row.severity, row.sentence = told.direction, told.severity, told.sentence
    row.evidence, row.noticed_at = told.evidence(), told.time
    stake = value_at_stake([(order.total, order.currency) for order in told.recent_orders])
    row.value, row.currency = stake or (None, None)
    row.merit = policy_of(row).merit(case_of(row))


def _belongs(row: AlertRow, customer: customers.Known) -> None:
    row.customer, row.customer_name = customer.key, customer.name or row.customer_name


def _person(principal: Principal) -> dict[str, str]:
    return {"id": principal.id, "name": principal.name}
