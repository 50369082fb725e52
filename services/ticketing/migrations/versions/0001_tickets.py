"""tickets and replies"""

from alembic import op
from common.schema import create_outbox_and_inbox
from ticketing.models import Base

revision = "0001"
down_revision = None


def upgrade() -> None:
    Base.metadata.create_all(op.get_bind())
    create_outbox_and_inbox()
