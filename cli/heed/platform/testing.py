"""What tests need of the platform: throw-away databases, a whole system of their own."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import make_url

from heed.platform.databases import drop_database, ensure_database
from heed.platform.installation import Installation
from heed.platform.layout import Layout
from heed.platform.ports import free_ports
from heed.platform.settings import RunSettings
from heed.platform.stack import Stack
from heed.platform.topics import create_topics, delete_topics


@dataclass(frozen=True)
class PostgresAdmin:
    """A server on which a test may create throw-away databases."""

    url: str

    def create_database(self) -> str:
        """Create a database with a role of its own; returns SQLAlchemy's asyncpg URL."""
        name, password = f"test_{secrets.token_hex(6)}", secrets.token_hex(8)
        run_apart(lambda: ensure_database(self.url, name, password))
        url = make_url(self.url).set(username=name, password=password, database=name)
        return url.render_as_string(hide_password=False)

    def drop_database(self, url: str) -> None:
        """Drop a database that `create_database` made, whoever is connected to it."""
        name = make_url(url).database
        if name is None:
            raise ValueError("the URL names no database")
        run_apart(lambda: drop_database(self.url, name))


def own_stack(home: Path, environ: Mapping[str, str] | None = None) -> Stack:
    """A whole system on free ports with its data in `home`, not started yet.

    `environ` holds further settings, as in `heed run`: `{"ANALYTICS_PUBLISH_EXAMPLES": "10"}`. The variables of this
    process are not looked at. Every call with the same `home` finds the same data.
    """
    names = list(RunSettings.load({}).own_ports().values())
    ports = {setting: str(port) for (setting, _), port in zip(names, free_ports(len(names)), strict=True)}
    return Stack(Installation(Layout(home), RunSettings.load(ports | dict(environ or {}))))


@contextmanager
def own_topics(bootstrap_servers: str) -> Iterator[str]:
    """All topics under a prefix that nobody else has, which is given; deleted afterwards."""
    prefix = f"test-{secrets.token_hex(6)}"
    run_apart(lambda: create_topics(bootstrap_servers, prefix))
    try:
        yield prefix
    finally:
        run_apart(lambda: delete_topics(bootstrap_servers, prefix))


def run_apart(work: Callable[[], Awaitable[None]]) -> None:
    """Run a coroutine to its end, also where this thread has an event loop already."""

    async def main() -> None:
        await work()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, main()).result()
