"""tickets, replies, merged customers and requests already answered"""

import sqlalchemy as sa
from alembic import op

from common.schema import create_outbox_and_inbox

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "tickets",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("number", sa.Integer(), sa.Identity(start=1001), nullable=False, unique=True),
        sa.Column("customer", sa.String(), nullable=False, index=True),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("priority", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("assignee_id", sa.String()),
        sa.Column("assignee_name", sa.String()),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, index=True),
        sa.Column("first_response_due", sa.DateTime(timezone=True)),
        sa.Column("resolution_due", sa.DateTime(timezone=True)),
        sa.Column("first_response_at", sa.DateTime(timezone=True)),
        sa.Column("resolved_at", sa.DateTime(timezone=True)),
        sa.Column("escalated", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    for name, column in (("tickets_first_due", "first_response_due"), ("tickets_resolution_due", "resolution_due")):
        op.create_index(name, "tickets", [column], postgresql_where=sa.text(f"{column} IS NOT NULL"))
    op.create_table(
        "replies",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("ticket_id", sa.String(), sa.ForeignKey("tickets.id"), nullable=False, index=True),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("internal", sa.Boolean(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "merged_customers",
        sa.Column("losing", sa.String(), primary_key=True),
        sa.Column("surviving", sa.String(), nullable=False, index=True),
    )
    op.create_table(
        "answered_requests",
        sa.Column("caller", sa.String(), primary_key=True),
        sa.Column("key", sa.String(), primary_key=True),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("ticket_id", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, index=True),
    )
    create_outbox_and_inbox()
