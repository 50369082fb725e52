"""users, sessions and tries to sign in"""

from alembic import op

from console.models import Base

revision = "0001"
down_revision = None


def upgrade() -> None:
    Base.metadata.create_all(op.get_bind())
