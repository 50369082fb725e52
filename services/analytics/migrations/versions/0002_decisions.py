"""decisions, adoptions; what was learned in an older form is learned again from the log"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "decisions",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("trigger", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("customer", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("partition", sa.SmallInteger, nullable=False),
        sa.Column("log_offset", sa.BigInteger, nullable=False),
        sa.Column("time", _MOMENT, nullable=False),
        sa.Column("data", JSONB, nullable=False),
    )
    op.create_index("decisions_newest", "decisions", [sa.text("time DESC"), sa.text("id DESC")])
    op.create_index("decisions_customer", "decisions", ["customer"])
    op.create_index("decisions_trigger", "decisions", ["trigger"])
    op.create_table(
        "adoptions",
        sa.Column("position", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("pinned", sa.Boolean, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("at", _MOMENT, server_default=sa.func.now(), nullable=False),
    )
    op.create_index("adoptions_newest", "adoptions", ["name", sa.text("position DESC")])
    _learn_again()


def _learn_again() -> None:
    """Profiles and models have a new form. The log is kept for good: tasks fold it from its start, and say nothing of
    what they had folded before. Alerts that were open stay with those who work on them.
    """
    op.add_column("tasks", sa.Column("quiet_until", sa.BigInteger, server_default="0", nullable=False))
    op.execute("UPDATE tasks SET quiet_until = next_offset, next_offset = 0, state = NULL, owner_token = ''")
    op.execute("UPDATE trainers SET state = NULL")
    op.execute("UPDATE triggers SET open = false, cleared_at = now() WHERE open")
    for table in ("profiles", "pending_examples", "seen", "models"):
        op.execute(f"TRUNCATE {table}")
    op.drop_constraint("seen_pkey", "seen")
    op.add_column("seen", sa.Column("partition", sa.SmallInteger, nullable=False))
    op.create_primary_key("seen_pkey", "seen", ["id", "partition"])
