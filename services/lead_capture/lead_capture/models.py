"""The tables of this database, besides outbox and inbox."""

from sqlalchemy import ARRAY, Column, DateTime, LargeBinary, MetaData, SmallInteger, Table, Text, func
from sqlalchemy.dialects.postgresql import UUID

METADATA = MetaData()

WRITE_KEYS = Table(
    "write_keys",
    METADATA,
    Column("id", UUID(as_uuid=False), primary_key=True),
    Column("hash", LargeBinary, nullable=False, unique=True),  # sha256: the key itself is not kept
    Column("prefix", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("origins", ARRAY(Text), nullable=False),
    Column("created_at", DateTime(timezone=True), server_default=func.now(), nullable=False),
    Column("revoked_at", DateTime(timezone=True)),
)

IMPORTS = Table(
    "imports",
    METADATA,
    Column("id", UUID(as_uuid=False), primary_key=True),
    Column("source", Text, nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("ended_at", DateTime(timezone=True)),
)

IDEMPOTENCY = Table(
    "idempotency",
    METADATA,
    Column("source", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("status", SmallInteger),  # null while in flight
    Column("location", Text),
    Column("answer", LargeBinary),
    Column("reserved_at", DateTime(timezone=True), server_default=func.now(), nullable=False, index=True),
)

ALIASES = Table(
    "aliases",
    METADATA,
    Column("alias", Text, primary_key=True),
    Column("survivor", Text, nullable=False, index=True),
    Column("changed_at", DateTime(timezone=True), server_default=func.now(), nullable=False, index=True),
)

REPLICAS = Table(
    "replicas",
    METADATA,
    Column("instance", Text, primary_key=True),
    Column("accepted_before", DateTime(timezone=True), nullable=False),
    Column("seen_at", DateTime(timezone=True), server_default=func.now(), nullable=False),
)
