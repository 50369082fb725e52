"""One database and one role per service, with least rights."""

import asyncio
import re
from collections.abc import Mapping

import asyncpg

NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


async def ensure_database(admin_url: str, name: str, password: str) -> None:
    """Create the role `name` and the database `name` that it owns; sets the password where both exist.

    Nobody but the owner (and superusers) may connect to the database.
    """
    if not NAME.fullmatch(name):
        raise ValueError(f"not a plain database name: {name!r}")
    connection = await asyncpg.connect(dsn(admin_url))
    try:
        if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", name):
            await connection.execute(f'CREATE ROLE "{name}" LOGIN')
        # PASSWORD takes no parameters; quote_literal is the server's own quoting.
        literal = await connection.fetchval("SELECT quote_literal($1::text)", password)
        await connection.execute(f'ALTER ROLE "{name}" PASSWORD {literal}')
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
            await connection.execute(f'CREATE DATABASE "{name}" OWNER "{name}"')
        await connection.execute(f'REVOKE ALL ON DATABASE "{name}" FROM PUBLIC')
    finally:
        await connection.close()


async def ensure_databases(admin_url: str, passwords: Mapping[str, str]) -> None:
    """Create what is missing of each service's role and database; `passwords` by service."""
    await asyncio.gather(*(ensure_database(admin_url, role_of(s), word) for s, word in passwords.items()))


async def drop_database(admin_url: str, name: str) -> None:
    """Drop the database and the role `name`, whoever is connected."""
    if not NAME.fullmatch(name):
        raise ValueError(f"not a plain database name: {name!r}")
    connection = await asyncpg.connect(dsn(admin_url))
    try:
        await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        await connection.execute(f'DROP ROLE IF EXISTS "{name}"')
    finally:
        await connection.close()


def role_of(service: str) -> str:
    """The name of a service's role and database."""
    return f"heed_{service}"


def dsn(url: str) -> str:
    """Turn SQLAlchemy's URL into the one asyncpg takes."""
    return url.replace("postgresql+asyncpg://", "postgresql://", 1)
