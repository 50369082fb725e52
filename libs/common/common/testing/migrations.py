"""Whether a database that was migrated is what the models say."""

from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.ext.asyncio import create_async_engine

from common.inbox import INBOX
from common.outbox import OUTBOX


async def differences(url: str, models: MetaData) -> list[Any]:
    """What Alembic would change in the database at `url` to match `models`, outbox and inbox; [] when nothing.

    The parts of a partitioned table are its own affair.
    """
    wanted = MetaData()
    for table in (*models.sorted_tables, OUTBOX, INBOX):
        table.to_metadata(wanted)

    def compare(connection: Connection) -> list[Any]:
        parts = set(connection.scalars(text("SELECT inhrelid::regclass::text FROM pg_inherits")))
        options = {
            "compare_type": True,
            "compare_server_default": True,
            "include_name": lambda name, kind, _: kind != "table" or name not in parts,
        }
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, wanted))

    engine = create_async_engine(url)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(compare)
    finally:
        await engine.dispose()
