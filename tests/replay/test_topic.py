"""`heed replay topic` on a real broker and a real database, beside the running service."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from analytics.orders import DAY
from common.migrate import upgrade
from common.topics import PARTITIONS
from heed.platform.errors import PlatformError
from heed.platform.settings import SERVICES
from heed.replay.recorded import Place
from heed.replay.topic import Window, compare
from tests.analytics.stories import START
from tests.chaos.folding import records, settled
from tests.chaos.test_analytics_kills import Workers, load, publish


@pytest.fixture(scope="module")
def place(kafka: str, topic_prefix: str, database_url: str) -> Place:
    upgrade("analytics", database_url)
    return Place(kafka, topic_prefix, database_url)


@pytest.fixture
def workers(place: Place, tmp_path: Path) -> Iterator[Workers]:
    workers = Workers(place.bootstrap, place.prefix, place.database_url, tmp_path)
    yield workers
    workers.stop()


async def replay_topic(place: Place, tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {
        **os.environ,
        "KAFKA_BOOTSTRAP_SERVERS": place.bootstrap,
        **{f"{service.upper()}_DATABASE_URL": place.database_url for service in SERVICES},
        "HEED_TOPIC_PREFIX": place.prefix,
        "HEED_HOME": str(tmp_path / "home"),
        "COLUMNS": "200",
    }
    command = [sys.executable, "-m", "heed", "replay", "topic", *arguments]
    return await asyncio.to_thread(subprocess.run, command, env=environ, capture_output=True, text=True, check=False)


@pytest.mark.timeout(600)
async def test_a_replay_of_the_log_says_what_was_told_live(place: Place, workers: Workers, tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match="not folded anything yet"):
        await compare(place, Window(), lambda done, total: None)

    await publish(place.bootstrap, place.prefix, load(6))
    workers.start("one")
    async with asyncio.timeout(180):
        await settled(place.bootstrap, place.prefix, place.database_url)

    told: list[tuple[int, int]] = []
    found = await compare(place, Window(), lambda done, total: told.append((done, total)))
    assert found.differences == []
    assert found.same == found.live == found.replayed > 20
    assert found.repeats > 0, "the load holds facts that came twice"
    assert told[-1][0] == told[-1][1] == found.records
    assert {kind.split()[-1] for kind in found.kinds} >= {"raised", "cleared"}

    middle = START + 60 * DAY
    early, late = [
        await compare(place, window, lambda done, total: None)
        for window in (Window(until=middle), Window(since=middle + 1e-6))
    ]
    assert 0 < early.same < found.same
    assert early.same + late.same == found.same

    done = await replay_topic(place, tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"{found.same:,}" in done.stdout

    await _tell_otherwise(place)
    done = await replay_topic(place, tmp_path)
    assert done.returncode == 1
    assert "told in other words" in done.stdout
    assert "(score)" in done.stdout
    assert "told live only" in done.stdout

    workers.stop()
    newcomers = [event for event in load(7) if event.customer.endswith("_6")]
    await publish(place.bootstrap, place.prefix, newcomers)
    await _claim_everything(place)
    found = await compare(place, Window(), lambda done, total: None)
    assert {d.step.customer[-2:] for d in found.differences if d.how == "not told live"} == {"_6"}


async def _tell_otherwise(place: Place) -> None:
    """Puts two steps on the topic that analytics never said: one with another score, one out of nothing."""
    topic = f"{place.prefix}.triggers"
    found = [r async for r in records(place.bootstrap, topic) if b"heed.trigger.raised.v1" in dict(r.headers).values()]
    step = found[0]
    body = (step.value or b"").replace(b'"score":0.', b'"score":1.')
    assert body != step.value
    producer = AIOKafkaProducer(bootstrap_servers=place.bootstrap)
    await producer.start()
    try:
        await producer.send_and_wait(topic, body, step.key, step.partition, headers=list(step.headers))
        headers = [(name, b"made-up" if name == "ce_id" else value) for name, value in step.headers]
        await producer.send_and_wait(topic, step.value, step.key, step.partition, headers=headers)
    finally:
        await producer.stop()


async def _claim_everything(place: Place) -> None:
    """Tasks that say they have folded the whole log, though nobody has."""
    consumer = AIOKafkaConsumer(bootstrap_servers=place.bootstrap)
    connection = await asyncpg.connect(place.database_url.replace("+asyncpg", ""))
    await consumer.start()
    try:
        topic = f"{place.prefix}.customer-facts"
        ends = await consumer.end_offsets([TopicPartition(topic, p) for p in range(PARTITIONS)])
        for place_, offset in ends.items():
            await connection.execute("UPDATE tasks SET next_offset = $2 WHERE partition = $1", place_.partition, offset)
    finally:
        await consumer.stop()
        await connection.close()
