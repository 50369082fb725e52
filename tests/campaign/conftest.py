"""Campaign on a real database, broker and mail server, and what tests do with it."""

import asyncio
import email
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio
from aiosmtpd.smtp import SMTP, Envelope, Session
from jsonschema import validate
from sqlalchemy import select, text

import campaign
from campaign import events, handlers, journeys
from campaign.composer import Composer
from campaign.courier import Courier, Pace
from campaign.domain import Status
from campaign.mail import Sender
from campaign.models import ContactRow, EnrolmentRow, MessageRow
from campaign.repository import contacts, messages
from campaign.service import Contacts, Enrolments, Letterbox, Responses
from campaign.service.outgoing import Attempt, Claim, Fate
from campaign.smtp import Server
from common import envelope as envelopes
from common.clock import FakeClock, SystemClock, rfc3339
from common.database import Database
from common.failures import TransientError
from common.ids import new_id
from common.keys import entity_key
from common.migrate import upgrade
from common.outbox import OUTBOX
from heed.platform.ports import free_ports

CONTRACTS = Path(__file__).parents[2] / "contracts"
JOURNEYS = Path(campaign.__file__).parent / "journeys"
HOUR = timedelta(hours=1)
PACE = Pace(connections=3, per_second=1000, timeout_seconds=5)


async def eventually(check: Callable[[], Awaitable[Any]], seconds: float = 60.0) -> Any:
    """What `check` answers as soon as it is true; a database that is away for the moment is asked again."""
    async with asyncio.timeout(seconds):
        while True:
            with suppress(TransientError):
                if answer := await check():
                    return answer
            await asyncio.sleep(0.02)


def new_customer() -> str:
    return entity_key("c", "email", f"{secrets.token_hex(8)}@example.com")


@dataclass
class Sink:
    """A mail server that keeps what it takes and misbehaves where told to."""

    port: int = 0
    taken: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    connections: int = 0
    at_rcpt: dict[str, str] = field(default_factory=dict)  # recipient → answer
    at_data: dict[str, str] = field(default_factory=dict)  # recipient → answer to the whole message, or "drop"
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    hold_rcpt: asyncio.Event | None = None
    hold_data: asyncio.Event | None = None
    busy: int = 0
    most_busy: int = 0

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, rcpt_options: list[str]
    ) -> str:
        self.reached.set()
        if self.hold_rcpt:
            await self.hold_rcpt.wait()
        answer = self.at_rcpt.get(address, "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        recipient = envelope.rcpt_tos[0]
        self.recipients.append(recipient)
        self.busy += 1
        self.most_busy = max(self.most_busy, self.busy)
        self.reached.set()
        try:
            if self.hold_data:
                await self.hold_data.wait()
        finally:
            self.busy -= 1
        answer = self.at_data.get(recipient, "250 OK")
        if answer == "drop":
            server.transport.abort()
        elif answer.startswith("250"):
            content = envelope.content
            assert isinstance(content, bytes)
            self.taken.append(email.message_from_bytes(content, policy=policy.default))
        return answer


@asynccontextmanager
async def serve_sink(sink: Sink, port: int = 0) -> AsyncIterator[Sink]:
    loop = asyncio.get_running_loop()

    def connect() -> SMTP:
        sink.connections += 1
        return SMTP(sink, hostname="sink", loop=loop)

    server = await loop.create_server(connect, "127.0.0.1", port)
    sink.port = server.sockets[0].getsockname()[1]
    try:
        yield sink
    finally:
        for event in (sink.hold_rcpt, sink.hold_data):
            if event:
                event.set()
        server.close()


@pytest_asyncio.fixture
async def sink() -> AsyncIterator[Sink]:
    async with serve_sink(Sink()) as running:
        yield running


@pytest.fixture
def serve() -> Callable[..., AbstractAsyncContextManager[Sink]]:
    """Serves a sink on a given port."""
    return serve_sink


@pytest.fixture(scope="module")
def serving() -> Callable[[], AbstractAsyncContextManager[Sink]]:
    """Serves a sink of its own."""
    return lambda: serve_sink(Sink())


@pytest.fixture
def unused_port() -> int:
    return free_ports(1)[0]


@pytest_asyncio.fixture(scope="module")
async def migrated(database_url: str) -> str:
    await asyncio.to_thread(upgrade, "campaign", database_url)
    return database_url


@pytest_asyncio.fixture(scope="module")
async def database(migrated: str) -> AsyncIterator[Database]:
    database = Database(migrated)
    yield database
    await database.close()


class Cases:
    """The use cases on a database without anything else running; time moves by hand."""

    new_customer = staticmethod(new_customer)
    eventually = staticmethod(eventually)

    def __init__(self, database: Database, directory: Path = JOURNEYS) -> None:
        self.database = database
        self.clock = FakeClock(datetime(2026, 3, 1, 9, tzinfo=UTC))
        self.plans = journeys.load(directory, shop_url="https://shop.example/", wait_scale=1)
        self.composer = Composer("http://public.example", "The Shop")
        self.enrolments = Enrolments(self.clock, self.plans, self.composer, "facts")
        self.responses = Responses(self.clock, self.enrolments, "facts")
        self.letterbox = Letterbox(self.clock, self.enrolments, "facts", timedelta(seconds=30))
        self.handle_batch = handlers.handler(self.enrolments, Contacts(self.enrolments), self.responses)

    def fact(self, type_: str, key: str, data: Mapping[str, Any], **attributes: Any) -> envelopes.Envelope:
        now = attributes.pop("time", self.clock.now())
        source = attributes.pop("source", "/heed/test")
        return envelopes.Envelope(type_, source, key, data, now, now, subject=key, **attributes)

    def trigger(self, customer: str, **attributes: Any) -> envelopes.Envelope:
        data = {"trigger": new_id(), "kind": "churn_risk", "customer": customer, "direction": "bad"}
        data |= attributes.pop("data", {})
        return self.fact(events.TRIGGER_RAISED, customer, data, **attributes)

    def contact(self, customer: str, **changes: Any) -> envelopes.Envelope:
        data = {
            "contact": customer,
            "name": "Ada Byron",
            "email": f"{customer}@example.com",
            "consent": {"email": True},
            "traits": {},
            **changes,
        }
        return self.fact(events.CONTACT_UPDATED, customer, data)

    def order(self, customer: str, **attributes: Any) -> envelopes.Envelope:
        data = {"order_id": new_id(), "currency": "GBP", "total": "42.50", "items": [], "identifiers": {}}
        return self.fact(events.ORDER_PLACED, customer, data, **attributes)

    def cleared(self, raised: envelopes.Envelope) -> envelopes.Envelope:
        return self.fact(events.TRIGGER_CLEARED, raised.key, raised.data)

    def merged(self, losing: str, surviving: str) -> envelopes.Envelope:
        data = {"losing": losing, "surviving": surviving, "reason": "same e-mail"}
        return self.fact(events.CONTACT_MERGED, losing, data)

    def separated(self, losing: str, surviving: str, *keys: str, ordered: datetime | None = None) -> envelopes.Envelope:
        moments = {"surviving": None, "losing": rfc3339(ordered) if ordered else None}
        data = {"losing": losing, "surviving": surviving, "keys": [losing, *keys], "last_order_at": moments}
        return self.fact(events.CONTACT_SEPARATED, losing, data)

    async def contact_row(self, customer: str) -> ContactRow:
        async with self.database.transaction() as session:
            return await session.get_one(ContactRow, customer)

    async def handle(self, *facts: envelopes.Envelope) -> None:
        async with self.database.transaction() as session:
            await self.handle_batch(session, facts)

    async def enrol(self, customer: str, **contact: Any) -> envelopes.Envelope:
        raised = self.trigger(customer)
        await self.handle(self.contact(customer, **contact), raised)
        return raised

    async def pass_time(self, by: timedelta) -> None:
        self.clock.advance(by)
        async with self.database.transaction() as session:
            await self.enrolments.fire_due(session)

    async def claim(self, owner: str = "me") -> Claim | None:
        async with self.database.transaction() as session:
            return await self.letterbox.claim(session, owner)

    async def settle(self, claim: Claim, fate: Fate, detail: str = "said so", owner: str = "me") -> bool:
        async with self.database.transaction() as session:
            return await self.letterbox.settle(session, claim, owner, Attempt(fate, detail))

    async def send(self, fate: Fate = Fate.ACCEPTED) -> MessageRow:
        """The next message, handed over with this fate."""
        claim = await self.claim()
        assert claim is not None
        assert await self.settle(claim, fate)
        return await self.message(claim.id)

    async def mailed(self, customer: str, **contact: Any) -> MessageRow:
        """A customer who got the first message."""
        await self.enrol(customer, **contact)
        await self.pass_time(HOUR)
        return await self.send()

    async def queued(self, **contact: Any) -> str:
        """A customer whose first message waits."""
        customer = new_customer()
        await self.enrol(customer, **contact)
        await self.pass_time(HOUR)
        return customer

    async def reaches(self, customer: str, status: Status) -> MessageRow:
        """The customer's only message, once it has this status."""

        async def there() -> MessageRow | None:
            (message,) = await self.messages(customer)
            return message if message.status == status else None

        row = await eventually(there)
        assert isinstance(row, MessageRow)
        return row

    async def message(self, id_: str) -> MessageRow:
        async with self.database.transaction() as session:
            return await messages.get(session, id_)

    async def messages(self, customer: str) -> list[MessageRow]:
        async with self.database.transaction() as session:
            found = await messages.search(session, customer=customer, status=None, limit=50, cursor=None)
        return list(found.items)

    async def statuses(self, customer: str) -> list[tuple[str, Status]]:
        """Step and status of a customer's messages, oldest first."""
        return [(row.step, Status(row.status)) for row in reversed(await self.messages(customer))]

    async def enrolled(self, customer: str) -> list[EnrolmentRow]:
        async with self.database.transaction() as session:
            query = select(EnrolmentRow).where(EnrolmentRow.customer == customer)
            return list((await session.execute(query.order_by(EnrolmentRow.entered_at))).scalars())

    async def enrolment(self, customer: str) -> EnrolmentRow:
        (row,) = await self.enrolled(customer)
        return row

    async def links(self, message: MessageRow) -> list[str]:
        async with self.database.transaction() as session:
            query = text("SELECT token FROM links WHERE message_id = :id")
            return list((await session.execute(query, {"id": message.id})).scalars())

    async def opened(self, message: MessageRow) -> None:
        async with self.database.transaction() as session:
            await self.responses.opened(session, message.token)

    async def clicked(self, token: str) -> str | None:
        async with self.database.transaction() as session:
            return await self.responses.clicked(session, token)

    async def unsubscribe(self, token: str) -> bool:
        async with self.database.transaction() as session:
            return await self.responses.unsubscribe(session, token)

    async def consent(self, customer: str) -> bool | None:
        async with self.database.transaction() as session:
            row = await contacts.find(session, customer)
            return row.consent if row else None

    async def emitted(self, customer: str) -> list[tuple[str, dict[str, Any]]]:
        """Type and data of what waits in the outbox about a customer, each as its contract says."""
        async with self.database.transaction() as session:
            query = select(OUTBOX).where(OUTBOX.c.key == customer).order_by(OUTBOX.c.position)
            rows = (await session.execute(query)).all()
        found = [(row.headers["ce_type"], orjson.loads(row.value)) for row in rows]
        for type_, data in found:
            validate(data, orjson.loads((CONTRACTS / f"{type_}.json").read_bytes())["schema"])
        return found

    async def emitted_types(self, customer: str) -> list[str]:
        """As `heed.message.sent.v1` → `message.sent`."""
        return [type_[len("heed.") : -len(".v1")] for type_, _ in await self.emitted(customer)]


@pytest_asyncio.fixture
async def cases(database: Database) -> AsyncIterator[Cases]:
    """A database in which nobody is in a journey."""
    async with database.transaction() as session:
        await session.execute(
            text("TRUNCATE links, messages, enrolments, contacts, suppressions, outbox, inbox CASCADE")
        )
    yield Cases(database)


@pytest.fixture
def working(cases: Cases, sink: Sink) -> Callable[..., AbstractAsyncContextManager[Courier]]:
    """Starts a courier between the database and the sink."""

    @asynccontextmanager
    async def working(pace: Pace = PACE) -> AsyncIterator[Courier]:
        letterbox = Letterbox(SystemClock(), cases.enrolments, "facts", timedelta(milliseconds=50))
        sender = Sender("hello@shop.example", "The Shop")
        courier = Courier(cases.database, letterbox, cases.composer, Server.parse(sink.url), sender, pace)
        task = asyncio.create_task(courier.run())
        try:
            yield courier
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    return working
