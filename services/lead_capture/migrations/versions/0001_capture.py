"""write keys, imports, idempotency, aliases, replicas"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import UUID

from common.schema import create_outbox_and_inbox

revision = "0001"
down_revision = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    create_outbox_and_inbox()
    _create_keys_and_imports()
    op.create_table(
        "idempotency",
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),
        sa.Column("status", sa.SmallInteger),
        sa.Column("location", sa.Text),
        sa.Column("answer", sa.LargeBinary),
        sa.Column("reserved_at", _MOMENT, server_default=sa.func.now(), nullable=False, index=True),
    )
    op.create_table(
        "aliases",
        sa.Column("alias", sa.Text, primary_key=True),
        sa.Column("survivor", sa.Text, nullable=False, index=True),
        sa.Column("changed_at", _MOMENT, server_default=sa.func.now(), nullable=False, index=True),
    )
    op.create_table(
        "replicas",
        sa.Column("instance", sa.Text, primary_key=True),
        sa.Column("accepted_before", _MOMENT, nullable=False),
        sa.Column("seen_at", _MOMENT, server_default=sa.func.now(), nullable=False),
    )


def _create_keys_and_imports() -> None:
    op.create_table(
        "write_keys",
        sa.Column("id", UUID(as_uuid=False), primary_key=True),
        sa.Column("hash", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("prefix", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("origins", sa.ARRAY(sa.Text), nullable=False),
        sa.Column("created_at", _MOMENT, server_default=sa.func.now(), nullable=False),
        sa.Column("revoked_at", _MOMENT),
    )
    op.create_table(
        "imports",
        sa.Column("id", UUID(as_uuid=False), primary_key=True),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("started_at", _MOMENT, nullable=False),
        sa.Column("ended_at", _MOMENT),
    )
