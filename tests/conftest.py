"""Fixtures shared by all tests: a real broker and a real database server.

Each run starts its own on free ports. With HEED_TEST_KAFKA and HEED_TEST_POSTGRES_URL (a superuser's URL)
set, those are used instead.
"""

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from heed.platform.install import install_jars
from heed.platform.kafka import Kafka
from heed.platform.ports import free_ports
from heed.platform.postgres import Postgres
from heed.platform.stack import Stack
from heed.platform.testing import PostgresAdmin, own_stack, own_topics
from heed.provision import Access, provision

ROOT = Path(__file__).parents[1]

# How long an example takes depends on the machine. The same examples each time, so that a failure is the change's own;
# `pytest --hypothesis-profile=explore` looks for new ones.
settings.register_profile("heed", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, print_blob=True)
settings.load_profile("heed")


@pytest.fixture(scope="session")
def platform_directory() -> Iterator[Path]:
    """A temporary directory, removed at the end, that PostgreSQL's unprivileged user can reach."""
    directory = Path(tempfile.mkdtemp(prefix="heed-test-"))
    directory.chmod(0o711)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def kafka_lib() -> Path:
    """The directory with the broker's jars."""
    lib = ROOT / ".heed" / "kafka" / "lib"
    install_jars(lib, ROOT / "deploy" / "local" / "kafka" / "pom.xml")
    return lib


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest) -> Iterator[str]:
    """A broker's `bootstrap.servers`."""
    if given := os.environ.get("HEED_TEST_KAFKA"):
        yield given
        return
    directory = request.getfixturevalue("platform_directory")
    config = ROOT / "deploy" / "local" / "kafka"
    lib = request.getfixturevalue("kafka_lib")
    node = Kafka(lib, config, directory / "kafka", directory / "kafka.log", free_ports(1)[0])
    with node.child():
        yield node.bootstrap


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> Iterator[PostgresAdmin]:
    """A database server on which databases can be created."""
    if given := os.environ.get("HEED_TEST_POSTGRES_URL"):
        yield PostgresAdmin(given)
        return
    directory = request.getfixturevalue("platform_directory")
    server = Postgres(directory / "postgres", directory / "postgres.log", free_ports(1)[0], secrets.token_hex(8))
    with server.child():
        yield PostgresAdmin(server.url)


@pytest.fixture(scope="module")
def database_url(postgres: PostgresAdmin) -> Iterator[str]:
    """An empty database for this test module, dropped afterwards: SQLAlchemy's asyncpg URL."""
    url = postgres.create_database()
    yield url
    postgres.drop_database(url)


@pytest.fixture(scope="module")
def topic_prefix(kafka: str) -> Iterator[str]:
    """A prefix unique to this test module, under which all topics exist; deleted afterwards."""
    with own_topics(kafka) as prefix:
        yield prefix


@pytest.fixture(scope="session")
def stack(platform_directory: Path, kafka_lib: Path) -> Iterator[Stack]:
    """The whole system, up and ready, for tests that leave it running. Those that break it start `own_stack`."""
    with own_stack(platform_directory / "stack") as running:
        yield running


@pytest.fixture(scope="session")
def access(stack: Stack) -> Access:
    """Sign-ins, write keys and an API token of `stack`."""
    return provision(stack, stack.url("console"))
