"""What a benchmark stands on: a broker and a database server of its own, topics, databases, whole systems."""

import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from heed.platform.install import install
from heed.platform.kafka import Kafka
from heed.platform.layout import PROJECT, default_layout
from heed.platform.ports import free_ports
from heed.platform.postgres import Postgres
from heed.platform.testing import PostgresAdmin


@contextlib.contextmanager
def directory() -> Iterator[Path]:
    """A temporary directory that PostgreSQL's unprivileged user can reach."""
    path = Path(tempfile.mkdtemp(prefix="heed-bench-"))
    path.chmod(0o711)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def servers() -> Iterator[tuple[str, PostgresAdmin]]:
    """A broker's address and a database server: of HEED_TEST_KAFKA and HEED_TEST_POSTGRES_URL where set, else own."""
    if "HEED_TEST_KAFKA" in os.environ:
        yield os.environ["HEED_TEST_KAFKA"], PostgresAdmin(os.environ["HEED_TEST_POSTGRES_URL"])
        return
    install(lambda _: None)
    lib, config = default_layout().kafka_lib, PROJECT / "deploy" / "local" / "kafka"
    kafka_port, postgres_port = free_ports(2)
    with directory() as home:
        node = Kafka(lib, config, home / "kafka", home / "kafka.log", kafka_port)
        server = Postgres(home / "postgres", home / "postgres.log", postgres_port, secrets.token_hex(8))
        with node.child(), server.child():
            yield node.bootstrap, PostgresAdmin(server.url)


@contextlib.contextmanager
def database(admin: PostgresAdmin) -> Iterator[str]:
    """An empty database: SQLAlchemy's asyncpg URL."""
    url = admin.create_database()
    try:
        yield url
    finally:
        admin.drop_database(url)
