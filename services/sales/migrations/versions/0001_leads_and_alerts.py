"""owners, routing, contacts, leads, alerts and their changes"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from common.schema import create_outbox_and_inbox

revision = "0001"
down_revision = None

Moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    _create_people()
    _create_leads()
    _create_alerts()
    _create_changes()
    create_outbox_and_inbox()


def _create_people() -> None:
    op.create_table(
        "owners",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("email", sa.String, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
    )
    routing = op.create_table(
        "routing",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("last_owner", sa.String),
    )
    op.bulk_insert(routing, [{"name": "sales", "last_owner": None}])
    op.create_table(
        "contacts",
        sa.Column("customer", sa.String, primary_key=True),
        sa.Column("name", sa.String),
        sa.Column("merged_into", sa.String),
    )
    op.create_index("ix_contacts_merged_into", "contacts", ["merged_into"])
    op.create_table(
        "ownerships",
        sa.Column("customer", sa.String, primary_key=True),
        sa.Column("owner_id", sa.String, sa.ForeignKey("owners.id"), nullable=False),
    )


def _create_leads() -> None:
    op.create_table(
        "leads",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("customer", sa.String, nullable=False),
        sa.Column("name", sa.String),
        sa.Column("email", sa.String),
        sa.Column("phone", sa.String),
        sa.Column("company", sa.String),
        sa.Column("message", sa.String),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("reason", sa.String),
        sa.Column("owner_id", sa.String, sa.ForeignKey("owners.id")),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("respond_by", Moment),
        sa.Column("responded_at", Moment),
    )
    still_open = sa.text("status IN ('new', 'working')")
    op.create_index("ix_leads_customer", "leads", ["customer"])
    op.create_index("leads_newest", "leads", ["created_at", "id"])
    op.create_index("leads_open_email", "leads", ["email"], postgresql_where=still_open)
    op.create_index("leads_open_phone", "leads", ["phone"], postgresql_where=still_open)
    op.create_index("leads_without_owner", "leads", ["id"], postgresql_where=sa.text("owner_id IS NULL"))
    op.create_table(
        "lead_touches",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("lead_id", sa.String, sa.ForeignKey("leads.id"), nullable=False),
        sa.Column("at", Moment, nullable=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("form", sa.String),
        sa.Column("message", sa.String),
        sa.Column("page_url", sa.String),
    )
    op.create_index("ix_lead_touches_lead_id", "lead_touches", ["lead_id"])


def _create_alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("trigger_id", sa.String, nullable=False, unique=True),
        sa.Column("customer", sa.String, nullable=False),
        sa.Column("customer_name", sa.String),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("direction", sa.String, nullable=False),
        sa.Column("severity", sa.String, nullable=False),
        sa.Column("sentence", sa.String, nullable=False),
        sa.Column("evidence", JSONB, nullable=False),
        sa.Column("noticed_at", Moment, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("owner_id", sa.String, sa.ForeignKey("owners.id")),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("due_at", Moment, nullable=False),
        sa.Column("overdue", sa.Boolean, nullable=False),
        sa.Column("acknowledged_at", Moment),
        sa.Column("snoozed_until", Moment),
        sa.Column("resolved_at", Moment),
        sa.Column("outcome", sa.String),
        sa.Column("note", sa.String),
        sa.Column("cleared_at", Moment),
    )
    for name, columns, where in (
        ("ix_alerts_customer", ["customer"], None),
        ("alerts_newest", ["created_at", "id"], None),
        ("alerts_active", ["created_at", "id"], "status <> 'resolved'"),
        ("alerts_due", ["due_at"], "status = 'open' AND NOT overdue"),
        ("alerts_snoozed", ["snoozed_until"], "status = 'snoozed'"),
        ("alerts_without_owner", ["id"], "owner_id IS NULL AND status <> 'resolved'"),
    ):
        op.create_index(name, "alerts", columns, postgresql_where=sa.text(where) if where else None)
    op.create_table(
        "cleared_triggers",
        sa.Column("trigger_id", sa.String, primary_key=True),
        sa.Column("cleared_at", Moment, nullable=False),
    )


def _create_changes() -> None:
    op.create_table(
        "alert_changes",
        sa.Column("position", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("alert_id", sa.String, sa.ForeignKey("alerts.id"), nullable=False),
        sa.Column("seq", sa.BigInteger, unique=True),
        sa.Column("snapshot", JSONB, nullable=False),
        sa.Column("at", Moment, server_default=sa.func.now(), nullable=False),
    )
    op.create_index("alert_changes_alert", "alert_changes", ["alert_id", "seq"])
    op.create_index("alert_changes_unsequenced", "alert_changes", ["position"], postgresql_where=sa.text("seq IS NULL"))
