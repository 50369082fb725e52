"""contacts, suppressions, enrolments, messages and links"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from common.schema import create_outbox_and_inbox

revision = "0001"
down_revision = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _create_contacts()
    _create_enrolments()
    _create_messages()
    create_outbox_and_inbox()


def _create_contacts() -> None:
    op.create_table(
        "contacts",
        sa.Column("customer", sa.Text, primary_key=True),
        sa.Column("merged_into", sa.Text, index=True),
        sa.Column("name", sa.Text),
        sa.Column("email", sa.Text),
        sa.Column("consent", sa.Boolean),
        sa.Column("traits", JSONB, nullable=False, server_default=sa.text("'{}'")),
        sa.Column("last_order_at", MOMENT),
    )
    op.create_table(
        "suppressions",
        sa.Column("address", sa.Text, primary_key=True),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
    )


def _create_enrolments() -> None:
    op.create_table(
        "enrolments",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("customer", sa.Text, nullable=False),
        sa.Column("journey", sa.Text, nullable=False),
        sa.Column("trigger_id", sa.Text, nullable=False),
        sa.Column("cause_id", sa.Text, nullable=False),
        sa.Column("correlation_id", sa.Text, nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("entered_at", MOMENT, nullable=False),
        sa.Column("step", sa.Text, nullable=False),
        sa.Column("due_at", MOMENT),
        sa.Column("visited", ARRAY(sa.Text), nullable=False),
        sa.Column("mail_step", sa.Text),
        sa.Column("mailed", sa.Boolean, nullable=False),
        sa.Column("responses", ARRAY(sa.Text), nullable=False),
        sa.Column("ended_at", MOMENT),
        sa.Column("outcome", sa.Text),
    )
    live, due = sa.text("ended_at IS NULL"), sa.text("due_at IS NOT NULL")
    op.create_index("enrolments_one_live", "enrolments", ["customer", "journey"], unique=True, postgresql_where=live)
    op.create_index("enrolments_due", "enrolments", ["due_at"], postgresql_where=due)
    op.create_index("enrolments_customer", "enrolments", ["customer", "journey", "entered_at"])
    op.create_index("enrolments_list", "enrolments", ["journey", "entered_at", "id"])
    op.create_index("enrolments_live_trigger", "enrolments", ["trigger_id"], postgresql_where=live)


def _create_messages() -> None:
    op.create_table(
        "messages",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("enrolment_id", sa.Text, sa.ForeignKey("enrolments.id"), nullable=False),
        sa.Column("customer", sa.Text, nullable=False),
        sa.Column("journey", sa.Text, nullable=False),
        sa.Column("step", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("token", sa.Text, nullable=False, unique=True),
        sa.Column("to", sa.Text),
        sa.Column("subject", sa.Text),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("html", sa.Text, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("next_attempt_at", MOMENT, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("owner", sa.Text),
        sa.Column("sent_at", MOMENT),
        sa.Column("opened_at", MOMENT),
        sa.Column("clicked_at", MOMENT),
        sa.Column("converted_at", MOMENT),
    )
    queued, sending = sa.text("status = 'queued'"), sa.text("status = 'sending'")
    op.create_index("messages_once_per_step", "messages", ["enrolment_id", "step"], unique=True)
    op.create_index("messages_queue", "messages", ["next_attempt_at"], postgresql_where=queued)
    op.create_index("messages_sending", "messages", ["id"], postgresql_where=sending)
    op.create_index("messages_list", "messages", ["created_at", "id"])
    op.create_index("messages_customer", "messages", ["customer", "created_at"])
    op.create_index("messages_funnel", "messages", ["journey", "step"])
    op.create_table(
        "links",
        sa.Column("token", sa.Text, primary_key=True),
        sa.Column("message_id", sa.Text, sa.ForeignKey("messages.id"), nullable=False, index=True),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("clicked_at", MOMENT),
    )
