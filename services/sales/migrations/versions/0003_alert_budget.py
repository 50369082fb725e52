"""the alert budget: places in an owner's day, what an alert is worth, and which ones wait"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"

Moment = sa.DateTime(timezone=True)
MOST_PLACES = 200


def upgrade() -> None:
    op.add_column("owners", sa.Column("policy", JSONB, server_default=sa.text("'{}'"), nullable=False))
    op.create_table(
        "alert_places",
        sa.Column("owner_id", sa.String, sa.ForeignKey("owners.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.SmallInteger, primary_key=True),
        sa.Column("taken_at", Moment),
    )
    op.execute(
        "INSERT INTO alert_places (owner_id, number) "
        f"SELECT id, number FROM owners, generate_series(1, {MOST_PLACES}) AS number"
    )
    _alerts()


def _alerts() -> None:
    op.alter_column("alerts", "due_at", nullable=True)
    for name, type_ in (("surfaced_at", Moment), ("merit", sa.Float), ("value", sa.Float), ("currency", sa.String)):
        op.add_column("alerts", sa.Column(name, type_))
    # What came before the budget was seen when it came; its merit is that of its severity.
    op.execute(
        "UPDATE alerts SET surfaced_at = created_at, "
        "merit = CASE severity WHEN 'high' THEN 0.6 WHEN 'medium' THEN 0.3 ELSE 0.15 END"
    )
    op.alter_column("alerts", "merit", nullable=False)
    for name, column, where in (
        ("alerts_waiting", "owner_id", "surfaced_at IS NULL AND status = 'open'"),
        ("alerts_judged", "resolved_at", "outcome IS NOT NULL"),
    ):
        op.create_index(name, "alerts", [column], postgresql_where=sa.text(where))
