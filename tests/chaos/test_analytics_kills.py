"""Analytics is killed, frozen and joined by others while it folds; afterwards a fresh fold of the log finds the same.

The short form dies once at every named point of a checkpoint, and has the database crash and lose its last commits;
`make chaos` also freezes and rebalances under more load, `make chaos-long` kills two hundred times at random.
"""

import asyncio
import os
import random
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from analytics.events import TYPES, Event, What, emission
from analytics.orders import DAY
from common.bus import KafkaPublisher, Message
from common.migrate import upgrade
from common.outbox import message_of
from common.tokens import generate_keys
from common.topics import PARTITIONS
from heed.platform.ports import free_ports
from heed.platform.postgres import SETTINGS, Postgres
from heed.platform.process import Child
from heed.platform.testing import PostgresAdmin, own_topics
from tests.analytics.stories import START
from tests.analytics.test_fold import story
from tests.chaos.doomed import POINTS
from tests.chaos.folding import fresh, recorded, settled, stored

FORM = os.environ.get("HEED_CHAOS", "")
SHOPS, ROUNDS = {"full": (40, 3), "long": (120, 1)}.get(FORM, (6, 1))
KILLS, CRASHES = 200, 4
PATIENCE_SECONDS = 120.0

Rows = list[asyncpg.Record]


class Workers:
    """Analytics processes of one group, on one database."""

    def __init__(self, kafka: str, prefix: str, url: str, logs: Path) -> None:
        self._environ = {
            **os.environ,
            "ANALYTICS_DATABASE_URL": url,
            "KAFKA_BOOTSTRAP_SERVERS": kafka,
            "HEED_TOPIC_PREFIX": prefix,
            "HEED_TOKEN_PUBLIC_KEY": generate_keys()[1],
            "ANALYTICS_PUBLISH_EXAMPLES": "300",
        }
        self._logs = logs
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, instance: str, *doom: str) -> subprocess.Popen[bytes]:
        environ = {**self._environ, "HEED_INSTANCE": instance, "ANALYTICS_PORT": str(free_ports(1)[0])}
        with (self._logs / f"{instance}.log").open("ab") as log:
            command = [sys.executable, "-m", "tests.chaos.doomed", *doom]
            process = subprocess.Popen(command, env=environ, stdout=log, stderr=log)
        self.running[instance] = process
        return process

    def stop(self) -> None:
        for process in self.running.values():
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()


@pytest.fixture
def workers(kafka: str, topic_prefix: str, database_url: str, tmp_path: Path) -> Iterator[Workers]:
    upgrade("analytics", database_url)
    workers = Workers(kafka, topic_prefix, database_url, tmp_path)
    yield workers
    workers.stop()


def load(shops: int) -> list[Event]:
    """Customers of several shops, some of whom turn out to be another one, in the order of a log."""
    events = []
    for seed in range(shops):
        for event in story(seed):
            if event.customer:
                event.customer = f"{event.customer}_{seed}"
                events.append(event)
        at = START + 100 * DAY
        data = {"surviving": f"c_1_{seed}", "losing": f"c_0_{seed}", "reason": "same card"}
        events.append(Event(What.CONTACT_MERGED, f"merge-{seed}", f"c_0_{seed}", at, at, data=data))
    events += [event for event in story(0) if event.what is What.TICK]
    return sorted(events, key=lambda event: event.time)


async def publish(kafka: str, prefix: str, events: list[Event], pace: float = 0.0) -> None:
    publisher, batch = KafkaPublisher(kafka), list[Message]()
    for n, event in enumerate(events):
        data = dict(event.data)
        if event.what is What.ORDER:
            data |= {"total": f"{event.amount / 10_000:.4f}", "currency": event.currency}
        fact = emission(TYPES[event.what], event.customer, data, event, event.time, event.id)
        places = [None] if event.customer else range(PARTITIONS)
        batch += [message_of(f"{prefix}.customer-facts", fact, place) for place in places]
        if n % 50 == 0 and event.customer:
            batch.append(batch[-1])  # some come twice
        if len(batch) > 500:
            await publisher.publish(batch)
            batch.clear()
            await asyncio.sleep(pace)
    await publisher.publish(batch)
    await publisher.stop()


async def compared(kafka: str, prefix: str, url: str) -> list[str]:
    async with asyncio.timeout(PATIENCE_SECONDS):
        await settled(kafka, prefix, url)
    told, expected = await stored(kafka, prefix, url), await fresh(kafka, prefix, url)
    assert expected.steps, "the load has to lead to something"
    assert any(packed[0] == 0 for packed in told.profiles.values()), "somebody has to have been merged"
    return list(expected.differences(told))


@pytest.mark.timeout(600)
async def test_dying_at_every_point_of_a_checkpoint_changes_nothing(
    workers: Workers, kafka: str, topic_prefix: str, database_url: str
) -> None:
    events, deaths = load(SHOPS), len(POINTS) * ROUNDS
    share = len(events) // (deaths + 1)
    for n, point in enumerate(list(POINTS) * ROUNDS):
        await publish(kafka, topic_prefix, events[n * share : (n + 1) * share])
        doomed = workers.start("one", point, "1")
        assert await asyncio.to_thread(doomed.wait, PATIENCE_SECONDS) == -signal.SIGKILL, point
    await publish(kafka, topic_prefix, events[deaths * share :])
    workers.start("one")

    assert await compared(kafka, topic_prefix, database_url) == []


@pytest.fixture
def forgetful(platform_directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Child, str]]:
    """A database server that goes to the disk seldom, and a database on it."""
    for setting, value in (("wal_writer_delay", "10s"), ("wal_writer_flush_after", "1GB")):
        monkeypatch.setitem(SETTINGS, setting, value)
    home = platform_directory / "forgetful"
    server = Postgres(home / "data", home / "postgres.log", free_ports(1)[0], secrets.token_hex(8))
    with server.child() as child:
        url = PostgresAdmin(server.url).create_database()
        upgrade("analytics", url)
        yield child, url


@pytest.fixture
def own_prefix(kafka: str) -> Iterator[str]:
    """Topics of its own: a log names versions of models, which are in one database."""
    with own_topics(kafka) as prefix:
        yield prefix


@pytest.mark.timeout(600)
async def test_commits_that_a_crashed_database_lost_are_made_again(
    forgetful: tuple[Child, str], kafka: str, own_prefix: str, tmp_path: Path
) -> None:
    server, url = forgetful
    workers, events = Workers(kafka, own_prefix, url, tmp_path), load(SHOPS)
    share, running = len(events) // (CRASHES + 1), workers.start("one")
    losses = 0
    try:
        for n in range(CRASHES):
            await publish(kafka, own_prefix, events[n * share : (n + 1) * share])
            await _folded(url, await recorded(kafka, own_prefix))
            await asyncio.to_thread(_crash, server)
            await publish(kafka, own_prefix, events[-1:])  # or it has nothing to write, and does not find out
            await _folded(url, await recorded(kafka, own_prefix), running)
            if running.poll():  # it knew what is not so any more
                losses += 1
                running = workers.start("one")
        await publish(kafka, own_prefix, events[CRASHES * share :])

        assert await compared(kafka, own_prefix, url) == []
        assert losses, "or nothing was tried"
    finally:
        workers.stop()


def _crash(server: Child) -> None:
    server.kill()
    server.start()
    server.wait_ready()


async def _folded(url: str, least: int, process: subprocess.Popen[bytes] | None = None) -> None:
    """Waits until the database says that so many records are folded, or the process has ended."""

    def enough(tasks: Rows) -> bool:
        return sum(task[0] for task in tasks) >= least or bool(process and process.poll())

    await _answered(url, "SELECT next_offset FROM tasks", enough)


async def _answered(url: str, query: str, enough: Callable[[Rows], bool]) -> Rows:
    """Asks until the answer will do."""
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                if enough(rows := await connection.fetch(query)):
                    return rows
                await asyncio.sleep(0.02)
    finally:
        await connection.close()


@pytest.mark.skipif(not FORM, reason="make chaos")
@pytest.mark.timeout(900)
async def test_frozen_workers_and_rebalances_change_nothing(
    workers: Workers, kafka: str, topic_prefix: str, database_url: str
) -> None:
    feeding = asyncio.create_task(publish(kafka, topic_prefix, load(SHOPS), pace=0.5))
    for name in ("one", "two"):
        workers.start(name)
    await asyncio.sleep(8)
    frozen = workers.running["one"]
    frozen.send_signal(signal.SIGSTOP)
    await asyncio.sleep(30)  # far more than a session: the other one has taken over
    frozen.send_signal(signal.SIGCONT)
    await asyncio.to_thread(_awake, frozen)
    workers.start("three")
    await asyncio.sleep(6)
    workers.running["two"].terminate()
    await feeding
    if frozen.poll() is not None:
        workers.start("one")

    assert await compared(kafka, topic_prefix, database_url) == []


@pytest.mark.skipif(FORM != "long", reason="make chaos-long")
@pytest.mark.timeout(5400)
async def test_two_hundred_kills_at_random_change_nothing(
    workers: Workers, kafka: str, topic_prefix: str, database_url: str
) -> None:
    r, events = random.Random(3), load(SHOPS)
    share = len(events) // (KILLS + 1)
    owners: set[str] = set()
    for n in range(KILLS):
        await publish(kafka, topic_prefix, events[n * share : (n + 1) * share])
        process = workers.start("one" if r.random() < 0.9 else "two")
        owners = await _other_owners(database_url, owners)
        await asyncio.sleep(r.expovariate(1 / 0.3))
        process.kill()
        await asyncio.to_thread(process.wait)
    await publish(kafka, topic_prefix, events[KILLS * share :])
    workers.start("one")

    assert await compared(kafka, topic_prefix, database_url) == []


async def _other_owners(url: str, before: set[str]) -> set[str]:
    """Waits until somebody has taken every partition over."""

    def taken(tasks: Rows) -> bool:
        return bool(tasks) and not before & {task[0] for task in tasks}

    return {task[0] for task in await _answered(url, "SELECT owner_token FROM tasks", taken)}


def _awake(process: subprocess.Popen[bytes]) -> None:
    """Gives a woken worker time to find out: it ends at the fence, or joins again with nothing lost."""
    until = time.monotonic() + 10
    while process.poll() is None and time.monotonic() < until:
        time.sleep(0.2)
