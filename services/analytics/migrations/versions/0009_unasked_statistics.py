"""profiles, waiting examples: no statistics of packed bytes, which nobody asks for and each analysis sorts anew"""

from alembic import op

revision = "0009"
down_revision = "0008"

_PACKED = (("profiles", "packed"), ("pending_examples", "examples"))
_SAMPLED = 10  # of the keys: three thousand rows instead of thirty thousand


def upgrade() -> None:
    for table, packed in _PACKED:
        op.execute(f"ALTER TABLE {table} ALTER {packed} SET STATISTICS 0")
        for column in ("customer", "partition"):
            op.execute(f"ALTER TABLE {table} ALTER {column} SET STATISTICS {_SAMPLED}")
