"""One PostgreSQL database: an engine and transactions. Only the edge (a request, a handler, a job) opens one."""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import asyncpg
import orjson
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from common.alarm import Alarm
from common.failures import InvalidError, TransientError

_RETRYABLE_STATES = ("08", "40", "53", "57P")  # connection, rollback, resources, operator intervention
_DATA_STATES = "22"  # a NUL in a text, a number out of range: the value's fault
_CONNECT_SECONDS = 10
_STATEMENT_SECONDS = 30
# A client that was cut off must not hold its locks for ever.
_IDLE_IN_TRANSACTION_MS = 60_000

# What a session notes under `info`: the channels to be notified and the alarms to be rung once it committed.
CHANNELS, ALARMS = "channels", "alarms"
_NOTIFY = text("SELECT pg_notify(channel, '') FROM unnest(CAST(:channels AS text[])) AS channel")


def _dumps(value: object) -> str:
    return orjson.dumps(value).decode()


class Database:
    """Owns the engine of one service's database, and alarms by name for whoever in this process waits for what is
    committed. `url` is postgresql+asyncpg://…
    """

    def __init__(self, url: str, *, pool_size: int = 8) -> None:
        self.url = url
        self.engine = create_async_engine(
            url,
            pool_size=pool_size,
            max_overflow=4,
            pool_timeout=5,
            connect_args={
                "timeout": _CONNECT_SECONDS,
                "command_timeout": _STATEMENT_SECONDS,
                "server_settings": {"idle_in_transaction_session_timeout": str(_IDLE_IN_TRANSACTION_MS)},
            },
            json_serializer=_dumps,
            json_deserializer=orjson.loads,
        )
        self._alarms: defaultdict[str, Alarm] = defaultdict(Alarm)
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)
        self._readers = async_sessionmaker(self.engine.execution_options(isolation_level="AUTOCOMMIT"))

    @property
    def dsn(self) -> str:
        """The same address for asyncpg itself."""
        return self.url.replace("postgresql+asyncpg://", "postgresql://", 1)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """Commits at the end, rolls back on any error.

        Raises TransientError when PostgreSQL is away or too slow, InvalidError for a value that it cannot hold.
        """
        with _named_failures():
            async with self._sessions() as session, session.begin():
                yield session
        await self._wake(session)

    def alarm(self, name: str) -> Alarm:
        return self._alarms[name]

    def ring(self, names: Iterable[str]) -> None:
        """For those who commit by a connection of their own; after a `transaction` it is done."""
        for name in names:
            self._alarms[name].ring()

    async def _wake(self, session: AsyncSession) -> None:
        """Whoever waits for what was just committed. Not in the transaction itself: PostgreSQL lets one notifying
        transaction commit at a time, and each would wait for all others' disk.
        """
        self.ring(session.info.get(ALARMS, ()))
        if channels := session.info.get(CHANNELS):
            with suppress(TransientError):
                async with self.reading() as notifier:
                    await notifier.execute(_NOTIFY, {"channels": sorted(channels)})

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """For single queries: each sees what is committed by then, without the round trips of a transaction.

        Raises as `transaction` does.
        """
        with _named_failures():
            async with self._readers() as session:
                yield session

    async def connect(self, **settings: str) -> asyncpg.Connection:
        """A connection of its own, outside the pool (LISTEN, COPY), with PostgreSQL's settings. Raises OSError or
        asyncpg errors.
        """
        return await asyncpg.connect(self.dsn, timeout=_CONNECT_SECONDS, server_settings=settings)

    async def ready(self) -> None:
        """Raises when the database cannot be reached."""
        async with self.reading() as session:
            await session.execute(text("SELECT 1"))

    async def close(self) -> None:
        await self.engine.dispose()


@contextmanager
def _named_failures() -> Iterator[None]:
    try:
        yield
    except (DBAPIError, PoolTimeout, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        if is_transient(error):
            raise TransientError(f"database: {_said(error)}") from error
        if _sqlstate(error).startswith(_DATA_STATES):
            raise InvalidError(f"a value that the database cannot hold: {_said(error)}") from error
        raise


def is_transient(error: BaseException) -> bool:
    """Whether trying again later can help."""
    if isinstance(error, (OSError, PoolTimeout, asyncpg.InterfaceError)):
        return True
    if isinstance(error, DBAPIError) and (error.connection_invalidated or isinstance(error, InterfaceError)):
        return True
    return _sqlstate(error).startswith(_RETRYABLE_STATES)


def _sqlstate(error: BaseException) -> str:
    raised = error.orig if isinstance(error, DBAPIError) else error
    return getattr(raised, "sqlstate", None) or ""


def _said(error: BaseException) -> str:
    """What the server said, without the statement and its values."""
    raised = error.orig if isinstance(error, DBAPIError) else error
    return str(raised) or type(error).__name__
