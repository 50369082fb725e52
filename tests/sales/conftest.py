"""A running sales service on a real broker and database, and what tests do with it."""

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import pytest_asyncio
import uvicorn
from jsonschema import validate
from sqlalchemy import select, text
from sqlalchemy.orm import joinedload, selectinload

from common import migrate
from common.application import Application
from common.bus import KafkaPublisher, Message
from common.clock import FakeClock
from common.database import Database
from common.envelope import Envelope
from common.ids import new_id
from common.keys import entity_key
from common.outbox import OUTBOX
from common.tokens import generate_keys, mint
from heed.platform.ports import free_ports
from sales.handlers import fact_handlers, trigger_handlers
from sales.jobs import Jobs
from sales.main import build
from sales.models import AlertChangeRow, AlertRow, LeadRow
from sales.repository import alerts as alert_rows
from sales.repository import routing as routing_rows
from sales.service.alerts import Alerts
from sales.service.budget import Budget
from sales.service.customers import Customers
from sales.service.leads import Leads
from sales.settings import Settings

CONTRACTS = Path(__file__).parents[2] / "contracts"
PRIVATE, PUBLIC = generate_keys()


async def eventually(check: Callable[[], Awaitable[Any]], seconds: float = 60.0) -> Any:
    """What `check` answers as soon as it is true."""
    async with asyncio.timeout(seconds):
        while True:
            if answer := await check():
                return answer
            await asyncio.sleep(0.02)


def token(*roles: str) -> str:
    return mint(PRIVATE, "u_test", "Tess Test", frozenset(roles), timedelta(minutes=5))


def new_customer() -> str:
    return entity_key("c", "email", f"{secrets.token_hex(8)}@example.com")


def trigger(**changes: Any) -> dict[str, Any]:
    return {
        "trigger": new_id(),
        "kind": "purchase_silence",
        "direction": "bad",
        "severity": "high",
        "sentence": "Orders every 9 days; silent for 24. Usually spends £42.",
        "expected": {"value": 9, "unit": "days", "text": "every 9 days"},
        "observed": {"value": 24, "unit": "days", "text": "24 days"},
        "score": 0.93,
        "reasons": [{"code": "silence", "text": "Silent for 24 days", "weight": 1.0}],
        "event_ids": ["e1", "e2"],
        "model_version": None,
        "opened_at": "2026-03-01T09:00:00Z",
        "time": "2026-03-01T09:00:00Z",
        "recent_orders": [{"at": "2026-02-01T09:00:00Z", "total": "41.20", "currency": "GBP"}],
        "suggested_step": {"code": "call", "text": "Call and ask what changed"},
        **changes,
    }


@dataclass
class Event:
    id: str | None
    event: str
    data: Any


@dataclass
class Sales:
    """The service under test."""

    client: httpx.AsyncClient
    publisher: KafkaPublisher
    database: Database
    prefix: str

    eventually = staticmethod(eventually)
    new_customer = staticmethod(new_customer)
    trigger = staticmethod(trigger)
    token = staticmethod(token)

    async def tell(self, topic: str, type_: str, key: str, data: Mapping[str, Any], **attributes: Any) -> Envelope:
        """Publishes a fact of another service."""
        now = datetime.now(UTC)
        fact = Envelope(
            type=type_,
            source="/heed/test",
            key=key,
            subject=key,
            data=data,
            time=attributes.pop("time", now),
            received=now,
            **attributes,
        )
        await self.repeat(topic, fact)
        return fact

    async def repeat(self, topic: str, fact: Envelope) -> None:
        message = Message(f"{self.prefix}.{topic}", fact.key, fact.value(), fact.headers())
        await self.publisher.publish([message])

    async def tell_trigger(self, what: str, customer: str, data: Mapping[str, Any], **attributes: Any) -> Envelope:
        data = {"customer": customer, **data}
        return await self.tell("triggers", f"heed.trigger.{what}.v1", customer, data, **attributes)

    async def raise_alert(self, customer: str, **changes: Any) -> dict[str, Any]:
        """A trigger, and the alert that came of it."""
        await self.tell_trigger("raised", customer, trigger(**changes))
        return await self.only_alert(customer)

    async def only_alert(self, customer: str) -> dict[str, Any]:
        """The customer's alert, once it has its place in the stream."""

        async def placed() -> list[dict[str, Any]]:
            return [alert for alert in await self.alerts(customer=customer, status="all") if alert["seq"]]

        (alert,) = await eventually(placed)
        return dict(alert)

    async def alerts(self, **query: Any) -> list[dict[str, Any]]:
        return list((await self.get("/v1/alerts", **query))["items"])

    async def alert(self, alert_id: str) -> dict[str, Any]:
        return await self.get(f"/v1/alerts/{alert_id}")

    async def get(self, path: str, **query: Any) -> dict[str, Any]:
        answer = await self.client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def do(self, alert: Mapping[str, Any], what: str, **body: Any) -> httpx.Response:
        return await self.client.post(f"/v1/alerts/{alert['id']}/{what}", json=body or None)

    async def put_owner(self, owner_id: str, *, active: bool = True) -> None:
        body = {"name": owner_id.title(), "email": f"{owner_id}@example.com", "active": active}
        answer = await self.client.put(f"/v1/owners/{owner_id}", json=body)
        assert answer.status_code == 200, answer.text

    @asynccontextmanager
    async def stream(self, last: str | int | None = None) -> AsyncIterator["Stream"]:
        headers = {} if last is None else {"Last-Event-ID": str(last)}
        async with self.client.stream("GET", "/v1/alerts/stream", headers=headers, timeout=30) as response:
            assert response.status_code == 200, await response.aread()
            yield Stream(parse(response))


async def parse(response: httpx.Response) -> AsyncIterator[Event]:
    """Server-sent events, as the specification reads them."""
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
            continue
        yield Event(fields.get("id"), fields["event"], orjson.loads(fields["data"]))
        fields = {}


@dataclass
class Stream:
    """An open stream of alerts."""

    events: AsyncIterator[Event]

    async def next(self, seconds: float = 20.0) -> Event:
        async with asyncio.timeout(seconds):
            return await anext(self.events)

    async def alerts(self, count: int, seconds: float = 20.0) -> list[Event]:
        """The next alert events."""
        found: list[Event] = []
        async with asyncio.timeout(seconds):
            while len(found) < count:
                event = await anext(self.events)
                if event.event == "alert":
                    found.append(event)
        return found


@asynccontextmanager
async def serving(app: Application) -> AsyncIterator[tuple[str, Callable[[], None]]]:
    """The application on a free port: its base URL, and how to stop it."""
    config = uvicorn.Config(app.http, port=0, log_config=None, timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    try:

        async def started() -> bool:
            return server.started or running.done()

        await eventually(started)
        url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        yield url, lambda: setattr(server, "should_exit", True)
    finally:
        server.should_exit = True
        await running


@pytest_asyncio.fixture(scope="module")
async def migrated(database_url: str) -> str:
    await asyncio.to_thread(migrate.upgrade, "sales", database_url)
    return database_url


@pytest.fixture(scope="module")
def settings(migrated: str, kafka: str, topic_prefix: str) -> Settings:
    return Settings(
        database_url=migrated,
        kafka_bootstrap_servers=kafka,
        topic_prefix=topic_prefix,
        token_public_key=PUBLIC,
        instance="test",
        check_seconds=0.1,
    )


class Process:
    """The service as a process of its own, to be killed and started again."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.port = free_ports(1)[0]

    async def start(self) -> None:
        environment = {
            **os.environ,
            "SALES_DATABASE_URL": self._settings.database_url,
            "SALES_PORT": str(self.port),
            "KAFKA_BOOTSTRAP_SERVERS": self._settings.kafka_bootstrap_servers,
            "HEED_TOPIC_PREFIX": self._settings.topic_prefix,
            "HEED_TOKEN_PUBLIC_KEY": PUBLIC,
            "HEED_INSTANCE": "process",
        }
        quiet = asyncio.subprocess.DEVNULL
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "sales.main", env=environment, stdout=quiet
        )

    async def stop(self, how: signal.Signals) -> int:
        if self._process.returncode is None:
            self._process.send_signal(how)
        return await self._process.wait()


@pytest_asyncio.fixture
async def process(settings: Settings) -> AsyncIterator[tuple[Process, Sales]]:
    """The service in a process that is not started yet, and a client of it."""
    process, publisher = Process(settings), KafkaPublisher(settings.kafka_bootstrap_servers)
    database = Database(settings.database_url)
    headers = {"Authorization": f"Bearer {token('admin')}"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{process.port}", headers=headers) as client:
        yield process, Sales(client, publisher, database, settings.topic_prefix)
    await process.stop(signal.SIGTERM)
    await publisher.stop()
    await database.close()


@asynccontextmanager
async def replica(settings: Settings) -> AsyncIterator[tuple[Sales, Callable[[], None]]]:
    app = build(settings)
    publisher = KafkaPublisher(settings.kafka_bootstrap_servers)
    headers = {"Authorization": f"Bearer {token('admin')}"}
    limits = httpx.Limits(max_connections=None)
    async with (
        serving(app) as (url, stop),
        httpx.AsyncClient(base_url=url, headers=headers, timeout=10, limits=limits) as client,
    ):
        yield Sales(client, publisher, app.database, settings.topic_prefix), stop
        await publisher.stop()


@pytest_asyncio.fixture(scope="module")
async def sales(settings: Settings) -> AsyncIterator[Sales]:
    async with replica(settings) as (running, _):
        yield running


@pytest.fixture
def second_sales(settings: Settings) -> Callable[[], AbstractAsyncContextManager[tuple[Sales, Callable[[], None]]]]:
    """Starts another replica on the same database."""
    return lambda: replica(settings.model_copy(update={"instance": "second"}))


@pytest_asyncio.fixture(scope="module")
async def database(migrated: str) -> AsyncIterator[Database]:
    database = Database(migrated)
    yield database
    await database.close()


class Cases:
    """The use cases on a database without anything else running; time moves by hand."""

    new_customer = staticmethod(new_customer)
    trigger = staticmethod(trigger)
    eventually = staticmethod(eventually)

    def __init__(self, database: Database, per_day: int = 20, clock: FakeClock | None = None) -> None:
        self.database = database
        self.clock = clock or FakeClock(datetime(2026, 3, 1, 9, tzinfo=UTC))
        self.budget = Budget(self.clock, per_day)
        self.alerts = Alerts(self.clock, "facts", self.budget)
        self.leads = Leads(self.clock, "facts", timedelta(hours=4))
        self.customers = Customers(self.alerts, self.leads)
        self.jobs = Jobs(database, self.clock, self.alerts, self.leads, self.budget)
        self.triggers = trigger_handlers(self.alerts)
        self.facts = fact_handlers(self.leads, self.customers)

    def with_budget(self, per_day: int) -> "Cases":
        """The same with so many alerts a day, as after a restart."""
        return Cases(self.database, per_day, self.clock)

    def fact(self, type_: str, customer: str, data: Mapping[str, Any], **attributes: Any) -> Envelope:
        now = self.clock.now()
        return Envelope(type_, "/heed/test", customer, data, now, now, subject=customer, **attributes)

    async def handle(self, *facts: Envelope) -> None:
        """As the consumers do, in one transaction."""
        async with self.database.transaction() as session:
            for fact in facts:
                await {**self.triggers, **self.facts}[fact.type](session, fact)

    async def trigger_told(self, what: str, customer: str, data: Mapping[str, Any], **attributes: Any) -> None:
        await self.handle(self.fact(f"heed.trigger.{what}.v1", customer, data, **attributes))

    async def raise_alert(self, customer: str | None = None, **changes: Any) -> AlertRow:
        """A trigger, and the alert that came of it."""
        customer = customer or new_customer()
        data = trigger(**changes)
        await self.trigger_told("raised", customer, data)
        row = await self.alert_of(data["trigger"])
        assert row is not None
        return row

    async def alert_of(self, trigger_id: str) -> AlertRow | None:
        async with self.database.transaction() as session:
            return await alert_rows.hold_of_trigger(session, trigger_id)

    async def alert(self, alert_id: str) -> AlertRow:
        async with self.database.transaction() as session:
            row = await alert_rows.hold(session, alert_id)
        assert row is not None
        return row

    async def leads_of(self, customer: str) -> list[LeadRow]:
        async with self.database.transaction() as session:
            query = select(LeadRow).options(selectinload(LeadRow.touches), joinedload(LeadRow.owner))
            return list((await session.execute(query.where(LeadRow.customer == customer))).scalars())

    async def put_owner(self, owner_id: str, *, active: bool = True) -> None:
        async with self.database.transaction() as session:
            await routing_rows.put_owner(session, owner_id, owner_id.title(), f"{owner_id}@example.com", active)

    async def emitted(self, customer: str) -> list[tuple[str, dict[str, Any], dict[str, str]]]:
        """Type, data and headers of what waits in the outbox about a customer, each as its contract says."""
        async with self.database.transaction() as session:
            query = select(OUTBOX).where(OUTBOX.c.key == customer).order_by(OUTBOX.c.position)
            rows = (await session.execute(query)).all()
        found = [(row.headers["ce_type"], orjson.loads(row.value), row.headers) for row in rows]
        for type_, data, _ in found:
            validate(data, orjson.loads((CONTRACTS / f"{type_}.json").read_bytes())["schema"])
        return found

    async def changes_of(self, alert_id: str) -> list[dict[str, Any]]:
        """What the log of changes holds about an alert."""
        async with self.database.transaction() as session:
            query = select(AlertChangeRow.snapshot).where(AlertChangeRow.alert_id == alert_id)
            return list((await session.execute(query.order_by(AlertChangeRow.position))).scalars())


@pytest_asyncio.fixture
async def cases(database: Database) -> AsyncIterator[Cases]:
    """A database without owners, leads and alerts."""
    async with database.transaction() as session:
        tables = "alert_changes, alerts, cleared_triggers, leads, lead_touches, ownerships, owners, contacts, outbox"
        await session.execute(text(f"TRUNCATE {tables} CASCADE"))
        await session.execute(text("ALTER SEQUENCE turns RESTART"))
    yield Cases(database)
