"""whom leads and alerts were first about, so that a merge can be undone"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    for table in ("leads", "alerts"):
        op.add_column(table, sa.Column("said_of", sa.String, nullable=True))
        # Of a customer who was merged it is not known any more whose they were; those stay with the survivor.
        op.execute(
            f"UPDATE {table} SET said_of = customer WHERE NOT EXISTS"
            f" (SELECT 1 FROM contacts WHERE contacts.merged_into = {table}.customer)"
        )
