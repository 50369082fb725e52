"""Analytics, running on a real database and a real broker, and a way to put facts on its log."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from datetime import timedelta
from typing import Any, Protocol

import httpx
import pytest

from analytics.customers import CompletedExample
from analytics.events import TYPES, Event, What, emission
from analytics.fold import Fold
from analytics.learners.churn import ChurnLearner
from analytics.main import build
from analytics.operators.base import Adopted
from analytics.orders import DAY
from analytics.settings import Settings
from analytics.teaching import Lesson, told
from common.application import Application
from common.bus import KafkaPublisher
from common.database import Database
from common.migrate import upgrade
from common.outbox import message_of
from common.tokens import generate_keys, mint
from common.topics import PARTITIONS
from tests.analytics.stories import START, regular, ticks

PRIVATE, PUBLIC = generate_keys()

Client = Callable[..., httpx.AsyncClient]
Tell = Callable[[Iterable[Event]], Awaitable[None]]
Eventually = Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]


class Teach(Protocol):
    async def __call__(self, examples: Iterable[CompletedExample], again: int = 0) -> None: ...


@pytest.fixture(scope="module")
def migrated(database_url: str) -> str:
    """The address of analytics' database."""
    upgrade("analytics", database_url)
    return database_url


@pytest.fixture
async def database(migrated: str) -> AsyncIterator[Database]:
    """Nothing is folded and nobody was told."""
    database = Database(migrated)
    connection = await database.connect()
    await connection.execute("TRUNCATE tasks, told, profiles, pending_examples, seen, triggers, decisions, outbox")
    await connection.close()
    yield database
    await database.close()


@pytest.fixture(scope="module")
def settings(migrated: str, kafka: str, topic_prefix: str) -> Settings:
    given: dict[str, Any] = {
        "database_url": migrated,
        "kafka_bootstrap_servers": kafka,
        "topic_prefix": topic_prefix,
        "token_public_key": PUBLIC,
        "publish_examples": 50,
        "instance": migrated.rsplit("/", 1)[1],
    }
    return Settings(**given)


@pytest.fixture(scope="module")
async def app(settings: Settings) -> AsyncIterator[Application]:
    """Running: runtime, trainer and relay too."""
    app = build(settings)
    async with app.http.router.lifespan_context(app.http):
        yield app


@pytest.fixture(scope="module")
async def client(app: Application) -> AsyncIterator[Client]:
    """Makes clients that call as somebody with these roles."""
    made: list[httpx.AsyncClient] = []

    def call_as(*roles: str) -> httpx.AsyncClient:
        token = mint(PRIVATE, "u-ada", "Ada", frozenset(roles), timedelta(minutes=30))
        transport = httpx.ASGITransport(app.http, raise_app_exceptions=False)
        headers = {"authorization": f"Bearer {token}"}
        made.append(httpx.AsyncClient(transport=transport, base_url="http://analytics", headers=headers))
        return made[-1]

    yield call_as
    for one in made:
        await one.aclose()


@pytest.fixture(scope="module")
async def publisher(kafka: str) -> AsyncIterator[KafkaPublisher]:
    publisher = KafkaPublisher(kafka)
    yield publisher
    await publisher.stop()


@pytest.fixture(scope="module")
def tell(app: Application, publisher: KafkaPublisher, topic_prefix: str) -> Tell:
    """Puts facts on the log as they come; ticks and other facts of nobody on every partition."""
    del app

    async def tell(events: Iterable[Event]) -> None:
        sent = []
        for event in events:
            data = dict(event.data)
            if event.what in (What.ORDER, What.RETURN):
                data |= {"total": f"{event.amount / 10_000:.4f}", "currency": event.currency}
            fact = emission(TYPES[event.what], event.customer, data, event, event.time, event.id)
            places = [None] if event.customer else range(PARTITIONS)
            sent += [message_of(f"{topic_prefix}.customer-facts", fact, partition) for partition in places]
        await publisher.publish(sent)

    return tell


@pytest.fixture(scope="module")
def teach(app: Application, publisher: KafkaPublisher, topic_prefix: str) -> Teach:
    """Gives training examples to the trainer, as those of a partition that there is not; `again` as before."""
    del app
    lessons: list[Lesson] = []

    async def teach(examples: Iterable[CompletedExample], again: int = 0) -> None:
        new = [Lesson(-1, number, example) for number, example in enumerate(examples, start=len(lessons) + 1)]
        taken = lessons[len(lessons) - again :] + new
        lessons.extend(new)
        await publisher.publish([message_of(f"{topic_prefix}.training-examples", some) for some in told(taken)])

    return teach


@pytest.fixture
def eventually() -> Eventually:
    """Waits until a condition holds; returns what it answered."""

    async def wait(condition: Callable[[], Awaitable[Any]]) -> Any:
        deadline = time.monotonic() + 60
        while not (found := await condition()):
            assert time.monotonic() < deadline, "the condition did not come true in time"
            await asyncio.sleep(0.05)
        return found

    return wait


@pytest.fixture(scope="session")
def churn_model() -> Adopted:
    """A version that learned from a shop half of whose customers leave."""
    learner, fold = ChurnLearner(), Fold(0)
    for i in range(20):
        for event in regular(f"c_{i}", 5 + 10 * (i % 2), 9):
            fold.apply(event)
    for tick in ticks(START + 130 * DAY, START + 330 * DAY):
        fold.apply(tick)
    for said in fold.take_changes().examples:
        if said.data["model"] == learner.name:
            learner.take(said.data)
    return Adopted(learner.name, 3, learner.examples, learner.snapshot())
