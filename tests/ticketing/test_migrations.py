"""The migrations make the tables that the models describe, also when two replicas start at once."""

import asyncio
import os
import sys

from common.testing.migrations import differences
from ticketing.models import Base


async def test_models_and_migrations_agree_though_two_migrate_at_once(database_url: str) -> None:
    environment = os.environ | {"TICKETING_DATABASE_URL": database_url}
    command = (sys.executable, "-m", "common.migrate", "ticketing")
    both = [await asyncio.create_subprocess_exec(*command, env=environment) for _ in range(2)]
    assert [await process.wait() for process in both] == [0, 0]
    assert await differences(database_url, Base.metadata) == []
