"""told: triggers are told ahead of the checkpoint they belong to, and how far that has come stands by itself"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "told",
        sa.Column("partition", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("owner_token", sa.Text, nullable=False),
        sa.Column("next_offset", sa.BigInteger, nullable=False),
    )
    op.execute("INSERT INTO told SELECT partition, '', next_offset FROM tasks")
