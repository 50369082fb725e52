"""`python -m common.migrate sales contact …`: brings each service's database to its newest schema, forward only."""

import asyncio
import sys
from importlib import import_module
from pathlib import Path

from alembic import command, context
from alembic.config import Config
from sqlalchemy import Connection, pool, text
from sqlalchemy.ext.asyncio import create_async_engine

from common.settings import ServiceSettings

_LOCK = 0x48454544  # spells HEED


def upgrade(service: str, url: str) -> None:
    """Applies what is missing; safe to call at every start."""
    package = import_module(service)
    assert package.__file__
    config = Config()
    config.set_main_option("script_location", str(Path(package.__file__).parent.parent / "migrations"))
    config.attributes["url"] = url
    command.upgrade(config, "head")


def run_migrations() -> None:
    """What each service's migrations/env.py calls."""
    asyncio.run(_run(context.config.attributes["url"]))


async def _run(url: str) -> None:
    engine = create_async_engine(url, poolclass=pool.NullPool)
    async with engine.begin() as connection:
        await connection.run_sync(_apply)
    await engine.dispose()


def _apply(connection: Connection) -> None:
    # Two that migrate at once: the second waits, and then has nothing to do.
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    context.configure(connection=connection, transaction_per_migration=False)
    with context.begin_transaction():
        context.run_migrations()


def main(services: list[str]) -> None:
    for service in services:
        settings_module = import_module(f"{service}.settings")
        settings: ServiceSettings = settings_module.Settings.load()
        upgrade(service, settings.database_url)
        sys.stdout.write(f"{service}: schema is current\n")


if __name__ == "__main__":
    main(sys.argv[1:])
