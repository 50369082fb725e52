"""Emitting is an insert through the caller's session; the relay publishes after the commit."""

from collections.abc import Iterable
from typing import Any
from zlib import crc32

import asyncpg
import orjson
from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from common.bus import Message
from common.database import ALARMS
from common.envelope import Envelope, Headers

SLICES = 8
KEYED, UNKEYED = "outbox", "outbox, unkeyed"
# The slices of each lane, by the name of its alarm. Lanes move independently: what is told about somebody does not wait
# behind hundreds of kilobytes of what is nobody's.
LANES = {KEYED: range(SLICES), UNKEYED: range(SLICES, SLICES + 1)}

OUTBOX = Table(
    "outbox",
    MetaData(),
    Column("position", BigInteger, Identity(always=True), primary_key=True),
    Column("slice", SmallInteger, nullable=False),
    Column("topic", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("partition", Integer, nullable=True),
    Column("headers", JSONB, nullable=False),
    Column("value", LargeBinary, nullable=False),
    Column("created_at", DateTime(timezone=True), server_default=func.now(), nullable=False),
)


def slice_of(key: str) -> int:
    """The slice whose lock a relay holds while it publishes facts of this key."""
    return crc32(key.encode()) % SLICES if key else SLICES


# One statement, however many rows: it is prepared once.
_EMIT = """
INSERT INTO outbox (slice, topic, key, partition, headers, value)
SELECT slice, topic, key, partition, headers::jsonb, value
FROM unnest($1::smallint[], $2::text[], $3::text[], $4::integer[], $5::text[], $6::bytea[])
    AS row(slice, topic, key, partition, headers, value)
"""


def message_of(topic: str, envelope: Envelope, partition: int | None = None) -> Message:
    """What stands for one envelope on the bus. `partition` overrides the one the key would choose."""
    return Message(topic, envelope.key, envelope.value(), envelope.headers(), partition)


def _columns(messages: Iterable[Message]) -> list[list[Any]]:
    """The parameters of _EMIT; none for no messages."""
    rows = [(slice_of(m.key), m.topic, m.key, m.partition, _json(m.headers), m.value) for m in messages]
    return [list(column) for column in zip(*rows, strict=True)]


def _json(headers: Headers) -> str:
    return orjson.dumps({name: value.decode() for name, value in headers}).decode()


async def put(session: AsyncSession, messages: Iterable[Message]) -> None:
    """Publishes once the session commits, in this order per key."""
    if given := _columns(messages):
        connection = await session.connection()
        await connection.exec_driver_sql(_EMIT, tuple(given))
        session.info.setdefault(ALARMS, set()).update(_lanes(given))


async def put_by(connection: asyncpg.Connection, messages: Iterable[Message]) -> set[str]:
    """As `put`, by a connection of one's own. Returns the alarms to be rung after the commit (`Database.ring`)."""
    given = _columns(messages)
    if given:
        await connection.execute(_EMIT, *given)
    return _lanes(given)


def _lanes(columns: list[list[Any]]) -> set[str]:
    slices = set(columns[0]) if columns else set()
    return {lane for lane, its in LANES.items() if not slices.isdisjoint(its)}


async def emit(session: AsyncSession, topic: str, envelopes: Iterable[Envelope]) -> None:
    """Publishes once the session commits. Writers of one key must hold that key's row lock, so order holds."""
    await put(session, [message_of(topic, envelope) for envelope in envelopes])
