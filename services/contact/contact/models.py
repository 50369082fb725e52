"""Contact's tables."""

from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, DateTime, ForeignKey, Index, Sequence, String, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

_EMPTY = text("'{}'::jsonb")


class Base(DeclarativeBase):
    type_annotation_map = {  # noqa: RUF012
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        list[str]: ARRAY(String),
    }


SEPARATIONS = Sequence("separations", metadata=Base.metadata)


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
    parted: Mapped[bool] = mapped_column(server_default=text("false"))
    search: Mapped[str] = mapped_column(server_default="")

    # Touching a contact changes no indexed column, so most updates stay on their page.
    __table_args__ = (
        Index("contacts_newest", "created_at", "id"),
        Index("contacts_search", "search", postgresql_using="gin", postgresql_ops={"search": "gin_trgm_ops"}),
        {"postgresql_with": {"fillfactor": "80"}},
    )


class IdentityRow(Base):
    """Whose a customer key is; after a merge it leads to the survivor.

    `came_with` is the key that brought it, or that its whole contact was merged into; NULL for the first key of a
    contact and for those from before this was kept. `merged_into`, `reason` and `merged_at` are what was told.
    """

    __tablename__ = "identities"

    key: Mapped[str] = mapped_column(primary_key=True)
    contact_id: Mapped[str] = mapped_column(ForeignKey("contacts.id"), index=True)
    kind: Mapped[str | None]
    value: Mapped[str | None]
    announced: Mapped[bool] = mapped_column(server_default=text("false"))
    came_with: Mapped[str | None]
    merged_into: Mapped[str | None]
    reason: Mapped[str | None]
    merged_at: Mapped[datetime | None]


class ConflictRow(Base):
    """Somebody who also uses an identifier that belongs to another person."""

    __tablename__ = "conflicts"

    identity_key: Mapped[str] = mapped_column(ForeignKey("identities.key"), primary_key=True)
    contact_id: Mapped[str] = mapped_column(ForeignKey("contacts.id"), primary_key=True, index=True)
    noted_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ApartRow(Base):
    """Somebody decided that two keys are two people, and what was known of them then."""

    __tablename__ = "apart"

    one: Mapped[str] = mapped_column(primary_key=True)
    other: Mapped[str] = mapped_column(primary_key=True, index=True)
    known: Mapped[list[str]]
    reason: Mapped[str]
    at: Mapped[datetime]


class BroughtRow(Base):
    """A contact as it was when its facts began to be kept whole."""

    __tablename__ = "brought"

    key: Mapped[str] = mapped_column(primary_key=True)
    person: Mapped[dict[str, Any]]


class TimelineRow(Base):
    """One fact in plain words. `id` is the fact's own.

    `captured_as` is the key of the strongest identifier it came with, `said` what it told of the person: enough to
    make the record again. NULL `captured_as`: from before this was kept.
    """

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
    captured_as: Mapped[str | None]
    said: Mapped[dict[str, Any] | None]

    __table_args__ = (Index("timeline_newest", "contact_id", "time", "id"),)
