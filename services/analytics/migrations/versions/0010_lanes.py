"""outbox: what has no key is moved by itself; what waits of it goes first"""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.execute("UPDATE outbox SET slice = 8 WHERE key = ''")
