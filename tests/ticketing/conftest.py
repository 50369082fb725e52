"""A ticketing service that runs on a real database and a real broker, with a clock that the tests move."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer

from common.application import Application
from common.clock import FakeClock
from common.envelope import Envelope, decode
from common.migrate import upgrade
from common.tokens import generate_keys, mint
from ticketing.main import build
from ticketing.settings import Settings

PRIVATE, PUBLIC = generate_keys()

Client = Callable[..., httpx.AsyncClient]
Facts = Callable[[Callable[[list[Envelope]], bool]], Awaitable[list[Envelope]]]


@pytest.fixture(scope="module")
def settings(database_url: str, kafka: str, topic_prefix: str) -> Settings:
    upgrade("ticketing", database_url)
    given: dict[str, Any] = {
        "database_url": database_url,
        "kafka_bootstrap_servers": kafka,
        "topic_prefix": topic_prefix,
        "token_public_key": PUBLIC,
        "check_seconds": 0.1,
        "instance": database_url.rsplit("/", 1)[1],
    }
    return Settings(**given)


@pytest.fixture(scope="module")
def clock() -> FakeClock:
    return FakeClock(datetime(2026, 3, 1, 9, 30, tzinfo=UTC))


@pytest.fixture(scope="module")
async def app(settings: Settings, clock: FakeClock) -> AsyncIterator[Application]:
    """Running: relay, consumer and deadlines too."""
    app = build(settings, clock)
    async with app.http.router.lifespan_context(app.http):
        yield app


@pytest.fixture(scope="module")
async def client(app: Application) -> AsyncIterator[Client]:
    """Makes clients that call as somebody with these roles."""
    made: list[httpx.AsyncClient] = []

    def call_as(*roles: str, subject: str = "u-ada", name: str = "Ada") -> httpx.AsyncClient:
        token = mint(PRIVATE, subject, name, frozenset(roles), timedelta(minutes=30))
        transport = httpx.ASGITransport(app.http, raise_app_exceptions=False)
        headers = {"authorization": f"Bearer {token}"}
        made.append(httpx.AsyncClient(transport=transport, base_url="http://ticketing", headers=headers))
        return made[-1]

    yield call_as
    for one in made:
        await one.aclose()


@pytest.fixture(scope="module")
def agent(client: Client) -> httpx.AsyncClient:
    return client("support")


@pytest.fixture
async def facts(kafka: str, topic_prefix: str) -> AsyncIterator[Facts]:
    """Waits until what ticketing said so far fulfils a condition; each fact once, partition by partition."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest", enable_auto_commit=False)
    consumer.subscribe([f"{topic_prefix}.customer-facts"])
    await consumer.start()
    seen: dict[str, Envelope] = {}

    async def wait(enough: Callable[[list[Envelope]], bool]) -> list[Envelope]:
        deadline = time.monotonic() + 60
        while not enough(list(seen.values())):
            assert time.monotonic() < deadline, f"heard {[fact.type for fact in seen.values()]}"
            for records in (await consumer.getmany(timeout_ms=100)).values():
                for record in records:
                    fact = decode(record.key, record.headers, record.value)
                    if fact.source == "/heed/ticketing":
                        seen.setdefault(fact.id, fact)
        return list(seen.values())

    yield wait
    await consumer.stop()


@pytest.fixture
def eventually() -> Callable[[Callable[[], Awaitable[object]]], Awaitable[None]]:
    """Waits until a condition holds."""

    async def wait(condition: Callable[[], Awaitable[object]]) -> None:
        deadline = time.monotonic() + 60
        while not await condition():
            assert time.monotonic() < deadline, "the condition did not come true in time"
            await asyncio.sleep(0.05)

    return wait
