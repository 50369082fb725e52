"""What runs in a service's process: HTTP, relay, consumers and jobs, started and ended together."""

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Annotated

import structlog
import uvicorn
from fastapi import Depends, FastAPI, Request
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.types import ASGIApp

from common import metrics, telemetry, topics
from common.bus import KafkaPublisher
from common.consumer import Consumer, Handler, Subscription, dispatch
from common.database import Database
from common.deadletters import DeadLetters
from common.failures import TransientError
from common.http import create_app
from common.inbox import forget_old
from common.outbox import LANES, OUTBOX
from common.relay import Published, Relay
from common.server import Protocol
from common.settings import ServiceSettings

log = structlog.get_logger()

# Objects made before the collector looks: a request's are freed by their reference counts anyway, and looking for
# cycles after each 700, as CPython does, took up to a sixth of the processor.
_COLLECT_AFTER = 50_000
_END_SECONDS = 5.0

Job = Callable[[], Awaitable[None]]


class Application:
    """The composition of one service. Build it, add routes, subscriptions and jobs, then `run`.

    A part that ends with an error ends the process with status 1; the supervisor starts it again.
    """

    def __init__(
        self,
        name: str,
        settings: ServiceSettings,
        on_published: Published | None = None,
        *,
        relay_linger_seconds: float = 0.1,
        collect_after: int = _COLLECT_AFTER,
    ) -> None:
        telemetry.configure_logs(name, settings.log_level)
        telemetry.configure_traces(name, settings.otlp_endpoint)
        self.name, self.settings, self._collect_after = name, settings, collect_after
        self.database = Database(settings.database_url)
        self.publisher = KafkaPublisher(settings.kafka_bootstrap_servers)
        # A producer has one request under way at a time: what has no key goes by one of its own.
        self._publishers = [self.publisher, KafkaPublisher(settings.kafka_bootstrap_servers)]
        self._parts: list[tuple[str, Job]] = []
        for lane, publisher in zip(LANES, self._publishers, strict=True):
            relay = Relay(self.database, publisher, on_published, lane=lane, linger_seconds=relay_linger_seconds)
            self.background(f"relay of {lane}", relay.run)
        # What /readyz asks; a service that can do without the database changes it.
        self.checks: dict[str, Job] = {"database": self.database.ready}
        self.http = create_app(name, settings, checks=self.checks, lifespan=self._lifespan)
        self.http.state.database = self.database
        # What is served: `http`, or what a service puts in front of it.
        self.asgi: ASGIApp = self.http
        self._server: uvicorn.Server | None = None
        self._failed = False
        self.every(5.0, self._measure_outbox)
        self.every(3600.0, self._clean_inbox)

    def consume(
        self,
        topic_names: tuple[str, ...],
        handlers: Mapping[str, Handler],
        *,
        linger_seconds: float = 0.0,
        part: str | None = None,
    ) -> None:
        """Takes the types named by `handlers`, one by one, from these topics (`topics.CUSTOMER_FACTS`, …).

        A second consumer of one service names its `part` and is a group of its own: members of one group that want
        different topics wait for each other at every rebalance, and aiokafka's commits hang meanwhile.
        `linger_seconds` as in `Subscription`: worth giving where most of a topic is nobody's business here.
        """
        self.subscribe(
            Subscription(
                group=self.settings.group(f"{self.name}.{part}" if part else self.name),
                topics=tuple(self.settings.topic(topic) for topic in topic_names),
                handle=dispatch(handlers),
                types=frozenset(handlers),
                # Two consumers of one process must not take each other's place in the group.
                instance=f"{self.name}-{self.settings.instance}-{'-'.join(topic_names)}",
                linger_seconds=linger_seconds,
            )
        )

    def subscribe(self, subscription: Subscription) -> None:
        """Runs a consumer for a subscription made by hand (a batch handler, say). One instance name, one consumer."""
        dead = DeadLetters(self.publisher, self.settings.topic(topics.DEAD_LETTERS), subscription.group)
        consumer = Consumer(self.settings.kafka_bootstrap_servers, subscription, self.database, dead)
        self.background(f"consumer of {', '.join(subscription.topics)}", consumer.run)

    def every(self, seconds: float, job: Job) -> None:
        """Runs `job` again and again, `seconds` apart; a transient failure is only logged."""

        async def loop() -> None:
            while True:
                try:
                    await job()
                except TransientError as error:
                    log.warning("job put off", error=str(error))
                await asyncio.sleep(seconds)

        self.background(f"job every {seconds:g} s", loop)

    def background(self, name: str, part: Job) -> None:
        """A part that runs as long as the process."""
        self._parts.append((name, part))

    def run(self) -> None:
        """Until SIGTERM or SIGINT; exit status 1 when a part failed."""
        config = uvicorn.Config(
            self.asgi,
            host=self.settings.host,
            port=self.settings.port,
            log_config=None,
            access_log=False,
            http=Protocol,
            proxy_headers=False,
            timeout_graceful_shutdown=3,
            server_header=False,
        )
        self._server = uvicorn.Server(config)
        self._server.run()
        sys.exit(1 if self._failed or not self._server.started else 0)

    @asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self._guard(name, part)) for name, part in self._parts]
        _spare_collections(self._collect_after)
        try:
            yield
        finally:
            await _end(tasks)
            for publisher in self._publishers:
                await publisher.stop()
            await self.database.close()

    async def _guard(self, name: str, part: Job) -> None:
        try:
            await part()
        except asyncio.CancelledError:
            raise
        except BaseException:
            log.critical("a part failed; the process ends", part=name, exc_info=True)
            self._failed = True
            if self._server:
                self._server.should_exit = True

    async def _measure_outbox(self) -> None:
        query = select(func.count(), func.extract("epoch", func.now() - func.min(OUTBOX.c.created_at)))
        async with self.database.reading() as session:
            rows, age = (await session.execute(query.select_from(OUTBOX))).one()
        metrics.OUTBOX_ROWS.set(rows)
        metrics.OUTBOX_OLDEST_AGE.set(age or 0)

    async def _clean_inbox(self) -> None:
        async with self.database.transaction() as session:
            await forget_old(session)


async def _end(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancels, and says it again to who goes on: below a library `asyncio.wait_for` of Python 3.11 swallows a
    cancellation that comes together with an answer.
    """
    running = set(tasks)
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=_END_SECONDS)


def _spare_collections(collect_after: int) -> None:
    """What was imported stays for good: the garbage collector need not look through it, nor look so often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(collect_after, 20, 50)


async def _session(request: Request) -> AsyncIterator[AsyncSession]:
    database: Database = request.app.state.database
    async with database.transaction() as session:
        yield session


# Function scope: the commit comes before the answer, so what was answered is so.
Transaction = Annotated[AsyncSession, Depends(_session, scope="function")]
