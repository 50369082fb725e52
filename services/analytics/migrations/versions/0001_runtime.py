"""tasks, profiles, pending examples, ids seen, triggers, models"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from common.schema import create_outbox_and_inbox

revision = "0001"
down_revision = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _runtime()
    _learning()
    create_outbox_and_inbox()


def _runtime() -> None:
    op.create_table(
        "tasks",
        sa.Column("partition", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("owner_token", sa.Text, nullable=False),
        sa.Column("next_offset", sa.BigInteger, nullable=False),
        sa.Column("state", sa.LargeBinary),
        sa.Column("updated_at", _MOMENT, server_default=sa.func.now(), nullable=False),
    )
    op.create_table(
        "profiles",
        sa.Column("customer", sa.Text, primary_key=True),
        sa.Column("partition", sa.SmallInteger, nullable=False),
        sa.Column("packed", sa.LargeBinary, nullable=False),
        postgresql_with={"fillfactor": 70},
    )
    op.create_index("profiles_partition", "profiles", ["partition"])
    op.create_table(
        "seen",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("forever", sa.Boolean, nullable=False),
        sa.Column("at", _MOMENT, server_default=sa.func.now(), nullable=False),
    )
    op.create_index("seen_at", "seen", ["at"], postgresql_where=sa.text("NOT forever"))
    op.create_table(
        "triggers",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("customer", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("open", sa.Boolean, nullable=False),
        sa.Column("opened_at", _MOMENT, nullable=False),
        sa.Column("updated_at", _MOMENT, nullable=False),
        sa.Column("cleared_at", _MOMENT),
        sa.Column("data", JSONB, nullable=False),
    )
    op.create_index("triggers_customer", "triggers", ["customer"])
    op.create_index("triggers_newest", "triggers", [sa.text("opened_at DESC"), sa.text("id DESC")])


def _learning() -> None:
    op.create_table(
        "pending_examples",
        sa.Column("customer", sa.Text, primary_key=True),
        sa.Column("partition", sa.SmallInteger, nullable=False),
        sa.Column("examples", sa.LargeBinary, nullable=False),
    )
    op.create_index("pending_examples_partition", "pending_examples", ["partition"])
    op.create_table(
        "models",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("state", sa.LargeBinary, nullable=False),
        sa.Column("examples", sa.Integer, nullable=False),
        sa.Column("metrics", JSONB, nullable=False),
        sa.Column("created_at", _MOMENT, server_default=sa.func.now(), nullable=False),
    )
    op.create_table(
        "trainers",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("owner_token", sa.Text, nullable=False),
        sa.Column("next_offset", sa.BigInteger, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("state", sa.LargeBinary),
    )
