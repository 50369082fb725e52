"""Published versions of the models, in this service's database."""

import pickle

import asyncpg

from analytics.operators.base import Adopted
from common.database import Database


class ModelStore:
    """Loads versions and keeps them in memory."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[tuple[str, int], Adopted] = {}

    async def load(self, name: str, version: int) -> Adopted:
        """The version that the log names. It was committed before the log could name it. Raises LookupError."""
        known = self._known.get((name, version))
        if known is None:
            known = self._known[name, version] = await self._fetch(name, version)
        return known

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
