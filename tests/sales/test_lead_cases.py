"""Captured leads: deduplicated, routed, answered."""

import asyncio
import secrets
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from common.keys import entity_key
from common.problems import Problem
from common.tokens import Principal
from sales.domain import LeadStatus

TESS = Principal("u_tess", "Tess Test", frozenset({"sales"}))


def captured(cases: Any, customer: str, **changes: Any) -> Any:
    data = {"identifiers": {"email": f"{customer}@example.com"}, "source": "website", "name": "Ada", **changes}
    backfill = data.pop("backfill", None)
    return cases.fact("heed.lead.captured.v1", customer, data, backfill=backfill)


async def test_a_captured_lead_gets_an_owner_and_a_deadline(cases: Any) -> None:
    await cases.put_owner("anna")
    customer = cases.new_customer()
    await cases.handle(captured(cases, customer, message="Call me", company="Engines"))
    (lead,) = await cases.leads_of(customer)
    assert (lead.status, lead.owner_id, lead.message, lead.company) == ("new", "anna", "Call me", "Engines")
    assert lead.respond_by == cases.clock.now() + timedelta(hours=4)
    ((type_, data, headers),) = await cases.emitted(customer)
    assert (type_, data["owner"]["id"], data["name"]) == ("heed.lead.created.v1", "anna", "Ada")
    assert headers["ce_causationid"] == lead.touches[0].id


async def test_who_comes_again_touches_the_open_lead(cases: Any) -> None:
    customer, other = cases.new_customer(), cases.new_customer()
    same = {"email": "ada@example.com"}
    await cases.handle(captured(cases, customer, identifiers=same, name=None))
    await cases.handle(captured(cases, customer, identifiers={"phone": "+442079460018"}, form="callback"))
    await cases.handle(captured(cases, other, identifiers=same))
    await cases.handle(captured(cases, other, identifiers={"phone": "+442079460018"}))
    (lead,) = await cases.leads_of(customer)
    assert await cases.leads_of(other) == []
    assert (lead.name, lead.phone, len(lead.touches)) == ("Ada", "+442079460018", 4)
    assert len(await cases.emitted(customer)) == 1


async def test_a_closed_lead_does_not_swallow_a_new_one(cases: Any) -> None:
    customer = cases.new_customer()
    await cases.handle(captured(cases, customer))
    (lead,) = await cases.leads_of(customer)
    async with cases.database.transaction() as session:
        await cases.leads.change(session, lead.id, LeadStatus.DISQUALIFIED, "No budget", TESS)
    await cases.handle(captured(cases, customer))
    assert sorted(lead.status for lead in await cases.leads_of(customer)) == ["disqualified", "new"]


async def test_a_change_of_status_is_told_once(cases: Any) -> None:
    customer = cases.new_customer()
    await cases.handle(captured(cases, customer))
    (lead,) = await cases.leads_of(customer)
    async with cases.database.transaction() as session:
        for _ in range(2):
            await cases.leads.change(session, lead.id, LeadStatus.WORKING, None, TESS)
        with pytest.raises(Problem, match="with a reason"):
            await cases.leads.change(session, lead.id, LeadStatus.DISQUALIFIED, None, TESS)
    (lead,) = await cases.leads_of(customer)
    assert lead.responded_at == cases.clock.now()
    _, (type_, data, _) = await cases.emitted(customer)
    assert (type_, data["status"], data["previous"]) == ("heed.lead.status_changed.v1", "working", "new")


async def test_history_asks_nobody_for_an_answer(cases: Any) -> None:
    customer = cases.new_customer()
    await cases.handle(captured(cases, customer, backfill=datetime(2026, 3, 1, tzinfo=UTC)))
    (lead,) = await cases.leads_of(customer)
    assert lead.respond_by is None
    ((_, _, headers),) = await cases.emitted(customer)
    assert headers["ce_heedbackfill"] == "2026-03-01T00:00:00Z"


async def test_turns_are_fair_whoever_takes_them_at_the_same_time(cases: Any) -> None:
    for owner in ("anna", "ben", "cleo"):
        await cases.put_owner(owner)
    customers = [cases.new_customer() for _ in range(12)]
    await asyncio.gather(*(cases.handle(captured(cases, customer)) for customer in customers))
    owners = Counter([(await cases.leads_of(customer))[0].owner_id for customer in customers])
    assert owners == {"anna": 4, "ben": 4, "cleo": 4}


async def test_the_same_person_at_the_same_time_is_one_lead(cases: Any) -> None:
    same = {"email": "ada@example.com"}
    customers = [cases.new_customer() for _ in range(6)]
    await asyncio.gather(*(cases.handle(captured(cases, customer, identifiers=same)) for customer in customers))
    (lead,) = [lead for customer in customers for lead in await cases.leads_of(customer)]
    assert len(lead.touches) == 6


async def test_leads_wait_for_the_first_owner(cases: Any) -> None:
    customer = cases.new_customer()
    await cases.handle(captured(cases, customer))
    await cases.put_owner("anna")
    await cases.jobs.settle()
    (lead,) = await cases.leads_of(customer)
    assert lead.owner_id == "anna"
    assert [type_ for type_, _, _ in await cases.emitted(customer)] == [
        "heed.lead.created.v1",
        "heed.lead.assigned.v1",
    ]


async def test_a_merge_moves_leads(cases: Any) -> None:
    losing, surviving = cases.new_customer(), cases.new_customer()
    await cases.handle(captured(cases, losing))
    await cases.handle(cases.fact("heed.contact.merged.v1", losing, {"losing": losing, "surviving": surviving}))
    await cases.handle(captured(cases, losing, identifiers={"email": "new@example.com"}))
    (lead,) = await cases.leads_of(surviving)
    assert len(lead.touches) == 2


async def test_a_merge_that_is_undone_gives_leads_back_to_whoever_began_them(cases: Any) -> None:
    email = f"{secrets.token_hex(8)}@example.com"
    bob = {"email": email, "phone": None}
    losing, surviving = entity_key("c", "email", email), cases.new_customer()
    await cases.handle(captured(cases, losing, identifiers=bob))
    (lead,) = await cases.leads_of(losing)
    await cases.handle(cases.fact("heed.contact.merged.v1", losing, {"losing": losing, "surviving": surviving}))
    assert len(await cases.leads_of(surviving)) == 1
    data = {"losing": losing, "surviving": surviving, "keys": [losing]}
    await cases.handle(cases.fact("heed.contact.separated.v1", losing, data))
    assert [row.id for row in await cases.leads_of(losing)] == [lead.id]
    assert await cases.leads_of(surviving) == []

    await cases.handle(captured(cases, surviving, identifiers=bob))  # capture has not heard of it yet
    (same,) = await cases.leads_of(losing)
    assert len(same.touches) == 2
