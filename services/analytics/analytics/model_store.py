"""Published versions of the models, in this service's database."""

import pickle

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from analytics import repository
from analytics.operators.base import Adopted
from common.database import Database

_KEPT = 32  # versions in memory; tasks keep those they score with themselves


class ModelStore:
    """Loads versions and keeps those last asked for in memory."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[tuple[str, int], Adopted] = {}

    async def load(self, name: str, version: int) -> Adopted:
        """The version that the log names. It was committed before the log could name it. Raises LookupError."""
        known = self._known.pop((name, version), None) or await self._fetch(name, version)
        self._known[name, version] = known
        while len(self._known) > _KEPT:
            del self._known[next(iter(self._known))]
        return known

    async def in_use(self, session: AsyncSession, name: str) -> Adopted | None:
        """The version adopted last; None before the first."""
        row = await repository.adoption(session, name)
        return await self.load(name, row.version) if row is not None else None

    async def find(self, name: str, version: int) -> Adopted | None:
        """The version, or None where it is not kept."""
        try:
            return await self.load(name, version)
        except LookupError:
            return None

    async def _fetch(self, name: str, version: int) -> Adopted:
        connection: asyncpg.Connection = await self._database.connect()
        try:
            query = "SELECT state, examples FROM models WHERE name = $1 AND version = $2"
            row = await connection.fetchrow(query, name, version)
        finally:
            await connection.close()
        if row is None:
            raise LookupError(f"the log names {name} version {version}, which was never published here")
        # Written by the trainer into a database that only this service's role can write.
        return Adopted(name, version, row["examples"], pickle.loads(row["state"]))  # noqa: S301
