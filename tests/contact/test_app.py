"""The whole service on a real broker: facts in, people, lines and facts out."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer

from common import topics
from common.application import Application
from common.bus import Message
from common.envelope import Envelope
from contact.main import build
from contact.settings import Settings
from tests.contact.conftest import START, identify, key, order, page, token


@pytest.fixture
async def running(contact_settings: Settings, kafka: str, topic_prefix: str) -> AsyncIterator[Application]:
    settings = contact_settings.model_copy(update={"kafka_bootstrap_servers": kafka, "topic_prefix": topic_prefix})
    async with lives(settings) as app:
        yield app


@asynccontextmanager
async def lives(settings: Settings) -> AsyncIterator[Application]:
    app = build(settings)
    async with app.http.router.lifespan_context(app.http):
        yield app


async def eventually(check: Callable[[], Awaitable[Any]]) -> Any:
    async with asyncio.timeout(30):
        while True:
            if answer := await check():
                return answer
            await asyncio.sleep(0.05)


async def send(app: Application, *facts: Envelope) -> None:
    topic = app.settings.topic(topics.CUSTOMER_FACTS)
    await app.publisher.publish([Message(topic, fact.key, fact.value(), fact.headers()) for fact in facts])


async def get(app: Application, path: str) -> Any:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app.http), base_url="http://contact") as client:
        answer = await client.get(f"/v1/contacts{path}", headers=token("sales"))
        return answer.json() if answer.status_code == 200 else None


async def test_facts_become_people_lines_and_news(running: Application, kafka: str) -> None:
    ada, visitor = key("email", "ada@example.com"), key("anonymous_id", "b1")
    tick = Envelope("heed.clock.ticked.v1", "/heed/lead_capture", "", {"time": "2026-03-01T09:00:00Z"}, START, START)
    bought = order({"email": "ada@example.com"}, at=1, name="Ada")
    facts = [page({"anonymous_id": "b1"}, "Pricing"), tick, bought, bought]
    await send(running, *facts, replace(order({"email": "poison@example.com"}), data={"identifiers": {}}))
    await send(running, identify({"email": "ada@example.com", "anonymous_id": "b1"}, at=2))

    async def told() -> Any:
        lines = await get(running, f"/{visitor}/timeline")
        titles = [entry["title"] for entry in lines["items"]] if lines else []
        wanted = {"Viewed Pricing", "Ordered 3 items for £42.30", "Said who they are", "Two records became one"}
        return titles if wanted <= set(titles) else None

    titles = await eventually(told)
    assert titles.count("Ordered 3 items for £42.30") == 1
    assert (await get(running, f"/{visitor}"))["id"] == ada
    assert await get(running, f"/{key('email', 'poison@example.com')}") is None
    assert await on_bus(running, kafka, topics.CUSTOMER_FACTS, "heed.contact.merged.v1") == [visitor]
    assert await on_bus(running, kafka, topics.IDENTITIES, "heed.contact.merged.v1") == [visitor]
    assert await on_bus(running, kafka, topics.DEAD_LETTERS, bought.type) == [key("email", "poison@example.com")]


async def test_a_trigger_is_a_line(running: Application) -> None:
    customer = key("user_id", "quiet")
    data = {"trigger": "t-1", "kind": "purchase_silence", "sentence": "Silent for 24 days."}
    fact = Envelope("heed.trigger.raised.v1", "/heed/analytics", customer, data, START, START)
    topic = running.settings.topic(topics.TRIGGERS)
    await running.publisher.publish([Message(topic, customer, fact.value(), fact.headers())])
    lines = await eventually(lambda: get(running, f"/{customer}/timeline?kind=trigger"))
    assert lines["items"][0]["title"] == "Noticed: Silent for 24 days."


async def on_bus(app: Application, kafka: str, topic: str, type_: str) -> list[str]:
    """The keys of all records of a type that are on a topic now."""
    consumer = AIOKafkaConsumer(app.settings.topic(topic), bootstrap_servers=kafka, auto_offset_reset="earliest")
    await consumer.start()
    try:
        ends = await consumer.end_offsets(consumer.assignment())
        found = []
        while any([await consumer.position(partition) < end for partition, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += [record.key.decode() for record in records if ("ce_type", type_.encode()) in record.headers]
        return found
    finally:
        await consumer.stop()
