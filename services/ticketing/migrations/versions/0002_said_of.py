"""who wrote a ticket, so that a merge can be undone"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("tickets", sa.Column("said_of", sa.String, nullable=True))
    # Of a customer who was merged it is not known any more who wrote which; those stay with the survivor.
    op.execute(
        "UPDATE tickets SET said_of = customer WHERE NOT EXISTS"
        " (SELECT 1 FROM merged_customers WHERE merged_customers.surviving = tickets.customer)"
    )
