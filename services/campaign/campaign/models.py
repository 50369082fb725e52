"""Campaign's tables."""

from datetime import datetime
from typing import Any

from sqlalchemy import DateTime, ForeignKey, Index, Text
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    type_annotation_map = {  # noqa: RUF012
        datetime: DateTime(timezone=True),
        str: Text,
        list[str]: ARRAY(Text),
        dict[str, Any]: JSONB,
    }


class ContactRow(Base):
    """What campaign knows of a customer. Its lock is held by whoever changes anything of that customer."""

    __tablename__ = "contacts"

    customer: Mapped[str] = mapped_column(primary_key=True)
    merged_into: Mapped[str | None] = mapped_column(index=True)
    name: Mapped[str | None]
    email: Mapped[str | None]
    consent: Mapped[bool | None]
    traits: Mapped[dict[str, Any]] = mapped_column(server_default=sql("'{}'"))
    last_order_at: Mapped[datetime | None]


class SuppressionRow(Base):
    """An address nobody writes to, whoever it belongs to."""

    __tablename__ = "suppressions"

    address: Mapped[str] = mapped_column(primary_key=True)
    reason: Mapped[str]
    at: Mapped[datetime]


class EnrolmentRow(Base):
    """`said_of` is the key that the trigger was about, whoever that is part of by now."""

    __tablename__ = "enrolments"

    id: Mapped[str] = mapped_column(primary_key=True)
    customer: Mapped[str]
    said_of: Mapped[str | None]
    journey: Mapped[str]
    trigger_id: Mapped[str]
    cause_id: Mapped[str]
    correlation_id: Mapped[str]
    received_at: Mapped[datetime]
    entered_at: Mapped[datetime]
    step: Mapped[str]
    due_at: Mapped[datetime | None]
    visited: Mapped[list[str]]
    mail_step: Mapped[str | None]
    mailed: Mapped[bool]
    responses: Mapped[list[str]]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str | None]

    __table_args__ = (
        Index("enrolments_one_live", "customer", "journey", unique=True, postgresql_where=sql("ended_at IS NULL")),
        Index("enrolments_due", "due_at", postgresql_where=sql("due_at IS NOT NULL")),
        Index("enrolments_customer", "customer", "journey", "entered_at"),
        Index("enrolments_list", "journey", "entered_at", "id"),
        Index("enrolments_live_trigger", "trigger_id", postgresql_where=sql("ended_at IS NULL")),
    )


class MessageRow(Base):
    """One e-mail. `owner` is the sender that made it `sending`."""

    __tablename__ = "messages"

    id: Mapped[str] = mapped_column(primary_key=True)
    enrolment_id: Mapped[str] = mapped_column(ForeignKey("enrolments.id"))
    customer: Mapped[str]
    journey: Mapped[str]
    step: Mapped[str]
    status: Mapped[str]
    reason: Mapped[str | None]
    token: Mapped[str] = mapped_column(unique=True)
    to: Mapped[str | None]
    subject: Mapped[str | None]
    text: Mapped[str]
    html: Mapped[str]
    created_at: Mapped[datetime]
    next_attempt_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(server_default=sql("0"))
    owner: Mapped[str | None]
    sent_at: Mapped[datetime | None]
    opened_at: Mapped[datetime | None]
    clicked_at: Mapped[datetime | None]
    converted_at: Mapped[datetime | None]

    __table_args__ = (
        Index("messages_once_per_step", "enrolment_id", "step", unique=True),
        Index("messages_queue", "next_attempt_at", postgresql_where=sql("status = 'queued'")),
        Index("messages_sending", "id", postgresql_where=sql("status = 'sending'")),
        Index("messages_list", "created_at", "id"),
        Index("messages_customer", "customer", "created_at"),
        Index("messages_funnel", "journey", "step"),
    )


class LinkRow(Base):
    """A link of one message; only these can be followed through `/t/c/`."""

    __tablename__ = "links"

    token: Mapped[str] = mapped_column(primary_key=True)
    message_id: Mapped[str] = mapped_column(ForeignKey("messages.id"), index=True)
    url: Mapped[str]
    clicked_at: Mapped[datetime | None]
