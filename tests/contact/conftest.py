"""The contact service on a real database; facts are handed to it as the consumer loop would."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from common.clock import FakeClock
from common.database import Database
from common.envelope import Envelope
from common.keys import entity_key
from common.migrate import upgrade
from common.tokens import generate_keys, mint
from contact.domain.person import STRENGTH
from contact.main import build
from contact.service import Directory
from contact.settings import Settings

START = datetime(2026, 3, 1, 9, tzinfo=UTC)
TOPIC, IDENTITIES = "heed.customer-facts", "heed.identities"
_PRIVATE, _PUBLIC = generate_keys()


def key(kind: str, value: str) -> str:
    return entity_key("c", kind, value)


def captured(type_: str, identifiers: dict[str, str], *, at: int = 0, **data: Any) -> Envelope:
    """A fact as lead_capture says it, `at` minutes after the start."""
    kind = next(kind for kind in STRENGTH if kind in identifiers)
    moment = START + timedelta(minutes=at)
    return Envelope(
        type=type_,
        source="/heed/lead_capture",
        key=key(kind, identifiers[kind]),
        data={"identifiers": identifiers, "source": "shop", **data},
        time=moment,
        received=moment,
    )


def order(identifiers: dict[str, str], *, at: int = 0, **data: Any) -> Envelope:
    items = [{"sku": "A1", "name": "Heart", "quantity": 3, "unit_price": "14.10"}]
    known = {"order_id": f"o-{at}", "currency": "GBP", "total": "42.30", "items": items, "channel": "pos"}
    return captured("heed.order.placed.v1", identifiers, at=at, **{**known, **data})


def identify(identifiers: dict[str, str], *, at: int = 0, **traits: Any) -> Envelope:
    return captured("heed.touchpoint.captured.v1", identifiers, at=at, kind="identify", properties={}, traits=traits)


def page(identifiers: dict[str, str], name: str, *, at: int = 0) -> Envelope:
    return captured("heed.touchpoint.captured.v1", identifiers, at=at, kind="page", name=name, properties={}, traits={})


def token(*roles: str) -> dict[str, str]:
    words = mint(_PRIVATE, "u-1", "Sam Seller", frozenset(roles), timedelta(minutes=5))
    return {"Authorization": f"Bearer {words}"}


class Desk:
    """The running parts of a contact service, without a bus."""

    def __init__(self, database: Database, client: httpx.AsyncClient) -> None:
        self.database, self.client = database, client
        self.directory = Directory(FakeClock(START), TOPIC, IDENTITIES)

    async def take(self, *facts: Envelope) -> None:
        """One batch, one transaction."""
        async with self.database.transaction() as session:
            await self.directory.take(session, facts)

    async def said(self, topic: str = TOPIC) -> list[tuple[str, str]]:
        """(type, key) of all that was emitted to a topic, in order."""
        rows = [row for row in await self.rows("outbox", "position") if row["topic"] == topic]
        return [(row["headers"]["ce_type"], row["key"]) for row in rows]

    async def rows(self, table: str, order_by: str) -> Sequence[dict[str, Any]]:
        async with self.database.transaction() as session:
            found = await session.execute(text(f"SELECT * FROM {table} ORDER BY {order_by}"))
            return [dict(row) for row in found.mappings()]

    async def somebody_waits(self) -> bool:
        """Whether a transaction of this database waits for another."""
        query = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        async with self.database.transaction() as session:
            return bool((await session.execute(text(query))).scalars().all())

    async def get(self, path: str, status: int = 200, **params: Any) -> Any:
        answer = await self.client.get(f"/v1/contacts{path}", params=params, headers=token("sales"))
        assert answer.status_code == status, answer.text
        return answer.json()

    async def separate(
        self, contact: str, losing: str, status: int = 200, *, role: str = "support", **body: Any
    ) -> Any:
        path, given = f"/v1/contacts/{contact}/separate", {"losing": losing, **body}
        answer = await self.client.post(path, json=given, headers=token(role))
        assert answer.status_code == status, answer.text
        return answer.json()

    async def titles(self, contact: str) -> list[str]:
        return [entry["title"] for entry in (await self.get(f"/{contact}/timeline", limit=200))["items"]]


@pytest.fixture(scope="module")
def contact_settings(database_url: str) -> Settings:
    upgrade("contact", database_url)
    return Settings(database_url=database_url, token_public_key=_PUBLIC)


@pytest.fixture
async def desk(contact_settings: Settings) -> AsyncIterator[Desk]:
    """An empty service."""
    app = build(contact_settings)
    async with app.database.transaction() as session:
        await session.execute(text("TRUNCATE contacts, identities, conflicts, timeline, apart, brought, outbox, inbox"))
    transport = httpx.ASGITransport(app.http)
    async with httpx.AsyncClient(transport=transport, base_url="http://contact") as client:
        yield Desk(app.database, client)
    await app.database.close()
