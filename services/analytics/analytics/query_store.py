"""Standing queries in this service's database, as the jobs need them; the queries of the HTTP API are in repository."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import asyncpg
import orjson

from analytics.queries.history import Histories
from common.bus import Message
from common.database import Database
from common.outbox import put_by

_NEXT = """
SELECT id, number, name, rule, severity, direction, tracks, horizon, created_at FROM queries
WHERE primed_at IS NULL AND ended_at IS NULL ORDER BY created_at, id LIMIT 1
"""
_PRIMED_TRACKS = """
SELECT DISTINCT track.value::integer AS number
FROM queries, jsonb_each_text(tracks) AS track WHERE primed_at IS NOT NULL
"""
_PRIMED = (
    "UPDATE queries SET primed_at = $2, covered_from = $3 WHERE id = $1 AND primed_at IS NULL AND ended_at IS NULL"
)
_KEEP = "INSERT INTO query_histories (query, partition, packed) VALUES ($1, $2, $3)"
_HISTORY = "SELECT packed FROM query_histories WHERE query = $1 AND partition = $2"


class QueryStore:
    """One connection a call: these are rare."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def history(self, query: str, partition: int) -> Histories:
        """What was before a query, of a partition. Committed before the log could name it. Raises LookupError."""
        connection: asyncpg.Connection = await self._database.connect()
        try:
            packed = await connection.fetchval(_HISTORY, query, partition)
        finally:
            await connection.close()
        if packed is None:
            raise LookupError(f"the log names the history of query {query}, which was never kept here")
        return Histories.unpack(packed)


async def next_to_prime(connection: asyncpg.Connection) -> tuple[Mapping[str, Any], frozenset[int]] | None:
    """The oldest query that remembers and does not speak yet, and the tracks whose past is known."""
    row = await connection.fetchrow(_NEXT)
    if row is None:
        return None
    known = frozenset(found["number"] for found in await connection.fetch(_PRIMED_TRACKS))
    return {**row, "tracks": orjson.loads(row["tracks"])}, known


async def keep_primed(
    connection: asyncpg.Connection,
    query: str,
    histories: Mapping[int, bytes],
    now: datetime,
    covered_from: datetime | None,
    messages: list[Message],
) -> set[str]:
    """All at once: the histories by partition, and what is said about them. Nothing where the query was ended. Returns
    the alarms to be rung.
    """
    async with connection.transaction():
        if await connection.execute(_PRIMED, query, now, covered_from) != "UPDATE 1":
            return set()
        await connection.executemany(_KEEP, [(query, partition, packed) for partition, packed in histories.items()])
        return await put_by(connection, messages)
