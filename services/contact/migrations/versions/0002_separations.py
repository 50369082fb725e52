"""what each part of a contact brought, and who was taken apart"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"

_MOMENT = sa.DateTime(timezone=True)
_PERSON = (
    "name, email, phone, company, identifiers, consent, traits, stamps, first_source, created_at, last_seen_at, parted"
)


def upgrade() -> None:
    op.add_column("contacts", sa.Column("parted", sa.Boolean(), nullable=False, server_default=sa.text("false")))
    for name in ("came_with", "merged_into", "reason"):
        op.add_column("identities", sa.Column(name, sa.String(), nullable=True))
    op.add_column("identities", sa.Column("merged_at", _MOMENT, nullable=True))
    op.add_column("timeline", sa.Column("captured_as", sa.String(), nullable=True))
    op.add_column("timeline", sa.Column("said", JSONB(), nullable=True))
    op.create_table(
        "apart",
        sa.Column("one", sa.String(), primary_key=True),
        sa.Column("other", sa.String(), primary_key=True, index=True),
        sa.Column("known", sa.ARRAY(sa.String()), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
    )
    op.execute("CREATE SEQUENCE separations")
    _keep_what_is_known()


def _keep_what_is_known() -> None:
    """The facts so far were not kept whole: each contact begins with what they came to."""
    op.create_table(
        "brought",
        sa.Column("key", sa.String(), primary_key=True),
        sa.Column("person", JSONB(), nullable=False),
    )
    op.execute(
        f"INSERT INTO brought (key, person) SELECT c.id, to_jsonb(p) FROM contacts c,"
        f" LATERAL (SELECT c.id AS id, {_PERSON}) AS p"
    )
