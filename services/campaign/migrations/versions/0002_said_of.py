"""whom the trigger of an enrolment was about, so that a merge can be undone"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("enrolments", sa.Column("said_of", sa.Text, nullable=True))
    # Of a customer who was merged it is not known any more whose they were; those stay with the survivor.
    op.execute(
        "UPDATE enrolments SET said_of = customer WHERE NOT EXISTS"
        " (SELECT 1 FROM contacts WHERE contacts.merged_into = enrolments.customer)"
    )
