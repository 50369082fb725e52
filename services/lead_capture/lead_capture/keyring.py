"""Write keys in memory: who posts, from which origins, how fast. The database holds hashes only."""

import hashlib
import secrets
import time
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from uuid_utils import UUID

from common.database import Database
from common.failures import BusyError
from common.problems import Problem
from lead_capture import repository
from lead_capture.domain import namespace_of

PUBLIC, SERVER = "public", "server"
_PREFIXES = {PUBLIC: "wk_", SERVER: "sk_"}
_UNKNOWN_SECONDS = 2.0
_UNKNOWN_KEPT = 10_000


def new_key(kind: str) -> str:
    """A fresh write key: `wk_…` for browsers, `sk_…` for servers."""
    return _PREFIXES[kind] + secrets.token_urlsafe(24)


@lru_cache(maxsize=1_024)
def hash_of(key: str) -> bytes:
    """What is stored of a key. It has 192 random bits, so a plain hash is enough."""
    return hashlib.sha256(key.encode("utf-8", "replace")).digest()


@dataclass(frozen=True, slots=True)
class WriteKey:
    """A source's credential. `origins` empty: any origin may post with it."""

    id: str
    source: str
    kind: str
    origins: frozenset[str]
    namespace: UUID = field(repr=False)

    @property
    def public(self) -> bool:
        return self.kind == PUBLIC

    def lets(self, origin: str) -> bool:
        """Whether a page of this origin may post with the key and read the answer."""
        return self.public and (not self.origins or origin in self.origins)


class Bucket:
    """A token bucket of one second's worth. Ours because it is asked for every post: `limits` took 8 us of some 100."""

    __slots__ = ("_at", "_level", "_rate")

    def __init__(self, per_second: int) -> None:
        self._rate = self._level = float(per_second)
        self._at = time.monotonic()

    def take(self, tokens: int) -> None:
        """Raises BusyError when there are not enough."""
        now = time.monotonic()
        self._level = min(self._rate, self._level + (now - self._at) * self._rate)
        self._at = now
        if tokens > self._level:
            raise BusyError((tokens - self._level) / self._rate)
        self._level -= tokens


class Keyring:
    """All live keys, read again every two seconds; what is known stays known while PostgreSQL is away."""

    def __init__(self, database: Database, *, public_rate: int, server_rate: int) -> None:
        self._database = database
        self._keys: dict[bytes, WriteKey] = {}
        self._unknown: dict[bytes, float] = {}
        self._rates = {PUBLIC: public_rate, SERVER: server_rate}
        self._buckets: dict[str, Bucket] = {}

    def __len__(self) -> int:
        return len(self._keys)

    async def refresh(self) -> None:
        """Raises TransientError while PostgreSQL is away."""
        async with self._database.transaction() as session:
            rows = await repository.list_keys(session)
        self._keys = {row.hash: _write_key(row) for row in rows if row.revoked_at is None}

    async def find(self, presented: str) -> WriteKey:
        """Raises Problem 401 for a key that is not live, TransientError when that cannot be found out."""
        digest = hash_of(presented)
        found = self._keys.get(digest)
        if found is None:
            await self._look_again(digest)
            found = self._keys.get(digest)
        if found is None:
            raise Problem(401, "This write key is not known, or was revoked.", headers={"WWW-Authenticate": "Basic"})
        return found

    def spend(self, key: WriteKey, events: int) -> None:
        """Raises BusyError past the key's rate."""
        bucket = self._buckets.get(key.id)
        if bucket is None:
            bucket = self._buckets[key.id] = Bucket(self._rates[key.kind])
        bucket.take(events)

    def origin_known(self, origin: str) -> bool:
        """Whether any public key lets this origin post; a preflight does not say which key will come."""
        return any(key.lets(origin) for key in self._keys.values())

    async def _look_again(self, digest: bytes) -> None:
        """A key made a moment ago on another replica is found; a wrong one does not cost a query each time."""
        now = time.monotonic()
        if self._unknown.get(digest, 0.0) > now:
            return
        await self.refresh()
        if digest not in self._keys:
            if len(self._unknown) >= _UNKNOWN_KEPT:
                self._unknown.clear()
            self._unknown[digest] = now + _UNKNOWN_SECONDS


def _write_key(row: Any) -> WriteKey:
    return WriteKey(row.id, row.name, row.kind, frozenset(row.origins), namespace_of(row.name))
