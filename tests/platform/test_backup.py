"""Backup and restore of a real broker's and a real server's data."""

import asyncio
import hashlib
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from heed.backup import ARCHIVE, MANIFEST, create_backup, restore_backup
from heed.platform.databases import dsn, ensure_databases
from heed.platform.errors import PlatformError
from heed.platform.installation import Installation
from heed.platform.layout import Layout
from heed.platform.ports import free_ports
from heed.platform.runfile import RunFile
from heed.platform.settings import RunSettings
from heed.platform.topics import create_topics


@pytest.fixture
def installation(platform_directory: Path, kafka_lib: Path) -> Iterator[Installation]:
    home = platform_directory / "backed-up"
    home.mkdir()
    yield _installation(home)
    shutil.rmtree(home)


def _installation(home: Path) -> Installation:
    kafka, postgres = free_ports(2)
    return Installation(
        Layout(home), RunSettings.load({"HEED_KAFKA_PORT": str(kafka), "HEED_POSTGRES_PORT": str(postgres)})
    )


@contextmanager
def running(installation: Installation) -> Iterator[None]:
    with installation.postgres.child(), installation.kafka.child():
        yield


async def write(installation: Installation, text: str) -> None:
    passwords = installation.secrets.database_passwords
    await ensure_databases(installation.postgres.url, passwords)
    connection = await asyncpg.connect(dsn(installation.services.database_url("sales")))
    await connection.execute("CREATE TABLE IF NOT EXISTS notes (text text)")
    await connection.execute("INSERT INTO notes VALUES ($1)", text)
    await connection.close()
    await create_topics(installation.kafka.bootstrap, "heed")
    async with AIOKafkaProducer(bootstrap_servers=installation.kafka.bootstrap, acks="all") as producer:
        await producer.send_and_wait("heed.models", text.encode())


async def read(installation: Installation) -> tuple[list[str], list[str]]:
    connection = await asyncpg.connect(dsn(installation.services.database_url("sales")))
    rows = [row["text"] for row in await connection.fetch("SELECT text FROM notes")]
    await connection.close()
    consumer = AIOKafkaConsumer(
        "heed.models", bootstrap_servers=installation.kafka.bootstrap, auto_offset_reset="earliest"
    )
    async with consumer:
        records = await consumer.getmany(timeout_ms=5000)
    return rows, [record.value.decode() for batch in records.values() for record in batch]


def test_restore_brings_back_databases_and_log(installation: Installation, tmp_path: Path) -> None:
    with running(installation):
        asyncio.run(write(installation, "before"))
    manifest = create_backup(installation, tmp_path / "backup")
    assert manifest.files > 100
    assert (tmp_path / "backup" / ARCHIVE).stat().st_mode & 0o777 == 0o600
    with running(installation):
        asyncio.run(write(installation, "after"))
    aside = restore_backup(installation, tmp_path / "backup")
    assert aside is not None
    assert (aside / "postgres" / "PG_VERSION").exists()
    again = _installation(installation.layout.home)
    with running(again):
        assert asyncio.run(read(again)) == (["before"], ["before"])


def test_a_running_installation_is_refused(tmp_path: Path) -> None:
    installation = _installation(tmp_path / "home")
    installation.layout.create()
    RunFile.write(installation.layout.run_file, {}, {})
    for act in (create_backup, restore_backup):
        with pytest.raises(PlatformError, match="heed stop"):
            act(installation, tmp_path / "backup")


def test_a_damaged_backup_changes_nothing(tmp_path: Path) -> None:
    installation = _installation(tmp_path / "home")
    secrets = installation.secrets
    installation.layout.postgres.mkdir()
    backup = tmp_path / "backup"
    create_backup(installation, backup)
    with pytest.raises(PlatformError, match="already"):
        create_backup(installation, backup)
    with (backup / ARCHIVE).open("r+b") as file:
        file.seek(20)
        file.write(b"xx")
    with pytest.raises(PlatformError, match="damaged"):
        restore_backup(installation, backup)
    assert _installation(tmp_path / "home").secrets == secrets
    with pytest.raises(PlatformError, match="no backup"):
        restore_backup(installation, tmp_path)


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "postgres/../../outside"])
def test_an_archive_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    installation = _installation(tmp_path / "home")
    secrets = installation.secrets
    installation.layout.postgres.mkdir()
    backup = tmp_path / "backup"
    manifest = create_backup(installation, backup)
    with tarfile.open(backup / ARCHIVE, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo(name))
    digest = hashlib.sha256((backup / ARCHIVE).read_bytes()).hexdigest()
    (backup / MANIFEST).write_text(manifest.model_copy(update={"sha256": digest}).model_dump_json())
    with pytest.raises(PlatformError, match="does not belong there"):
        restore_backup(installation, backup)
    assert _installation(tmp_path / "home").secrets == secrets


def test_data_elsewhere_is_not_ours_to_back_up(tmp_path: Path) -> None:
    installation = Installation(Layout(tmp_path), RunSettings.load({"KAFKA_BOOTSTRAP_SERVERS": "k:9092"}))
    with pytest.raises(PlatformError, match="own tools"):
        create_backup(installation, tmp_path / "backup")
