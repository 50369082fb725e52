"""Contact's tables."""

from datetime import datetime
from typing import Any

from sqlalchemy import DateTime, ForeignKey, Index, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

_EMPTY = text("'{}'::jsonb")


class Base(DeclarativeBase):
    type_annotation_map = {  # noqa: RUF012
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
    }


class ContactRow(Base):
    """A person. `id` is the customer key they were first, or best, known by."""

    __tablename__ = "contacts"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    email: Mapped[str | None]
    phone: Mapped[str | None]
    company: Mapped[str | None]
    identifiers: Mapped[dict[str, Any]] = mapped_column(server_default=_EMPTY)
    consent: Mapped[dict[str, Any]] = mapped_column(server_default=_EMPTY)
    traits: Mapped[dict[str, Any]] = mapped_column(server_default=_EMPTY)
    stamps: Mapped[dict[str, Any]] = mapped_column(server_default=_EMPTY)
    first_source: Mapped[str | None]
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime | None]
    search: Mapped[str] = mapped_column(server_default="")

    # Touching a contact changes no indexed column, so most updates stay on their page.
    __table_args__ = (
        Index("contacts_newest", "created_at", "id"),
        Index("contacts_search", "search", postgresql_using="gin", postgresql_ops={"search": "gin_trgm_ops"}),
        {"postgresql_with": {"fillfactor": "80"}},
    )


class IdentityRow(Base):
    """Whose a customer key is; after a merge it leads to the survivor."""

    __tablename__ = "identities"

    key: Mapped[str] = mapped_column(primary_key=True)
    contact_id: Mapped[str] = mapped_column(ForeignKey("contacts.id"), index=True)
    kind: Mapped[str | None]
    value: Mapped[str | None]
    announced: Mapped[bool] = mapped_column(server_default=text("false"))


class ConflictRow(Base):
    """Somebody who also uses an identifier that belongs to another person."""

    __tablename__ = "conflicts"

    identity_key: Mapped[str] = mapped_column(ForeignKey("identities.key"), primary_key=True)
    contact_id: Mapped[str] = mapped_column(ForeignKey("contacts.id"), primary_key=True, index=True)
    noted_at: Mapped[datetime] = mapped_column(server_default=func.now())


class TimelineRow(Base):
    """One fact in plain words. `id` is the fact's own."""

    __tablename__ = "timeline"

    id: Mapped[str] = mapped_column(primary_key=True)
    contact_id: Mapped[str] = mapped_column(ForeignKey("contacts.id"))
    type: Mapped[str]
    kind: Mapped[str]
    time: Mapped[datetime]
    title: Mapped[str]
    detail: Mapped[str | None]
    data: Mapped[dict[str, Any]] = mapped_column(server_default=_EMPTY)
    backfill: Mapped[bool] = mapped_column(server_default=text("false"))

    __table_args__ = (Index("timeline_newest", "contact_id", "time", "id"),)
