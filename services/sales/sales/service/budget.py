"""Who is shown how much a day: admitting alerts, and letting up those that wait."""

from collections import Counter
from collections.abc import Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from common.clock import Clock
from sales.domain import Severity
from sales.domain import budget as rules
from sales.domain.budget import Case, Judged, Policy
from sales.models import AlertRow
from sales.repository import budget, routing
from sales.repository.budget import Used

_AT_ONCE = 100


class Budget:
    """The alert budget: so many a day for each owner (0: no limit)."""

    def __init__(self, clock: Clock, per_day: int) -> None:
        self._clock = clock
        self.per_day = per_day

    async def admits(self, session: AsyncSession, row: AlertRow) -> bool:
        """Whether an alert surfaces now. It then has its place in the owner's day, or must not wait for one.

        What nobody owns surfaces: there is no day that it could fill.
        """
        if not self.per_day or row.owner is None:
            return True
        policy = policy_of(row)
        guaranteed = policy.guaranteed(case_of(row))
        leave = 0 if guaranteed else policy.leave_free(row.kind, row.merit, self.per_day)
        return await budget.take_place(session, row.owner.id, self.per_day, leave, self._clock.now()) or guaranteed

    async def with_room(self, session: AsyncSession) -> Sequence[str]:
        """Alerts that wait and need not any more, the worthiest of an owner first."""
        if not self.per_day:
            return await budget.waiting(session, _AT_ONCE)
        found: list[str] = []
        let_up: Counter[str] = Counter()
        for one in await budget.with_room(session, self.per_day, self._clock.now()):
            leave = Policy.of(one.policy).leave_free(one.kind, one.merit, self.per_day)
            if leave < one.free - let_up[one.owner]:
                let_up[one.owner] += 1
                found.append(one.id)
        return found

    async def used(self, session: AsyncSession) -> Mapping[str, Used]:
        """Places taken within a day, and alerts that wait, by owner."""
        return await budget.used(session, self.per_day, self._clock.now())

    async def work_out(self, session: AsyncSession) -> None:
        """Everybody's threshold anew, by their recent alerts and what came of them."""
        now = self._clock.now()
        recent, usual = await budget.recent(session, now), await budget.usual_values(session, now)
        judged = await budget.judged(session, now)
        everybody = _together(judged)
        for owner in await routing.owners(session):
            precisions = rules.precisions(judged.get(owner.id, {}), everybody)
            policy = rules.policy(recent.get(owner.id, ()), precisions, usual, self.per_day, now)
            if policy.stored() != owner.policy:
                await budget.put_policy(session, owner.id, policy.stored())


def policy_of(row: AlertRow) -> Policy:
    """Of the alert's owner, or of nobody in particular."""
    return Policy.of(row.owner.policy if row.owner else {})


def case_of(row: AlertRow) -> Case:
    """What its worth depends on."""
    good, score = row.direction == "good", row.evidence["score"]
    return Case(row.kind, Severity(row.severity), good, score, row.value, row.currency)


def _together(judged: Mapping[str, Mapping[str, Judged]]) -> Mapping[str, Judged]:
    """By kind, whoever judged."""
    found: dict[str, Judged] = {}
    for kinds in judged.values():
        for kind, (right, wrong) in kinds.items():
            before = found.get(kind, (0, 0))
            found[kind] = (before[0] + right, before[1] + wrong)
    return found
