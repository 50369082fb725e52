"""Ticketing's tables."""

from datetime import datetime

from sqlalchemy import DateTime, ForeignKey, Identity, Index, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    type_annotation_map = {datetime: DateTime(timezone=True)}  # noqa: RUF012


class TicketRow(Base):
    """`said_of` is the key of whoever wrote it, whoever they are part of by now."""

    __tablename__ = "tickets"

    id: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(Identity(start=1001), unique=True)
    customer: Mapped[str] = mapped_column(index=True)
    said_of: Mapped[str | None]
    subject: Mapped[str]
    status: Mapped[str]
    priority: Mapped[str]
    channel: Mapped[str]
    assignee_id: Mapped[str | None]
    assignee_name: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(index=True)
    first_response_due: Mapped[datetime | None]
    resolution_due: Mapped[datetime | None]
    first_response_at: Mapped[datetime | None]
    resolved_at: Mapped[datetime | None]
    escalated: Mapped[bool] = mapped_column(server_default=text("false"))
    replies: Mapped[list["ReplyRow"]] = relationship(order_by="(ReplyRow.at, ReplyRow.id)", lazy="raise")

    __table_args__ = (
        Index("tickets_first_due", "first_response_due", postgresql_where=text("first_response_due IS NOT NULL")),
        Index("tickets_resolution_due", "resolution_due", postgresql_where=text("resolution_due IS NOT NULL")),
    )


class ReplyRow(Base):
    __tablename__ = "replies"

    id: Mapped[str] = mapped_column(primary_key=True)
    ticket_id: Mapped[str] = mapped_column(ForeignKey("tickets.id"), index=True)
    author: Mapped[str]
    name: Mapped[str]
    text: Mapped[str]
    internal: Mapped[bool]
    at: Mapped[datetime]


class MergedCustomerRow(Base):
    """A key that lives on under another; `surviving` is never itself a losing key."""

    __tablename__ = "merged_customers"

    losing: Mapped[str] = mapped_column(primary_key=True)
    surviving: Mapped[str] = mapped_column(index=True)


class AnsweredRequestRow(Base):
    """A request that named itself, and the ticket it was about: the same again is answered, not done."""

    __tablename__ = "answered_requests"

    caller: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[bytes]
    ticket_id: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(index=True)
