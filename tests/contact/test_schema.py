"""What the migrations make is what the models say."""

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from common.inbox import INBOX
from common.outbox import OUTBOX
from contact.models import Base
from contact.settings import Settings


def _ours(_object: object, name: str | None, type_: str, *_: object) -> bool:
    return not (type_ == "table" and name in {INBOX.name, OUTBOX.name, "alembic_version"})


async def test_models_and_migrations_agree(contact_settings: Settings) -> None:
    def differences(connection: Connection) -> list[object]:
        options = {"include_object": _ours, "compare_type": True, "compare_server_default": False}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata))

    engine = create_async_engine(contact_settings.database_url)
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()
