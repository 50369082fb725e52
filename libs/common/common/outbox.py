"""Emitting is an insert through the caller's session; the relay publishes after the commit."""

from collections.abc import Iterable
from zlib import crc32

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
    insert,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from common.envelope import Envelope

SLICES = 8
CHANNEL = "outbox"

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


def outbox_row(topic: str, envelope: Envelope, partition: int | None = None) -> dict[str, object]:
    """The row that stands for one envelope. `partition` overrides the one the key would choose."""
    return {
        "slice": slice_of(envelope.key),
        "topic": topic,
        "key": envelope.key,
        "partition": partition,
        "headers": {name: value.decode() for name, value in envelope.headers()},
        "value": envelope.value(),
    }


async def emit(session: AsyncSession, topic: str, envelopes: Iterable[Envelope]) -> None:
    """Publishes once the session commits. Writers of one key must hold that key's row lock, so order holds."""
    rows = [outbox_row(topic, envelope) for envelope in envelopes]
    if rows:
        await session.execute(insert(OUTBOX), rows)
        await session.execute(text(f"NOTIFY {CHANNEL}"))
