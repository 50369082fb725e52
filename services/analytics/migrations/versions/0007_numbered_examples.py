"""tasks and trainers: a partition's examples have numbers, so none is learned from twice whoever folds again"""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute("ALTER TABLE tasks ADD COLUMN examples bigint NOT NULL DEFAULT 0")
    op.execute("ALTER TABLE trainers ADD COLUMN learned jsonb NOT NULL DEFAULT '{}'")
