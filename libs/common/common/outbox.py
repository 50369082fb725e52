"""Emitting is an insert through the caller's session; the relay publishes after the commit."""

from collections.abc import Iterable
from typing import Any
from zlib import crc32

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

from common.envelope import Envelope

SLICES = 8
CHANNEL = "outbox"  # as in EMIT

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
    return crc32(key.encode()) % SLICES


# One statement, however many rows: it is prepared once, and the relay wakes at the commit without another round trip.
EMIT = """
WITH added AS (
    INSERT INTO outbox (slice, topic, key, partition, headers, value)
    SELECT slice, topic, key, partition, headers::jsonb, value
    FROM unnest($1::smallint[], $2::text[], $3::text[], $4::integer[], $5::text[], $6::bytea[])
        AS row(slice, topic, key, partition, headers, value)
    RETURNING 1
)
SELECT pg_notify('outbox', '') FROM added LIMIT 1
"""


def columns(emitted: Iterable[tuple[str, Envelope]], partition: int | None = None) -> list[list[Any]]:
    """The parameters of EMIT for (topic, envelope) pairs. `partition` overrides the one the keys would choose."""
    rows = [
        (
            slice_of(envelope.key),
            topic,
            envelope.key,
            partition,
            orjson.dumps({name: value.decode() for name, value in envelope.headers()}).decode(),
            envelope.value(),
        )
        for topic, envelope in emitted
    ]
    return [list(column) for column in zip(*rows, strict=True)]


async def emit(session: AsyncSession, topic: str, envelopes: Iterable[Envelope]) -> None:
    """Publishes once the session commits. Writers of one key must hold that key's row lock, so order holds."""
    if given := columns((topic, envelope) for envelope in envelopes):
        connection = await session.connection()
        await connection.exec_driver_sql(EMIT, tuple(given))
