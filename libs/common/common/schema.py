"""The tables of common code, for a service's first migration."""

from alembic import op

from common.inbox import INBOX
from common.outbox import OUTBOX


def create_outbox_and_inbox() -> None:
    """Creates `outbox` and `inbox` as the relay and the consumer loop expect them."""
    connection = op.get_bind()
    OUTBOX.create(connection)
    INBOX.create(connection)
