"""profiles: six to a page also of who ordered dozens of times, with room for the next version of one"""

from alembic import op

revision = "0006"
down_revision = "0005"

_PARTITIONS = 12


def upgrade() -> None:
    for number in range(_PARTITIONS):
        op.execute(f"ALTER TABLE profiles_{number} SET (fillfactor = 82)")
