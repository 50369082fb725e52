"""The alias table in memory: from any customer key to the surviving one, without a query on the way."""

from datetime import datetime, timedelta

from common.database import Database
from lead_capture import repository

# A transaction commits later than the moment it stamps: look back over that long.
_OVERLAP = timedelta(minutes=1)


class Aliases:
    """Refreshed every second, so that every replica keys by what contact has said."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._survivors: dict[str, str] = {}
        self._newest: datetime | None = None

    def __len__(self) -> int:
        return len(self._survivors)

    def survivor(self, key: str) -> str:
        """The key that stands for this customer now."""
        return self._survivors.get(key, key)

    async def refresh(self) -> None:
        """Raises TransientError while PostgreSQL is away; what is known stays known."""
        since = self._newest - _OVERLAP if self._newest else None
        async with self._database.transaction() as session:
            rows = await repository.changed_aliases(session, since)
        for alias, survivor, changed in rows:
            self._survivors[alias] = survivor
            if self._newest is None or changed > self._newest:
                self._newest = changed
