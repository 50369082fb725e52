"""The tables of sales."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, ForeignKey, Identity, Index, Sequence, SmallInteger, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    type_annotation_map = {datetime: DateTime(timezone=True), dict[str, Any]: JSONB}  # noqa: RUF012


# Whose turn it is: a sequence, so that nobody who gives out work waits for somebody else who does.
TURNS = Sequence("turns", minvalue=0, metadata=Base.metadata)


class OwnerRow(Base):
    """Somebody whom leads and alerts are given to. `policy` is the one of the alert budget, as last worked out."""

    __tablename__ = "owners"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    email: Mapped[str]
    active: Mapped[bool]
    policy: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))


class AlertPlaceRow(Base):
    """A place in an owner's day, free when nobody took it within the last one (domain/budget.py)."""

    __tablename__ = "alert_places"

    owner_id: Mapped[str] = mapped_column(ForeignKey("owners.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    taken_at: Mapped[datetime | None]


class ContactRow(Base):
    """What is known of a customer elsewhere: the name, and the key it was merged into."""

    __tablename__ = "contacts"

    customer: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    merged_into: Mapped[str | None] = mapped_column(index=True)


class OwnershipRow(Base):
    """Who got a customer's lead or last alert."""

    __tablename__ = "ownerships"

    customer: Mapped[str] = mapped_column(primary_key=True)
    owner_id: Mapped[str] = mapped_column(ForeignKey("owners.id"))


class LeadRow(Base):
    """`said_of` is the key of whoever left their details first, whoever they are part of by now."""

    __tablename__ = "leads"

    id: Mapped[str] = mapped_column(primary_key=True)
    customer: Mapped[str] = mapped_column(index=True)
    said_of: Mapped[str | None]
    name: Mapped[str | None]
    email: Mapped[str | None]
    phone: Mapped[str | None]
    company: Mapped[str | None]
    message: Mapped[str | None]
    source: Mapped[str]
    status: Mapped[str]
    reason: Mapped[str | None]
    owner_id: Mapped[str | None] = mapped_column(ForeignKey("owners.id"))
    created_at: Mapped[datetime]
    respond_by: Mapped[datetime | None]
    responded_at: Mapped[datetime | None]
    owner: Mapped[OwnerRow | None] = relationship(lazy="raise")
    touches: Mapped[list["TouchRow"]] = relationship(order_by="TouchRow.at", lazy="raise")

    __table_args__ = (
        Index("leads_newest", "created_at", "id"),
        Index("leads_open_email", "email", postgresql_where=text("status IN ('new', 'working')")),
        Index("leads_open_phone", "phone", postgresql_where=text("status IN ('new', 'working')")),
        Index("leads_without_owner", "id", postgresql_where=text("owner_id IS NULL")),
    )


class TouchRow(Base):
    """One time that this lead left its details; the first one made it a lead."""

    __tablename__ = "lead_touches"

    id: Mapped[str] = mapped_column(primary_key=True)
    lead_id: Mapped[str] = mapped_column(ForeignKey("leads.id"), index=True)
    at: Mapped[datetime]
    source: Mapped[str]
    form: Mapped[str | None]
    message: Mapped[str | None]
    page_url: Mapped[str | None]


class AlertRow(Base):
    """One episode of a trigger. `evidence` holds what the trigger said that no query looks at.

    `merit` is what it is worth by itself, `value` what the customer spent lately. Not surfaced and open, it waits for
    room in its owner's day. `said_of` is the key it was noticed under, whoever that is part of by now.
    """

    __tablename__ = "alerts"

    id: Mapped[str] = mapped_column(primary_key=True)
    trigger_id: Mapped[str] = mapped_column(unique=True)
    customer: Mapped[str] = mapped_column(index=True)
    said_of: Mapped[str | None]
    customer_name: Mapped[str | None]
    kind: Mapped[str]
    direction: Mapped[str]
    severity: Mapped[str]
    sentence: Mapped[str]
    evidence: Mapped[dict[str, Any]]
    noticed_at: Mapped[datetime]
    status: Mapped[str]
    owner_id: Mapped[str | None] = mapped_column(ForeignKey("owners.id"))
    created_at: Mapped[datetime]
    due_at: Mapped[datetime | None]
    overdue: Mapped[bool]
    acknowledged_at: Mapped[datetime | None]
    snoozed_until: Mapped[datetime | None]
    resolved_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    note: Mapped[str | None]
    cleared_at: Mapped[datetime | None]
    surfaced_at: Mapped[datetime | None]
    merit: Mapped[float]
    value: Mapped[float | None]
    currency: Mapped[str | None]
    owner: Mapped[OwnerRow | None] = relationship(lazy="raise")

    __table_args__ = (
        Index("alerts_newest", "created_at", "id"),
        Index("alerts_active", "created_at", "id", postgresql_where=text("status <> 'resolved'")),
        Index("alerts_due", "due_at", postgresql_where=text("status = 'open' AND NOT overdue")),
        Index("alerts_snoozed", "snoozed_until", postgresql_where=text("status = 'snoozed'")),
        Index(
            "alerts_without_owner",
            "id",
            postgresql_where=text("owner_id IS NULL AND status <> 'resolved'"),
        ),
        Index("alerts_waiting", "owner_id", postgresql_where=text("surfaced_at IS NULL AND status = 'open'")),
        Index("alerts_judged", "resolved_at", postgresql_where=text("outcome IS NOT NULL")),
    )


class ClearedTriggerRow(Base):
    """A trigger that was cleared before it was heard of (a merge lets facts of two partitions cross)."""

    __tablename__ = "cleared_triggers"

    trigger_id: Mapped[str] = mapped_column(primary_key=True)
    cleared_at: Mapped[datetime]


class AlertChangeRow(Base):
    """The log that streams read: an alert as it was after a change.

    Written with the change (`position`, in order for each alert); `seq` is given after the commit, by the
    sequencer, so that a reader who has seen `seq` n will never be shown something new below n.
    """

    __tablename__ = "alert_changes"

    position: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    alert_id: Mapped[str] = mapped_column(ForeignKey("alerts.id"))
    seq: Mapped[int | None] = mapped_column(BigInteger, unique=True)
    snapshot: Mapped[dict[str, Any]]
    at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        Index("alert_changes_alert", "alert_id", "seq"),
        Index("alert_changes_unsequenced", "position", postgresql_where=text("seq IS NULL")),
    )
