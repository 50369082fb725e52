"""Deadlines and merges as they happen: told once each, by whichever replica lives."""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from common.application import Application
from common.bus import KafkaPublisher
from common.clock import FakeClock
from common.database import Database
from common.envelope import new_fact
from common.keys import entity_key
from common.testing.effects import message
from ticketing import domain, repository
from ticketing.models import TicketRow
from ticketing.settings import Settings

ADA, ADA_AT_WORK, ADA_ONCE = (entity_key("c", "email", f"{name}@example.com") for name in ("ada", "work", "once"))


async def _open(agent: httpx.AsyncClient, **body: object) -> dict[str, Any]:
    response = await agent.post("/v1/tickets", json={"subject": "Late", "text": "Where?"} | body)
    ticket: dict[str, Any] = response.json()
    return ticket


async def test_a_missed_deadline_is_told_once(agent: httpx.AsyncClient, clock: FakeClock, facts: Any) -> None:
    ticket = await _open(agent, email="late@example.com", priority="urgent")
    clock.advance(timedelta(minutes=16))

    def told(deadline: str) -> Callable[[list[Any]], bool]:
        return lambda heard: any(
            fact.data.get("deadline") == deadline and fact.data["ticket_id"] == ticket["id"] for fact in heard
        )

    heard = await facts(told("first_response"))
    escalated = next(fact for fact in heard if fact.data.get("deadline") == "first_response")
    assert escalated.data["due_at"] == ticket["first_response_due"]
    assert escalated.key == ticket["customer"]
    clock.advance(timedelta(hours=4))
    heard = await facts(told("resolution"))
    deadlines = [fact.data["deadline"] for fact in heard if fact.type == "heed.ticket.escalated.v1"]
    assert sorted(deadlines) == ["first_response", "resolution"]
    shown = (await agent.get(f"/v1/tickets/{ticket['id']}")).json()
    assert (shown["escalated"], shown["first_response_due"], shown["resolution_due"]) == (True, None, None)


async def test_tickets_follow_their_customer(
    agent: httpx.AsyncClient, app: Application, settings: Settings, publisher: KafkaPublisher, eventually: Any
) -> None:
    old = await _open(agent, customer=ADA_AT_WORK)

    async def merge(losing: str, surviving: str) -> None:
        data = {"losing": losing, "surviving": surviving, "reason": "same phone"}
        fact = new_fact("heed.contact.merged.v1", "/heed/contact", losing, data, time=datetime.now(UTC))
        # Delivered twice, as anything may be.
        await publisher.publish([message(settings.topic("customer-facts"), fact)] * 2)

    async def customer_of(ticket: dict[str, Any]) -> str:
        return str((await agent.get(f"/v1/tickets/{ticket['id']}")).json()["customer"])

    async def moved() -> bool:
        return await customer_of(old) == ADA

    # The second of a chain comes first: each is on its own key's partition.
    await merge(ADA_AT_WORK, ADA)
    await eventually(moved)
    await merge(ADA_ONCE, ADA_AT_WORK)
    await merge(ADA, ADA)

    async def chained() -> bool:
        async with app.database.transaction() as session:
            return await repository.surviving(session, ADA_ONCE) == ADA

    await eventually(chained)
    late = await _open(agent, email="once@example.com")
    assert late["customer"] == ADA
    listed = (await agent.get("/v1/tickets", params={"customer": ADA_AT_WORK})).json()["items"]
    assert {ticket["id"] for ticket in listed} == {old["id"], late["id"]}


async def test_a_merge_that_is_undone_gives_tickets_back_to_who_wrote_them(
    agent: httpx.AsyncClient, settings: Settings, publisher: KafkaPublisher, eventually: Any
) -> None:
    bob, cleo = entity_key("c", "email", "bob@example.com"), entity_key("c", "user_id", "cleo")

    async def say(type_: str, key: str, **data: Any) -> None:
        fact = new_fact(type_, "/heed/contact", key, data, time=datetime.now(UTC))
        await publisher.publish([message(settings.topic("customer-facts"), fact)] * 2)

    async def whose() -> list[str]:
        shown = [(await agent.get(f"/v1/tickets/{ticket['id']}")).json() for ticket in (before, during, hers)]
        return [ticket["customer"] for ticket in shown]

    async def are(*expected: str) -> bool:
        return await whose() == list(expected)

    before, during, hers = await _open(agent, email="bob@example.com"), {"id": ""}, await _open(agent, customer=cleo)
    during = await _open(agent, customer=cleo)
    await say("heed.contact.merged.v1", bob, losing=bob, surviving=cleo, reason="same phone")
    await eventually(lambda: are(cleo, cleo, cleo))
    during = await _open(agent, email="bob@example.com")
    assert during["customer"] == cleo

    await say("heed.contact.separated.v1", cleo, losing=bob, surviving=cleo, keys=[bob])
    await say("heed.contact.separated.v1", bob, losing=bob, surviving=cleo, keys=[bob])
    await eventually(lambda: are(bob, bob, cleo))
    assert (await _open(agent, email="bob@example.com"))["customer"] == bob


@pytest.fixture
async def publisher(kafka: str) -> AsyncIterator[KafkaPublisher]:
    publisher = KafkaPublisher(kafka)
    yield publisher
    await publisher.stop()


@pytest.fixture
async def replica(settings: Settings) -> AsyncIterator[Callable[[str], Awaitable[asyncio.subprocess.Process]]]:
    """Starts a replica as a process of its own."""
    started: list[asyncio.subprocess.Process] = []

    async def start(instance: str) -> asyncio.subprocess.Process:
        environment = os.environ | {
            "TICKETING_DATABASE_URL": settings.database_url,
            "TICKETING_PORT": "0",
            "TICKETING_CHECK_SECONDS": "0.05",
            "KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
            "HEED_TOPIC_PREFIX": settings.topic_prefix,
            "HEED_INSTANCE": instance,
            "HEED_TOKEN_PUBLIC_KEY": settings.token_public_key,
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ticketing.main", env=environment, stdout=asyncio.subprocess.DEVNULL
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_each_deadline_is_told_once_though_a_replica_is_killed(
    settings: Settings, replica: Any, facts: Any
) -> None:
    """More tickets than one look takes, so that the kill finds work half done."""
    count = 250
    database = Database(settings.database_url, pool_size=2)
    then = datetime.now(UTC) - timedelta(days=30)
    async with database.transaction() as session:
        for number in range(count):
            row = TicketRow(id=f"overdue-{number}", customer=f"c_{number}", subject="Late", channel="api")
            repository.store(row, domain.open_ticket(domain.Priority.LOW, then))
            session.add(row)
    await database.close()
    first, _ = await replica("first"), await replica("second")

    def escalations(heard: list[Any]) -> Counter[tuple[str, str]]:
        return Counter(
            (fact.data["ticket_id"], fact.data["deadline"])
            for fact in heard
            if fact.type == "heed.ticket.escalated.v1" and fact.data["ticket_id"].startswith("overdue-")
        )

    await facts(lambda heard: len(escalations(heard)) > 0)
    first.kill()
    told = escalations(await facts(lambda heard: len(escalations(heard)) >= 2 * count))
    assert set(told.values()) == {1}
    assert len(told) == 2 * count
