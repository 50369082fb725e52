"""Triggers, people and time acting on alerts: rows, facts and the log of changes."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from common.envelope import Envelope
from common.failures import InvalidError
from common.ids import new_id
from common.problems import Problem
from common.tokens import Principal
from sales.domain import SLA, Outcome, Severity
from sales.sequencer import number_changes

TESS = Principal("u_tess", "Tess Test", frozenset({"sales"}))
HOUR = timedelta(hours=1)


async def types(cases: Any, customer: str) -> list[str]:
    return [type_.removeprefix("heed.alert.").removesuffix(".v1") for type_, _, _ in await cases.emitted(customer)]


async def test_a_trigger_becomes_one_alert_with_owner_and_deadline(cases: Any) -> None:
    await cases.put_owner("anna")
    customer, told = cases.new_customer(), cases.trigger(severity="medium")
    await cases.trigger_told("raised", customer, told, correlation_id="chain-1")
    await cases.trigger_told("raised", customer, told)
    row = await cases.alert_of(told["trigger"])
    assert (row.status, row.owner_id, row.sentence) == ("open", "anna", told["sentence"])
    assert row.due_at == cases.clock.now() + SLA[Severity.MEDIUM]
    ((type_, data, headers),) = await cases.emitted(customer)
    assert type_ == "heed.alert.raised.v1"
    assert data["owner"] == {"id": "anna", "name": "Anna"}
    assert headers["ce_correlationid"] == "chain-1"
    (change,) = await cases.changes_of(row.id)
    for name in ("expected", "observed", "score", "reasons", "recent_orders", "suggested_step", "event_ids"):
        assert change[name] == told[name]


async def test_the_customer_keeps_an_owner_and_others_take_turns(cases: Any) -> None:
    for owner in ("anna", "ben"):
        await cases.put_owner(owner)
    customer = cases.new_customer()
    first = await cases.raise_alert(customer)
    others = [await cases.raise_alert() for _ in range(3)]
    again = await cases.raise_alert(customer)
    assert [row.owner_id for row in (first, *others, again)] == ["anna", "ben", "anna", "ben", "anna"]


async def test_who_is_not_active_any_more_gets_nothing_new(cases: Any) -> None:
    await cases.put_owner("anna")
    customer = cases.new_customer()
    await cases.raise_alert(customer)
    await cases.put_owner("anna", active=False)
    await cases.put_owner("ben")
    assert (await cases.raise_alert(customer)).owner_id == "ben"


async def test_an_update_brings_numbers_without_a_fact(cases: Any) -> None:
    customer, told = cases.new_customer(), cases.trigger()
    await cases.trigger_told("raised", customer, told)
    row = await cases.alert_of(told["trigger"])
    async with cases.database.transaction() as session:
        await cases.alerts.acknowledge(session, row.id, TESS)
    newer = {**told, "sentence": "Silent for 30.", "score": 0.97, "time": "2026-03-02T09:00:00Z"}
    await cases.trigger_told("updated", customer, newer)
    await cases.trigger_told("updated", customer, {**told, "sentence": "An older word."})
    row = await cases.alert_of(told["trigger"])
    assert (row.status, row.sentence, row.evidence["score"]) == ("acknowledged", "Silent for 30.", 0.97)
    assert await types(cases, customer) == ["raised", "acknowledged"]
    assert len(await cases.changes_of(row.id)) == 3


async def test_what_is_resolved_stays_as_it_was_judged(cases: Any) -> None:
    customer, told = cases.new_customer(), cases.trigger()
    await cases.trigger_told("raised", customer, told)
    row = await cases.alert_of(told["trigger"])
    async with cases.database.transaction() as session:
        await cases.alerts.resolve(session, row.id, Outcome.FALSE_ALARM, "On holiday", TESS)
    await cases.trigger_told("updated", customer, {**told, "sentence": "More.", "time": "2026-03-02T09:00:00Z"})
    row = await cases.alert_of(told["trigger"])
    assert (row.status, row.outcome, row.sentence) == ("resolved", "false_alarm", told["sentence"])
    *_, (_, data, _) = await cases.emitted(customer)
    assert (data["outcome"], data["note"], data["by"]["id"]) == ("false_alarm", "On holiday", "u_tess")


async def test_what_cleared_by_itself_resolves_without_an_outcome(cases: Any) -> None:
    customer, told = cases.new_customer(), cases.trigger()
    await cases.trigger_told("raised", customer, told)
    for _ in range(2):
        await cases.trigger_told("cleared", customer, told)
    row = await cases.alert_of(told["trigger"])
    assert (row.status, row.outcome, row.cleared_at) == ("resolved", None, cases.clock.now())
    assert await types(cases, customer) == ["raised", "resolved"]
    assert len(await cases.changes_of(row.id)) == 2


async def test_what_is_taken_on_only_learns_that_it_cleared(cases: Any) -> None:
    customer, told = cases.new_customer(), cases.trigger()
    await cases.trigger_told("raised", customer, told)
    row = await cases.alert_of(told["trigger"])
    async with cases.database.transaction() as session:
        await cases.alerts.acknowledge(session, row.id, TESS)
    await cases.trigger_told("cleared", customer, told)
    row = await cases.alert_of(told["trigger"])
    assert row.status == "acknowledged"
    assert row.cleared_at
    assert await types(cases, customer) == ["raised", "acknowledged"]


async def test_history_alerts_nobody(cases: Any) -> None:
    customer, told = cases.new_customer(), cases.trigger()
    began = datetime(2026, 3, 1, tzinfo=UTC)
    await cases.trigger_told("raised", customer, told, backfill=began)
    await cases.trigger_told("updated", customer, {**told, "time": "2026-03-02T09:00:00Z"})
    assert await cases.alert_of(told["trigger"]) is None
    assert await cases.emitted(customer) == []


async def test_a_clearing_that_overtook_its_raising_leaves_no_alert(cases: Any) -> None:
    customer, told = cases.new_customer(), cases.trigger()
    await cases.trigger_told("cleared", customer, told)
    await cases.trigger_told("raised", customer, told)
    assert await cases.alert_of(told["trigger"]) is None


async def test_without_owners_the_first_one_gets_what_waits(cases: Any) -> None:
    row = await cases.raise_alert()
    await cases.jobs.settle()
    assert row.owner_id is None
    await cases.put_owner("anna")
    await cases.jobs.settle()
    await cases.jobs.settle()
    assert (await cases.alert(row.id)).owner_id == "anna"
    assert await types(cases, row.customer) == ["raised", "assigned"]
    raised, assigned = await cases.changes_of(row.id)
    assert (raised["owner"], assigned["owner"]) == (None, {"id": "anna", "name": "Anna"})


async def test_a_snooze_ends_by_itself(cases: Any) -> None:
    row = await cases.raise_alert()
    async with cases.database.transaction() as session:
        await cases.alerts.snooze(session, row.id, cases.clock.now() + HOUR, TESS)
    await cases.jobs.attend()
    assert (await cases.alert(row.id)).status == "snoozed"
    cases.clock.advance(HOUR)
    await cases.jobs.attend()
    woken = await cases.alert(row.id)
    assert (woken.status, woken.due_at) == ("open", cases.clock.now() + SLA[Severity.HIGH])
    assert await types(cases, row.customer) == ["raised", "snoozed", "reopened"]


async def test_what_nobody_acknowledges_escalates_once(cases: Any) -> None:
    row = await cases.raise_alert()
    cases.clock.advance(SLA[Severity.HIGH])
    await asyncio.gather(cases.jobs.attend(), cases.jobs.attend())
    await cases.jobs.attend()
    assert (await cases.alert(row.id)).overdue
    assert await types(cases, row.customer) == ["raised", "escalated"]


async def test_reopening_takes_the_outcome_back(cases: Any) -> None:
    row = await cases.raise_alert()
    async with cases.database.transaction() as session:
        await cases.alerts.resolve(session, row.id, Outcome.LOST, None, TESS)
        await cases.alerts.reopen(session, row.id, TESS)
        await cases.alerts.reopen(session, row.id, TESS)
    again = await cases.alert(row.id)
    assert (again.status, again.outcome, again.due_at) == ("open", None, row.due_at)
    assert await types(cases, row.customer) == ["raised", "resolved", "reopened"]


async def test_a_step_the_lifecycle_lacks_is_refused(cases: Any) -> None:
    row = await cases.raise_alert()
    async with cases.database.transaction() as session:
        await cases.alerts.resolve(session, row.id, Outcome.LOST, None, TESS)
        with pytest.raises(Problem, match="reopen it first"):
            await cases.alerts.acknowledge(session, row.id, TESS)


async def test_names_come_late_and_change(cases: Any) -> None:
    row = await cases.raise_alert()
    for kind, name in (("created", "Ada"), ("updated", "Ada Byron"), ("updated", "Ada Byron")):
        data = {"contact": row.customer, "name": name}
        await cases.handle(cases.fact(f"heed.contact.{kind}.v1", row.customer, data))
        await cases.jobs.settle()
    names = [change["customer"]["name"] for change in await cases.changes_of(row.id)]
    assert names == [None, "Ada", "Ada Byron"]
    assert (await cases.raise_alert(row.customer)).customer_name == "Ada Byron"


async def test_a_merge_moves_alerts_and_whoever_owns_them(cases: Any) -> None:
    for owner in ("anna", "ben"):
        await cases.put_owner(owner)
    losing, surviving = cases.new_customer(), cases.new_customer()
    row = await cases.raise_alert(losing)
    await cases.handle(cases.fact("heed.contact.merged.v1", losing, {"losing": losing, "surviving": surviving}))
    assert (await cases.alert(row.id)).customer == surviving
    assert (await cases.raise_alert(surviving)).owner_id == "anna"
    assert (await cases.raise_alert(losing)).customer == surviving


@pytest.mark.parametrize("turned", [False, True])
async def test_merges_of_merges_arrive_in_any_order(cases: Any, turned: bool) -> None:
    a, b, c = (cases.new_customer() for _ in range(3))
    row = await cases.raise_alert(a)
    merges = [
        cases.fact("heed.contact.merged.v1", losing, {"losing": losing, "surviving": surviving})
        for losing, surviving in ((a, b), (b, c))
    ]
    await cases.handle(*(reversed(merges) if turned else merges))
    assert (await cases.alert(row.id)).customer == c
    assert (await cases.raise_alert(a)).customer == c


def separated(cases: Any, losing: str, surviving: str, *keys: str) -> Envelope:
    data = {"losing": losing, "surviving": surviving, "keys": [losing, *keys]}
    fact: Envelope = cases.fact("heed.contact.separated.v1", losing, data)
    return fact


async def test_a_merge_that_is_undone_gives_alerts_back_to_whom_they_were_about(cases: Any) -> None:
    await cases.put_owner("anna")
    earlier, losing, surviving = (cases.new_customer() for _ in range(3))
    theirs, older, mine = [await cases.raise_alert(customer) for customer in (losing, earlier, surviving)]
    for lost, into in ((earlier, losing), (losing, surviving)):
        await cases.handle(cases.fact("heed.contact.merged.v1", lost, {"losing": lost, "surviving": into}))
    of_both = await cases.raise_alert(surviving)
    late = await cases.raise_alert(losing)
    parted = separated(cases, losing, surviving, earlier)
    named = cases.fact("heed.contact.updated.v1", losing, {"contact": losing, "name": "Bob"})
    await cases.handle(replace(parted, id=new_id(), key=surviving), parted, named, replace(parted, id=new_id()))
    await cases.jobs.settle()

    whose = {row.id: (await cases.alert(row.id)).customer for row in (theirs, older, mine, of_both, late)}
    assert [whose[row.id] for row in (theirs, older, late)] == [losing] * 3
    assert [whose[row.id] for row in (mine, of_both)] == [surviving] * 2
    assert (await cases.changes_of(theirs.id))[-1]["customer"] == {"id": losing, "name": "Bob"}
    assert [(await cases.raise_alert(key)).customer for key in (losing, earlier, surviving)] == [
        losing,
        losing,
        surviving,
    ]
    assert (await cases.raise_alert(losing)).owner_id == "anna", "whoever knows both keeps both"


async def test_an_alert_raised_while_its_customer_was_merged_follows(cases: Any) -> None:
    losing, surviving = cases.new_customer(), cases.new_customer()
    await cases.put_owner("anna")
    await cases.raise_alert(losing)  # who has an owner needs no turn, so nothing makes the merge wait
    merged = cases.fact("heed.contact.merged.v1", losing, {"losing": losing, "surviving": surviving})
    async with cases.database.transaction() as session:
        told = cases.trigger()
        await cases.triggers["heed.trigger.raised.v1"](
            session, cases.fact("heed.trigger.raised.v1", losing, {**told, "customer": losing})
        )
        await cases.handle(merged)
    await cases.jobs.settle()
    assert (await cases.alert_of(told["trigger"])).customer == surviving


@pytest.mark.parametrize(
    "broken",
    [
        {"trigger": ""},
        {"trigger": None},
        {"severity": "grave"},
        {"score": 7},
        {"sentence": ""},
        {"time": "yesterday"},
        {"time": "2026-03-01T09:00:00"},
        {"reasons": "because"},
        {"sentence": "\x00"},
    ],
)
async def test_a_broken_trigger_is_invalid_and_leaves_nothing(cases: Any, broken: dict[str, object]) -> None:
    customer = cases.new_customer()
    with pytest.raises((ValidationError, InvalidError)):
        await cases.trigger_told("raised", customer, {**cases.trigger(), **broken})
    assert await cases.emitted(customer) == []


async def test_a_trigger_with_more_and_with_less_than_we_know_is_taken(cases: Any) -> None:
    told = {**cases.trigger(), "mood": "grim"}
    for name in ("expected", "observed", "recent_orders", "suggested_step", "model_version", "event_ids"):
        told.pop(name)
    await cases.trigger_told("raised", cases.new_customer(), told)
    assert await cases.alert_of(told["trigger"])


async def test_the_log_keeps_the_last_change_of_each_alert(cases: Any) -> None:
    row = await cases.raise_alert()
    async with cases.database.transaction() as session:
        await cases.alerts.acknowledge(session, row.id, TESS)
    connection = await cases.database.connect()
    assert await number_changes(connection) == 2
    await connection.close()
    cases.clock.advance(timedelta(days=100_000))
    await cases.jobs.compact()
    (last,) = await cases.changes_of(row.id)
    assert last["status"] == "acknowledged"
