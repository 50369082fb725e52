"""Finds out what was before a rule: reads the log up to where the rule began to remember, and tells the tasks.

The tasks remember from the record that activated the rule on; this is all that came before it. Together they are
exact, since no fact is on both sides of that record.
"""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

import asyncpg
import structlog
from aiokafka.errors import KafkaError

from analytics import query_store
from analytics.announcing import announcements
from analytics.collecting import Collector, Past
from analytics.events import QUERY_PRIMED, What, moment
from analytics.log_reader import LogReader, Part, log_reader, partition_of
from analytics.queries.history import Histories
from common.alarm import Alarm
from common.clock import Clock, rfc3339
from common.database import Database, is_transient
from common.topics import PARTITIONS

log = structlog.get_logger()

_LOCK = "SELECT pg_advisory_lock(hashtext('heed primer'))"
_EVERY_SECONDS = 1.0
_AGAIN_SECONDS = 5.0
_CLOCKS_APART = 60.0  # the bus's, this service's and the database's


class Primer:
    """One at a time, by advisory lock; others stand by. `wake` spares a new rule the wait for the next look."""

    def __init__(
        self, bootstrap_servers: str, database: Database, clock: Clock, *, facts_topic: str, most_records: int
    ) -> None:
        self._bootstrap, self._database, self._clock = bootstrap_servers, database, clock
        self._facts, self._most_records = facts_topic, most_records
        self.wake = Alarm()

    async def run(self) -> None:
        """Until cancelled; waits while the database or the bus is away."""
        while True:
            try:
                connection = await self._database.connect()
                try:
                    await self._lead(connection)
                finally:
                    connection.terminate()
            except (OSError, TimeoutError, KafkaError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                if not (is_transient(error) or isinstance(error, KafkaError | TimeoutError)):
                    raise
                log.warning("priming put off", error=str(error))
                await asyncio.sleep(_AGAIN_SECONDS)

    async def _lead(self, connection: asyncpg.Connection) -> None:
        await connection.execute(_LOCK, timeout=None)
        while True:
            found = await query_store.next_to_prime(connection)
            if found is not None:
                await self._prime(connection, *found)
                continue
            await self.wake.wait(_EVERY_SECONDS)

    async def _prime(self, connection: asyncpg.Connection, query: Mapping[str, Any], known: frozenset[int]) -> None:
        wanted = frozenset(query["tracks"].values()) - known
        since, histories = await self._past(query, wanted)
        now = self._clock.now()
        covered_from = None if since == float("-inf") else moment(since)
        data = {
            "query": query["id"],
            "number": query["number"],
            "covered_from": None if covered_from is None else rfc3339(covered_from),
        }
        messages = announcements(QUERY_PRIMED, self._facts, data, now)
        alarms = await query_store.keep_primed(connection, query["id"], histories, now, covered_from, messages)
        self._database.ring(alarms)
        log.info("standing query begins to speak", query=query["id"], covered_from=data["covered_from"])

    async def _past(self, query: Mapping[str, Any], wanted: frozenset[int]) -> tuple[float, dict[int, bytes]]:
        if not wanted:
            since = float("-inf")
            return since, dict.fromkeys(range(PARTITIONS), Histories(since).pack())
        async with log_reader(self._bootstrap, self._facts) as reader:
            created = query["created_at"].timestamp()
            part = await reader.part(created - query["horizon"], created - _CLOCKS_APART, self._most_records)
            past = Past(part.since)
            for partition in part.first:
                past.keep(await _collected(reader, part, partition, query, wanted))
            return part.since, past.histories(partition_of)


async def _collected(
    reader: LogReader, part: Part, partition: int, query: Mapping[str, Any], wanted: frozenset[int]
) -> Collector:
    """Everything before the first record from which on the tasks remember one of these tracks."""
    told = {name: query[name] for name in ("number", "name", "rule", "severity", "direction", "tracks")}
    collector = Collector(partition, {**told, "query": query["id"]}, wanted)
    async with aclosing(reader.events(partition, part.first[partition], None)) as events:
        async for _, event in events:
            if event.what is What.QUERY_ACTIVATED and wanted & set(event.data["tracks"].values()):
                break
            collector.take(event)
    return collector
