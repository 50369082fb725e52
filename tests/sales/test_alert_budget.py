"""The alert budget at work: who is shown what and when, exactly, whoever else is at it and whatever is restarted."""

import asyncio
import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text

from common.failures import InvalidError
from common.tokens import Principal
from sales.domain import SLA, Outcome, Severity
from sales.domain.budget import DAY
from sales.models import AlertRow
from sales.repository.alerts import Wanted, count_waiting

TESS = Principal("u_tess", "Tess Test", frozenset({"sales"}))
HOUR = timedelta(hours=1)


async def everything(cases: Any) -> Sequence[AlertRow]:
    async with cases.database.transaction() as session:
        return list((await session.execute(select(AlertRow).order_by(AlertRow.created_at, AlertRow.id))).scalars())


async def surfaced(cases: Any) -> list[str]:
    return [row.id for row in await everything(cases) if row.surfaced_at]


@pytest.fixture
async def three(cases: Any) -> Any:
    """Anna, who is shown three alerts a day."""
    await cases.put_owner("anna")
    return cases.with_budget(3)


async def fill(cases: Any, count: int = 3) -> list[AlertRow]:
    return [await cases.raise_alert(severity="medium") for _ in range(count)]


async def test_within_the_budget_everything_surfaces_at_once(three: Any) -> None:
    for row in await fill(three):
        assert (row.surfaced_at, row.due_at) == (three.clock.now(), three.clock.now() + SLA[Severity.MEDIUM])
        (change,) = await three.changes_of(row.id)
        assert (change["surfaced"], change["surfaced_at"]) == (True, change["created_at"])


async def test_what_is_more_waits_without_a_deadline_and_is_not_lost(three: Any) -> None:
    await fill(three)
    row = await three.raise_alert(severity="medium")
    assert (row.status, row.surfaced_at, row.due_at, row.owner_id) == ("open", None, None, "anna")
    three.clock.advance(timedelta(hours=20))
    await three.jobs.attend()
    await three.jobs.let_up()
    assert not (await three.alert(row.id)).overdue
    (change,) = await three.changes_of(row.id)
    assert (change["surfaced"], change["due_at"]) == (False, None)
    assert [type_ for type_, _, _ in await three.emitted(row.customer)] == ["heed.alert.raised.v1"]
    async with three.database.transaction() as session:
        assert await count_waiting(session, Wanted(owner="anna")) == 1
        assert await count_waiting(session, Wanted(kind="churn_risk")) == 0


async def test_what_waits_surfaces_when_a_place_is_free_the_worthiest_first(three: Any) -> None:
    await fill(three)
    three.clock.advance(HOUR)
    low, high, medium = [await three.raise_alert(severity=severity) for severity in ("low", "high", "medium")]
    await three.jobs.let_up()
    assert len(await surfaced(three)) == 3
    three.clock.advance(DAY - HOUR)
    await three.raise_alert(severity="low")  # comes first, and takes one of the three that are free again
    await three.jobs.let_up()
    states = [(await three.alert(row.id)).surfaced_at for row in (high, medium, low)]
    assert states == [three.clock.now(), three.clock.now(), None]
    assert (await three.alert(high.id)).due_at == three.clock.now() + SLA[Severity.HIGH]
    waited, let_up = await three.changes_of(high.id)
    assert (waited["surfaced"], let_up["surfaced"]) == (False, True)
    three.clock.advance(SLA[Severity.HIGH])
    await three.jobs.attend()
    assert (await three.alert(high.id)).overdue


async def test_on_busy_days_a_place_is_kept_for_the_worthier(three: Any) -> None:
    for nth in range(12):
        await three.raise_alert(severity="low", score=1 - nth / 12)
    await three.jobs.work_out_budget()
    three.clock.advance(DAY)
    for _ in range(4):
        await three.jobs.let_up()
    assert len(await surfaced(three)) == 3 + 2  # one place is left alone, though seven wait
    worthy = await three.raise_alert(severity="high")
    assert worthy.surfaced_at == three.clock.now()


async def test_the_grave_about_a_dear_customer_does_not_wait(three: Any) -> None:
    await fill(three)
    await three.jobs.work_out_budget()
    dear = [{"at": "2026-02-01T09:00:00Z", "total": "900.00", "currency": "GBP"}]
    assert (await three.raise_alert(severity="high", recent_orders=dear)).surfaced_at
    assert not (await three.raise_alert(severity="high")).surfaced_at
    assert not (await three.raise_alert(severity="high", direction="good", recent_orders=dear)).surfaced_at


async def test_an_update_that_makes_it_worth_more_may_surface_it(three: Any) -> None:
    await fill(three)
    told = three.trigger(severity="low")
    await three.trigger_told("raised", three.new_customer(), told)
    three.clock.advance(DAY)
    worse = {**told, "severity": "medium", "time": "2026-03-02T09:00:00Z"}
    await three.trigger_told("updated", three.new_customer(), worse)
    row = await three.alert_of(told["trigger"])
    assert (row.surfaced_at, row.due_at) == (three.clock.now(), three.clock.now() + SLA[Severity.MEDIUM])


async def test_people_deal_with_what_waits_without_using_up_the_day(three: Any) -> None:
    await fill(three)
    rows = [await three.raise_alert(severity="low") for _ in range(4)]
    now = three.clock.now()
    async with three.database.transaction() as session:
        await three.alerts.acknowledge(session, rows[0].id, TESS)
        await three.alerts.snooze(session, rows[1].id, now + HOUR, TESS)
        await three.alerts.resolve(session, rows[2].id, Outcome.FALSE_ALARM, None, TESS)
        await three.alerts.reopen(session, rows[2].id, TESS)
    states = [(row.status, row.surfaced_at) for row in [await three.alert(row.id) for row in rows]]
    assert states == [("acknowledged", now), ("snoozed", now), ("open", now), ("open", None)]
    async with three.database.transaction() as session:
        used = (await three.budget.used(session))["anna"]
    assert (used.taken, used.waiting) == (3, 1)


async def test_what_clears_while_it_waits_is_resolved(three: Any) -> None:
    await fill(three)
    customer, told = three.new_customer(), three.trigger(severity="low")
    await three.trigger_told("raised", customer, told)
    await three.trigger_told("cleared", customer, told)
    three.clock.advance(DAY)
    await three.jobs.let_up()
    row = await three.alert_of(told["trigger"])
    assert (row.status, row.surfaced_at) == ("resolved", None)


async def test_false_alarms_cost_a_kind_its_places_and_no_other(cases: Any) -> None:
    await cases.put_owner("anna")
    ten = cases.with_budget(10)
    for kind, outcome in (("spend_deviation", Outcome.FALSE_ALARM), ("churn_risk", Outcome.CONTACTED)):
        for _ in range(10):
            row = await ten.raise_alert(kind=kind, severity="low")
            async with ten.database.transaction() as session:
                await ten.alerts.resolve(session, row.id, outcome, None, TESS)
    ten.clock.advance(3 * DAY)
    await ten.jobs.work_out_budget()
    distrusted = [await ten.raise_alert(kind="spend_deviation") for _ in range(9)]
    assert sum(row.surfaced_at is not None for row in distrusted) == 6
    trusted = [await ten.raise_alert(kind="churn_risk") for _ in range(4)]
    assert all(row.surfaced_at for row in trusted)
    (less,), (more,) = await ten.changes_of(distrusted[0].id), await ten.changes_of(trusted[0].id)
    assert less["worth"] < more["worth"] / 2


async def test_without_an_owner_nothing_waits_and_with_one_the_budget_holds(cases: Any) -> None:
    three = cases.with_budget(3)
    rows = [await three.raise_alert() for _ in range(5)]
    assert len(await surfaced(three)) == 5
    async with three.database.transaction() as session:
        await three.alerts.acknowledge(session, rows[4].id, TESS)
    await cases.put_owner("anna")
    await three.jobs.settle()
    assert len(await surfaced(three)) == 3 + 1  # whoever is at it already is not interrupted
    assert (await three.alert(rows[4].id)).surfaced_at


async def test_a_budget_of_nought_is_no_limit(three: Any) -> None:
    await fill(three, 5)
    unlimited = three.with_budget(0)
    await fill(unlimited, 2)
    await unlimited.jobs.let_up()
    await unlimited.jobs.work_out_budget()
    assert len(await surfaced(three)) == 7


async def test_each_owner_has_a_day_of_their_own(three: Any) -> None:
    await three.put_owner("ben")
    rows = await fill(three, 7)
    shown = [row.owner_id for row in rows if row.surfaced_at]
    assert (shown.count("anna"), shown.count("ben")) == (3, 3)


async def test_no_day_has_more_than_its_places_and_nothing_is_lost(three: Any) -> None:
    """Weeks of alerts at random moments, with the service started anew again and again, another budget each time."""
    dice, triggers, per_day = random.Random(7), [], 3
    running = three
    for _ in range(160):
        running.clock.advance(timedelta(hours=dice.choice([0, 0, 0, 1, 5, 30])))
        told = running.trigger(severity=dice.choice(list(Severity)), score=dice.random())
        triggers.append(told["trigger"])
        await running.trigger_told("raised", running.new_customer(), told)
        if dice.random() < 0.3:
            await running.jobs.work_out_budget()
        if dice.random() < 0.5:
            await running.jobs.let_up()
        if dice.random() < 0.1:
            running = running.with_budget(per_day)
    rows = await everything(running)
    assert sorted(row.trigger_id for row in rows) == sorted(triggers)
    assert _most_in_a_day([row.surfaced_at for row in rows if row.surfaced_at]) == per_day
    for row in rows:
        assert (row.due_at is None) == (row.surfaced_at is None)
    for _ in range(len(rows)):
        running.clock.advance(DAY)
        await running.jobs.work_out_budget()
        await running.jobs.let_up()
    assert len(await surfaced(running)) == len(rows)  # in the end everything came up
    assert _most_in_a_day([row.surfaced_at for row in await everything(running) if row.surfaced_at]) == per_day


def _most_in_a_day(moments: Sequence[datetime]) -> int:
    return max(sum(start <= moment < start + DAY for moment in moments) for start in moments)


async def test_many_at_once_are_shown_no_more_than_the_budget(three: Any) -> None:
    replicas = [three, three.with_budget(3)]
    await asyncio.gather(*(replicas[n % 2].raise_alert() for n in range(20)))
    assert len(await surfaced(three)) == 3
    three.clock.advance(DAY)
    await asyncio.gather(*(replica.jobs.let_up() for replica in replicas for _ in range(3)))
    assert len(await surfaced(three)) == 6
    for row in await everything(three):
        assert len(await three.changes_of(row.id)) == (2 if row.surfaced_at == three.clock.now() else 1)


async def test_nobody_waits_for_a_place_that_another_is_about_to_take(three: Any) -> None:
    told = [three.trigger() for _ in range(4)]
    facts = [three.fact("heed.trigger.raised.v1", three.new_customer(), one) for one in told]
    async with asyncio.timeout(10), three.database.transaction() as slow:
        await three.triggers["heed.trigger.raised.v1"](slow, facts[0])
        await three.handle(facts[1])
        await three.handle(facts[2])
        await three.handle(facts[3])
        assert not (await three.alert_of(told[3]["trigger"])).surfaced_at
    assert (await three.alert_of(told[0]["trigger"])).surfaced_at


async def test_a_place_that_was_taken_in_vain_is_free_again(three: Any) -> None:
    good = three.fact("heed.trigger.raised.v1", three.new_customer(), three.trigger())
    bad = three.fact("heed.trigger.raised.v1", three.new_customer(), three.trigger(sentence="\x00"))
    with pytest.raises(InvalidError):
        await three.handle(good, bad)
    assert all(row.surfaced_at for row in await fill(three))


async def test_an_alert_of_before_the_budget_counts_as_seen(cases: Any) -> None:
    """As the migration leaves it: surfaced when it was raised, with the merit of its severity."""
    await cases.put_owner("anna")
    row = await cases.raise_alert()
    async with cases.database.transaction() as session:
        changed = "UPDATE alerts SET value = NULL, currency = NULL, merit = 0.6 WHERE id = :id"
        await session.execute(text(changed), {"id": row.id})
    await cases.jobs.work_out_budget()
    await cases.jobs.let_up()
    assert (await cases.alert(row.id)).surfaced_at == row.created_at
