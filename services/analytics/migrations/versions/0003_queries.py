"""standing queries, and what was before them"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "queries",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("number", sa.SmallInteger, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("direction", sa.Text, nullable=False),
        sa.Column("tracks", JSONB, nullable=False),
        sa.Column("horizon", sa.Integer, nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("primed_at", _MOMENT),
        sa.Column("covered_from", _MOMENT),
        sa.Column("ended_at", _MOMENT),
        sa.Column("ended_by", sa.Text),
    )
    op.create_index("queries_number", "queries", ["number"], unique=True, postgresql_where=sa.text("ended_at IS NULL"))
    op.create_index("queries_newest", "queries", [sa.text("created_at DESC"), sa.text("id DESC")])
    op.create_table(
        "query_histories",
        sa.Column("query", sa.Text, primary_key=True),
        sa.Column("partition", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("packed", sa.LargeBinary, nullable=False),
    )
    op.create_index(
        "triggers_rule", "triggers", [sa.text("(data ->> 'rule')")], postgresql_where=sa.text("kind = 'standing_query'")
    )
