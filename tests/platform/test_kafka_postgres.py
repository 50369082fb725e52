"""The broker and the database server, started for real, killed and started again."""

from pathlib import Path

import asyncpg
import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from common.topics import TOPICS
from heed.platform.databases import drop_database, dsn, ensure_database
from heed.platform.kafka import Kafka
from heed.platform.ports import free_ports, is_listening
from heed.platform.postgres import Postgres
from heed.platform.testing import PostgresAdmin
from heed.platform.topics import create_topics

ROOT = Path(__file__).parents[2]


async def test_topics_have_the_partitions_of_the_contract(kafka: str, topic_prefix: str) -> None:
    await create_topics(kafka, topic_prefix)  # a second time changes nothing
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        names = [f"{topic_prefix}.{topic.name}" for topic in TOPICS]
        found = {t["topic"]: len(t["partitions"]) for t in await admin.describe_topics(names)}
    finally:
        await admin.close()
    assert found == {f"{topic_prefix}.{topic.name}": topic.partitions for topic in TOPICS}


async def test_a_role_reaches_its_own_database_only(database_url: str, postgres: PostgresAdmin) -> None:
    other = postgres.create_database()
    own = await asyncpg.connect(dsn(database_url))
    assert await own.fetchval("SELECT 1") == 1
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await own.execute("CREATE ROLE mallory SUPERUSER")
    await own.close()
    stranger = dsn(database_url).rsplit("/", 1)[0] + "/" + other.rsplit("/", 1)[1]
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(stranger)
    postgres.drop_database(other)


async def test_names_that_are_not_plain_are_refused(postgres: PostgresAdmin) -> None:
    with pytest.raises(ValueError, match="plain"):
        await ensure_database(postgres.url, 'x"; --', "p")
    with pytest.raises(ValueError, match="plain"):
        await drop_database(postgres.url, "X")


async def test_kafka_keeps_its_log_over_a_kill(platform_directory: Path, kafka_lib: Path) -> None:
    base = platform_directory / "kill"
    node = Kafka(kafka_lib, ROOT / "deploy/local/kafka", base / "kafka", base / "kafka.log", free_ports(1)[0])
    first = node.child()
    with first:
        await create_topics(node.bootstrap, "t")
        async with AIOKafkaProducer(bootstrap_servers=node.bootstrap, acks="all") as producer:
            await producer.send_and_wait("t.models", b"kept")
        first.kill()
    assert not is_listening(node.port)
    with node.child():
        consumer = AIOKafkaConsumer("t.models", bootstrap_servers=node.bootstrap, auto_offset_reset="earliest")
        async with consumer:
            assert (await consumer.getone()).value == b"kept"
    assert not is_listening(node.port)


async def test_postgres_keeps_commits_over_a_kill(platform_directory: Path) -> None:
    base = platform_directory / "kill"
    server = Postgres(base / "postgres", base / "postgres.log", free_ports(1)[0], "secret")
    first = server.child()
    with first:
        await ensure_database(server.url, "kept", "role-password")
        began = psutil.Process(first.pid).children()
        first.kill()
    assert began
    assert not [process for process in began if process.is_running()], "the next server needs their memory"
    with server.child():
        url = dsn(server.url_of("kept", "role-password", "kept"))
        connection = await asyncpg.connect(url)
        assert await connection.fetchval("SELECT current_user") == "kept"
        await connection.close()
    assert not is_listening(server.port)


async def test_postgres_starts_below_a_directory_closed_to_others(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    server = Postgres(closed / "home" / "postgres", closed / "postgres.log", free_ports(1)[0], "secret")
    with server.child():
        connection = await asyncpg.connect(dsn(server.url))
        assert await connection.fetchval("SHOW data_directory") == str(server.data)
        await connection.close()
    assert closed.stat().st_mode & 0o777 == 0o700
