"""Carries queued messages to the mail server. One courier per database works at a time; the others stand by."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg
import structlog

from campaign import metrics
from campaign.composer import Composer
from campaign.mail import Sender, UnusableAddressError, build, mailbox
from campaign.repository.messages import CHANNEL
from campaign.service import Letterbox
from campaign.service.outgoing import Attempt, Claim, Fate
from campaign.smtp import Connection, Server, UnreachableError
from common.alarm import Alarm
from common.database import Database
from common.failures import TransientError
from common.ids import new_id

log = structlog.get_logger()

_LOCK = 0x4845454453454E44  # the advisory lock of whoever sends
_DATABASE_AWAY = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TransientError)
_POLL_SECONDS = 0.5
_PAUSE_SECONDS = 1.0
_KEEPALIVE_SECONDS = 5.0
_LAST_WORDS_SECONDS = 5.0


@dataclass(frozen=True)
class Pace:
    """How many connections at once, how many messages a second, how long to wait for an answer."""

    connections: int
    per_second: float
    timeout_seconds: float


class Courier:
    """Sends while it holds the lock of its database.

    What is `sending` when it gets the lock, and not in its own hands, becomes `unknown`: that sender is gone,
    or has lost its connection to the database and can no longer claim anything.
    """

    def __init__(
        self, database: Database, letterbox: Letterbox, composer: Composer, server: Server, sender: Sender, pace: Pace
    ) -> None:
        self._database, self._letterbox, self._composer = database, letterbox, composer
        self._server, self._sender, self._pace = server, sender, pace
        self._owner = new_id()
        self._wake = Alarm()
        self._slots = asyncio.Semaphore(pace.connections)
        self._idle: list[Connection] = []
        self._in_flight: dict[asyncio.Task[None], str] = {}  # the id of each one's message
        self._next_at = 0.0

    async def run(self) -> None:
        """Until cancelled; what is being handed over then gets a few seconds to end."""
        while not _is_cancelled():
            try:
                async with self._lease() as lost:
                    await self._give_up_abandoned()
                    await self._dispatch(lost)
            except _DATABASE_AWAY as error:
                log.warning("courier waits for the database", error=str(error))
            await asyncio.sleep(_PAUSE_SECONDS)

    @asynccontextmanager
    async def _lease(self) -> AsyncIterator[asyncio.Event]:
        """Waits for the lock; yields an event that is set when the lock is lost."""
        connection = await self._database.connect()
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        try:
            await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
            await connection.add_listener(CHANNEL, lambda *_: self._wake.ring())
            metrics.SENDER.set(1)
            watching = asyncio.create_task(_watch(connection, lost))
            try:
                yield lost
            finally:
                watching.cancel()
        finally:
            metrics.SENDER.set(0)
            connection.terminate()

    async def _give_up_abandoned(self) -> None:
        async with self._database.transaction() as session:
            count = await self._letterbox.give_up_abandoned(session, frozenset(self._in_flight.values()))
        if count:
            log.warning("messages of unknown fate", count=count)

    async def _dispatch(self, lost: asyncio.Event) -> None:
        try:
            while not lost.is_set() and not _is_cancelled():
                self._forget_ended()
                if not await self._send_next():
                    await self._close_idle()
                    await self._wake.wait(_POLL_SECONDS)
        finally:
            if self._in_flight:
                await asyncio.wait(self._in_flight, timeout=_LAST_WORDS_SECONDS)
            await self._close_idle()

    async def _send_next(self) -> bool:
        """Starts to hand over the next message; False where none is due. A server that is away costs no attempt."""
        async with self._database.transaction() as session:
            if not await self._letterbox.is_due(session):
                return False
        await self._slots.acquire()
        claim = None
        try:
            connection = await self._connection()
            claim = await self._claim(connection)
        except UnreachableError as error:
            metrics.SMTP_UNREACHABLE.inc()
            log.warning("courier waits for the mail server", error=str(error))
            await asyncio.sleep(_PAUSE_SECONDS)
            return True
        finally:
            if claim is None:
                self._slots.release()
        if claim is None:
            return False
        self._in_flight[asyncio.create_task(self._deliver(connection, claim))] = claim.id
        return True

    async def _claim(self, connection: Connection) -> Claim | None:
        """Takes a message only when there is a connection to send it on; without one that is kept for later."""
        try:
            await self._keep_pace()
            async with self._database.transaction() as session:
                claim = await self._letterbox.claim(session, self._owner)
        except BaseException:
            self._idle.append(connection)
            raise
        if claim is None:
            self._idle.append(connection)
        return claim

    async def _deliver(self, connection: Connection, claim: Claim) -> None:
        try:
            attempt = await self._attempt(connection, claim)
            await self._settle(claim, attempt)
        finally:
            self._slots.release()
            self._wake.ring()

    async def _attempt(self, connection: Connection, claim: Claim) -> Attempt:
        try:
            recipient = mailbox(claim.to)
            message = build(claim, recipient, self._sender, self._composer.unsubscribe_url(claim.token))
        except UnusableAddressError as error:
            self._idle.append(connection)
            return Attempt(Fate.REFUSED, str(error))
        attempt = await connection.hand_over(self._sender.address, recipient, message)
        if attempt.fate is Fate.ACCEPTED:
            self._idle.append(connection)
        return attempt

    async def _settle(self, claim: Claim, attempt: Attempt) -> None:
        """Tries until the database takes it: what the server said is known only here."""
        while True:
            try:
                async with self._database.transaction() as session:
                    if not await self._letterbox.settle(session, claim, self._owner, attempt):
                        log.warning("message given up meanwhile", message=claim.id, fate=attempt.fate)
                return
            except TransientError as error:
                log.warning("message not settled yet", message=claim.id, error=str(error))
                await asyncio.sleep(_PAUSE_SECONDS)

    def _forget_ended(self) -> None:
        """Raises what one of the tasks died of."""
        for task in [task for task in self._in_flight if task.done()]:
            del self._in_flight[task]
            task.result()

    async def _connection(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if await connection.is_usable():
                return connection
        return await Connection.open(self._server, self._pace.timeout_seconds)

    async def _close_idle(self) -> None:
        while self._idle:
            await self._idle.pop().close()

    async def _keep_pace(self) -> None:
        now = asyncio.get_running_loop().time()
        self._next_at = max(now, self._next_at) + 1 / self._pace.per_second
        await asyncio.sleep(self._next_at - now - 1 / self._pace.per_second)


def _is_cancelled() -> bool:
    """`asyncio.wait_for`, which aiosmtplib uses, can swallow a cancellation that comes together with the answer."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _watch(connection: asyncpg.Connection, lost: asyncio.Event) -> None:
    """Notices a database that went away without a word."""
    while not lost.is_set():
        await asyncio.sleep(_KEEPALIVE_SECONDS)
        try:
            await connection.execute("SELECT 1", timeout=_KEEPALIVE_SECONDS)
        except _DATABASE_AWAY:
            lost.set()
