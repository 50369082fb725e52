"""contacts, identities, conflicts and timeline"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from common.schema import create_outbox_and_inbox

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    _contacts()
    _identities()
    _timeline()
    create_outbox_and_inbox()


def _json(name: str) -> sa.Column[object]:
    return sa.Column(name, JSONB(), nullable=False, server_default=sa.text("'{}'::jsonb"))


def _contacts() -> None:
    op.create_table(
        "contacts",
        sa.Column("id", sa.String(), primary_key=True),
        *(sa.Column(name, sa.String(), nullable=True) for name in ("name", "email", "phone", "company")),
        *(_json(name) for name in ("identifiers", "consent", "traits", "stamps")),
        sa.Column("first_source", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("search", sa.String(), nullable=False, server_default=""),
        postgresql_with={"fillfactor": "80"},
    )
    op.create_index("contacts_newest", "contacts", ["created_at", "id"])
    op.create_index(
        "contacts_search",
        "contacts",
        ["search"],
        postgresql_using="gin",
        postgresql_ops={"search": "gin_trgm_ops"},
    )


def _identities() -> None:
    op.create_table(
        "identities",
        sa.Column("key", sa.String(), primary_key=True),
        sa.Column("contact_id", sa.String(), sa.ForeignKey("contacts.id"), nullable=False, index=True),
        sa.Column("kind", sa.String(), nullable=True),
        sa.Column("value", sa.String(), nullable=True),
        sa.Column("announced", sa.Boolean(), nullable=False, server_default=sa.text("false")),
    )
    op.create_table(
        "conflicts",
        sa.Column("identity_key", sa.String(), sa.ForeignKey("identities.key"), primary_key=True),
        sa.Column("contact_id", sa.String(), sa.ForeignKey("contacts.id"), primary_key=True, index=True),
        sa.Column("noted_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    )


def _timeline() -> None:
    op.create_table(
        "timeline",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("contact_id", sa.String(), sa.ForeignKey("contacts.id"), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("detail", sa.String(), nullable=True),
        _json("data"),
        sa.Column("backfill", sa.Boolean(), nullable=False, server_default=sa.text("false")),
    )
    op.create_index("timeline_newest", "timeline", ["contact_id", "time", "id"])
