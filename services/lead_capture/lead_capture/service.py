"""Use cases of the administration: write keys and imports of history."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from common.clock import Clock, rfc3339
from common.database import Database
from common.failures import TransientError
from common.ids import new_id
from common.problems import Problem, not_found
from lead_capture import repository
from lead_capture.domain import fact_id, namespace_of
from lead_capture.events import IMPORT_ENDED, partition_message
from lead_capture.keyring import WriteKey, hash_of, new_key
from lead_capture.pipeline import Pipeline
from lead_capture.schemas import ImportOut, KeyCreated, KeyOut, NewKey
from lead_capture.sender import Sender

_SHOWN = 7


async def add_key(session: AsyncSession, wanted: NewKey) -> KeyCreated:
    """Makes a write key; it is shown now and never again."""
    key, id_ = new_key(wanted.kind), new_id()
    values = {"id": id_, "prefix": key[:_SHOWN], **wanted.model_dump()}
    created = await repository.add_key(session, {**values, "hash": hash_of(key)})
    return KeyCreated(**values, created_at=created, key=key)


async def list_keys(session: AsyncSession) -> list[KeyOut]:
    return [KeyOut.model_validate(row, from_attributes=True) for row in await repository.list_keys(session)]


async def revoke_key(session: AsyncSession, id_: str) -> None:
    """Raises Problem 404."""
    if not await repository.revoke_key(session, id_):
        raise not_found("write key")


class Imports:
    """Imports of history: begun, named by each request that brings a part, ended on every partition."""

    def __init__(self, database: Database, pipeline: Pipeline, sender: Sender, clock: Clock, topic: str) -> None:
        self._database, self._pipeline, self._sender, self._clock = database, pipeline, sender, clock
        self._topic = topic
        self._started: dict[tuple[str, str], datetime] = {}

    async def begin(self, key: WriteKey) -> ImportOut:
        """Raises TransientError without PostgreSQL."""
        id_, now = new_id(), self._clock.now()
        async with self._database.transaction() as session:
            await repository.add_import(session, id_, key.source, now)
        self._started[(key.source, id_)] = now
        return ImportOut(id=id_, started_at=now)

    async def started_at(self, key: WriteKey, id_: str) -> datetime:
        """The backfill mark of facts of this import. Raises Problem 403, 404, or 409 when it has ended."""
        if key.public:
            raise Problem(403, "Only server keys may bring history.")
        started = self._started.get((key.source, id_))
        if started is None:
            started, ended = await self._look_up(key, id_)
            if ended:
                raise Problem(409, "This import has ended; begin another.")
            self._started[(key.source, id_)] = started
        return started

    async def end(self, key: WriteKey, id_: str) -> None:
        """Says so on every partition, behind all that the import brought; again is harmless.

        Raises TransientError while facts are spooled, since some of the import's may be among them.
        """
        started, _ = await self._look_up(key, id_)
        async with self._database.transaction() as session:
            if await repository.count_spooled(session, 1):
                raise TransientError("facts are queueing in the outbox")
        now, namespace = self._clock.now(), namespace_of(key.source)
        data = {"import_id": id_, "started_at": rfc3339(started)}
        messages = [
            partition_message(self._topic, p, IMPORT_ENDED, fact_id(namespace, "import", f"{id_}:{p}"), data, now)
            for p in range(self._sender.partitions(self._topic))
        ]
        await self._pipeline.accept(messages, now, direct_only=True)
        self._started.pop((key.source, id_), None)
        async with self._database.transaction() as session:
            await repository.end_import(session, id_)

    async def _look_up(self, key: WriteKey, id_: str) -> tuple[datetime, bool]:
        async with self._database.transaction() as session:
            row = await repository.find_import(session, id_)
        if row is None or row.source != key.source:
            raise not_found("import of this source")
        return row.started_at, row.ended_at is not None
