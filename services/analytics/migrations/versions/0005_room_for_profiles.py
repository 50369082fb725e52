"""profiles: six to a page, also of who ordered for years, and room for the next version of one"""

from alembic import op

revision = "0005"
down_revision = "0004"

_PARTITIONS = 12


def upgrade() -> None:
    for number in range(_PARTITIONS):
        op.execute(f"ALTER TABLE profiles_{number} SET (fillfactor = 75)")
