"""A service's process: killed at any moment it has each effect once; asked to end, it ends soon and cleanly."""

import asyncio
import json
import os
import signal
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from common import application
from common.bus import KafkaPublisher
from common.database import Database
from common.envelope import decode
from common.outbox import OUTBOX
from common.testing.effects import effects, fact, message
from heed.platform.ports import free_ports
from tests.common.counting_service import Settings

PROGRAM = Path(__file__).with_name("counting_service.py")
KEYS = ("a", "b", "c", "d")

Start = Callable[[], Awaitable[asyncio.subprocess.Process]]


@pytest.fixture
def port() -> int:
    return free_ports(1)[0]


@pytest.fixture
async def start(kafka: str, topic_prefix: str, database_url: str, port: int) -> AsyncIterator[Start]:
    """Starts the service; what still runs at the end is killed."""
    started: list[asyncio.subprocess.Process] = []
    environment = os.environ | {
        "COUNTING_DATABASE_URL": database_url,
        "COUNTING_PORT": str(port),
        "KAFKA_BOOTSTRAP_SERVERS": kafka,
        "HEED_TOPIC_PREFIX": topic_prefix,
        "HEED_INSTANCE": "one",
    }

    async def run() -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(PROGRAM), env=environment, stdout=asyncio.subprocess.PIPE, limit=2**22
        )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def _answers(port: int) -> bool:
    try:
        async with httpx.AsyncClient() as client:
            return (await client.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200
    except httpx.HTTPError:
        return False


async def _outbox_is_empty(database: Database) -> bool:
    async with database.transaction() as session:
        return (await session.execute(select(func.count()).select_from(OUTBOX))).scalar_one() == 0


async def test_killed_at_work_it_has_each_effect_once(
    database: Database,
    publisher: KafkaPublisher,
    topic_prefix: str,
    start: Start,
    eventually: Any,
    read_topic: Any,
) -> None:
    topic, count = f"{topic_prefix}.customer-facts", 150
    ledger = [fact(number, key) for number in range(count) for key in KEYS]
    repeated = [envelope for place, envelope in enumerate(ledger) for _ in range(2 if place % 10 == 0 else 1)]
    await publisher.publish([message(topic, envelope) for envelope in repeated])

    for share in (0.1, 0.4, 0.7):
        process = await start()

        async def so_far(goal: float = share * len(ledger)) -> bool:
            return len(await effects(database)) >= goal

        await eventually(so_far)
        process.kill()
        await process.wait()
    await start()

    async def all_done() -> bool:
        return len(await effects(database)) >= len(ledger) and await _outbox_is_empty(database)

    await eventually(all_done, 90)
    found = list(await effects(database))
    for key in KEYS:
        assert [id_ for id_ in found if id_.startswith(key)] == [f"{key}-{number}" for number in range(count)]
    said: dict[str, list[int]] = defaultdict(list)
    for record in await read_topic(f"{topic_prefix}.triggers", len(ledger)):
        envelope = decode(record.key, record.headers, record.value)
        if envelope.data["number"] not in said[envelope.key]:
            said[envelope.key].append(envelope.data["number"])
    assert said == {key: list(range(count)) for key in KEYS}


async def test_asked_to_end_it_ends_soon_and_logs_json(
    database: Database, publisher: KafkaPublisher, topic_prefix: str, port: int, start: Start, eventually: Any
) -> None:
    process = await start()
    await eventually(lambda: _answers(port))
    await publisher.publish([message(f"{topic_prefix}.customer-facts", fact(1, "end"))])

    async def done() -> bool:
        return "end-1" in await effects(database)

    await eventually(done)
    process.send_signal(signal.SIGTERM)
    output, _ = await asyncio.wait_for(process.communicate(), 10)
    assert process.returncode in (0, -signal.SIGTERM)
    lines = [json.loads(line) for line in output.decode().splitlines()]
    assert lines, "each line is a JSON object"
    assert {line["service"] for line in lines} == {"counting"}
    assert all({"event", "level", "timestamp"} <= line.keys() for line in lines)
    # aiokafka calls it an error when a fresh broker has no group coordinator yet.
    ours = [line for line in lines if not line.get("logger", "").startswith("aiokafka")]
    assert not [line for line in ours if line["level"] in ("error", "critical")]


async def test_a_part_that_fails_ends_the_process(
    database: Database, publisher: KafkaPublisher, topic_prefix: str, start: Start
) -> None:
    async with database.engine.begin() as connection:
        await connection.exec_driver_sql("ALTER TABLE effects RENAME TO gone")
    try:
        process = await start()
        await publisher.publish([message(f"{topic_prefix}.customer-facts", fact(2, "end"))])
        output, _ = await asyncio.wait_for(process.communicate(), 60)
    finally:
        async with database.engine.begin() as connection:
            await connection.exec_driver_sql("ALTER TABLE gone RENAME TO effects")
    assert process.returncode == 1
    events = [json.loads(line) for line in output.decode().splitlines()]
    assert any(event["level"] == "critical" and "does not exist" in event["exception"] for event in events)


async def test_a_part_that_swallows_a_cancellation_ends_all_the_same(
    database_url: str, kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application, "_END_SECONDS", 0.05)
    given: dict[str, Any] = {"database_url": database_url, "kafka_bootstrap_servers": kafka}
    app = application.Application("counting", Settings(**given))
    waiting = asyncio.Event()

    async def deaf_once() -> None:
        waiting.set()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.Event().wait()

    app.background("deaf", deaf_once)
    async with asyncio.timeout(30), app.http.router.lifespan_context(app.http):
        await waiting.wait()
