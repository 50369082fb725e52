"""Analytics' tables."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, Identity, Index, Integer, LargeBinary, SmallInteger, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    type_annotation_map = {datetime: DateTime(timezone=True), bytes: LargeBinary, dict[str, Any]: JSONB}  # noqa: RUF012


class TaskRow(Base):
    """Who owns a partition, and up to where its log is folded into the other tables."""

    __tablename__ = "tasks"

    partition: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    owner_token: Mapped[str] = mapped_column(Text)
    next_offset: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[bytes | None]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    quiet_until: Mapped[int] = mapped_column(BigInteger, server_default="0")
    examples: Mapped[int] = mapped_column(BigInteger, server_default="0")


# One table for each: who takes a partition over reads it in one piece.
_BY_PARTITION = {"postgresql_partition_by": "LIST (partition)"}


class ToldRow(Base):
    """Up to where of a partition's log people were told: ahead of the tasks while a checkpoint is under way."""

    __tablename__ = "told"

    partition: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    owner_token: Mapped[str] = mapped_column(Text)
    next_offset: Mapped[int] = mapped_column(BigInteger)


class ProfileRow(Base):
    __tablename__ = "profiles"
    __table_args__ = _BY_PARTITION

    customer: Mapped[str] = mapped_column(Text, primary_key=True)
    partition: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    packed: Mapped[bytes]


class PendingRow(Base):
    """Examples whose label is awaited."""

    __tablename__ = "pending_examples"
    __table_args__ = _BY_PARTITION

    customer: Mapped[str] = mapped_column(Text, primary_key=True)
    partition: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    examples: Mapped[bytes]


class SeenRow(Base):
    """Ids that a partition's task has folded in: seven days, those of orders for good."""

    __tablename__ = "seen"
    __table_args__ = (Index("seen_at", "at", postgresql_where=text("NOT forever")),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    partition: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    forever: Mapped[bool]
    at: Mapped[datetime] = mapped_column(server_default=func.now())


class TriggerRow(Base):
    __tablename__ = "triggers"
    __table_args__ = (
        Index("triggers_customer", "customer"),
        Index("triggers_newest", text("opened_at DESC"), text("id DESC")),
        Index("triggers_rule", text("(data ->> 'rule')"), postgresql_where=text("kind = 'standing_query'")),
    )

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    customer: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    open: Mapped[bool]
    opened_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    cleared_at: Mapped[datetime | None]
    data: Mapped[dict[str, Any]]


class DecisionRow(Base):
    """One step of a trigger, with all it takes to compute its score again."""

    __tablename__ = "decisions"
    __table_args__ = (
        Index("decisions_newest", text("time DESC"), text("id DESC")),
        Index("decisions_customer", "customer"),
        Index("decisions_trigger", "trigger"),
    )

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    trigger: Mapped[str] = mapped_column(Text)
    action: Mapped[str] = mapped_column(Text)
    customer: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    partition: Mapped[int] = mapped_column(SmallInteger)
    log_offset: Mapped[int] = mapped_column(BigInteger)
    time: Mapped[datetime]
    data: Mapped[dict[str, Any]]


class ModelRow(Base):
    """A published version: what tasks load when the log tells them to adopt it."""

    __tablename__ = "models"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    state: Mapped[bytes]
    examples: Mapped[int]
    metrics: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class AdoptionRow(Base):
    """Which version tasks were told to score with, newest last. A pinned one stays until somebody lets it go."""

    __tablename__ = "adoptions"
    __table_args__ = (Index("adoptions_newest", "name", text("position DESC")),)

    position: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    version: Mapped[int] = mapped_column(Integer)
    pinned: Mapped[bool]
    by: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(server_default=func.now())


class TrainerRow(Base):
    """The trainer's own position and memory; `learned` is the number of each partition's last example it was shown."""

    __tablename__ = "trainers"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    owner_token: Mapped[str] = mapped_column(Text)
    next_offset: Mapped[int] = mapped_column(BigInteger)
    version: Mapped[int]
    state: Mapped[bytes | None]
    learned: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))


class QueryRow(Base):
    """A standing query. It remembers from its creation on, speaks from `primed_at` on, and is kept when it was ended.

    `tracks` are the numbers of what it remembers of customers, by text; `covered_from` is from when on all is known.
    """

    __tablename__ = "queries"
    __table_args__ = (
        Index("queries_number", "number", unique=True, postgresql_where=text("ended_at IS NULL")),
        Index("queries_newest", text("created_at DESC"), text("id DESC")),
    )

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    number: Mapped[int] = mapped_column(SmallInteger)
    name: Mapped[str] = mapped_column(Text)
    rule: Mapped[str] = mapped_column(Text)
    severity: Mapped[str] = mapped_column(Text)
    direction: Mapped[str] = mapped_column(Text)
    tracks: Mapped[dict[str, Any]]
    horizon: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(Text)
    primed_at: Mapped[datetime | None]
    covered_from: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[str | None] = mapped_column(Text)


class QueryHistoryRow(Base):
    """What customers did before a query was activated, by partition: tasks take it in when the log tells them to."""

    __tablename__ = "query_histories"

    query: Mapped[str] = mapped_column(Text, primary_key=True)
    partition: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    packed: Mapped[bytes]
