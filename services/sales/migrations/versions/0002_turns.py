"""whose turn it is becomes a sequence: nobody who gives out work waits for somebody else who does"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute(sa.schema.CreateSequence(sa.Sequence("turns", minvalue=0)))
    op.drop_table("routing")
