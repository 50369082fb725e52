"""Use cases of signing in: add a user, sign in and out, know the visitor, tell sales of its people."""

import asyncio
import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy.ext.asyncio import AsyncSession

from common.clock import Clock
from common.database import Database
from common.ids import new_id
from common.paging import Page
from common.problems import Problem
from console import repository
from console.domain import ATTEMPT_WINDOW, SessionRules
from console.models import SessionRow, UserRow
from console.schemas import NewUser


class WrongPassword(Exception):
    """No such user, or not this password: the difference is not told."""


class TooManyAttempts(Exception):
    """Signing in is closed for this person or address for a while."""


@dataclass(frozen=True)
class Visitor:
    """Who is looking at the page."""

    id: str
    name: str
    email: str
    roles: frozenset[str]
    zone: ZoneInfo


class Accounts:
    """The users of this installation and their sessions. Each method is one transaction."""

    def __init__(self, database: Database, clock: Clock, rules: SessionRules) -> None:
        self._database, self._clock, self._rules = database, clock, rules
        self._hasher = PasswordHasher()
        self._hashing = asyncio.Semaphore(2)  # argon2 takes 64 MiB each time
        self._nobody = self._hasher.hash(secrets.token_hex())

    async def add(self, session: AsyncSession, new: NewUser) -> UserRow:
        """Raises Problem 409 when the address has a user already."""
        async with self._hashing:
            password_hash = await asyncio.to_thread(self._hasher.hash, new.password)
        user = UserRow(
            id=new_id(),
            email=new.email.lower(),
            name=new.name,
            roles=sorted({role.value for role in new.roles}),
            time_zone=new.time_zone,
            password_hash=password_hash,
            created_at=self._clock.now(),
            announced_at=None,
        )
        if not await repository.add_user(session, user):
            raise Problem(409, f"{new.email} has a sign-in already.")
        return user

    async def users(self, session: AsyncSession, limit: int, cursor: str | None) -> Page[UserRow]:
        return await repository.users(session, limit, cursor)

    async def names(self, ids: Iterable[str | None]) -> dict[str, str]:
        """What to call these users; those who are not known are left out."""
        wanted = sorted({id_ for id_ in ids if id_})
        if not wanted:
            return {}
        async with self._database.transaction() as session:
            return await repository.names(session, wanted)

    async def sign_in(self, email: str, password: str, address: str) -> str:
        """Returns the new session's token. Raises WrongPassword or TooManyAttempts."""
        email, now = email.strip().lower(), self._clock.now()
        # Committed before anything is counted: of tries at the same time none can overlook the others.
        async with self._database.transaction() as session:
            repository.record_attempt(session, email, address, now)
        async with self._database.transaction() as session:
            tries = await repository.attempts(session, email, address, now - ATTEMPT_WINDOW)
            user = await repository.user_by_email(session, email)
        if tries.too_many:
            raise TooManyAttempts
        # Somebody unknown costs as much time as a wrong password, so that timing names no users.
        right = await self._matches(user.password_hash if user else self._nobody, password)
        if not user or not right:
            raise WrongPassword
        token = secrets.token_urlsafe(32)
        async with self._database.transaction() as session:
            await repository.clear_attempts(session, email, address)
            session.add(SessionRow(token_hash=_hash(token), user_id=user.id, created_at=now, seen_at=now))
        return token

    async def sign_out(self, token: str) -> None:
        async with self._database.transaction() as session:
            await repository.end_session(session, _hash(token))

    async def visitor(self, token: str) -> Visitor | None:
        """Who holds this session, and None when it has ended."""
        now = self._clock.now()
        async with self._database.transaction() as session:
            row = await repository.find_session(session, _hash(token))
            if row is None or not self._rules.alive(row.created_at, row.seen_at, now):
                return None
            if self._rules.touch_due(row.seen_at, now):
                row.seen_at = now
            return _visitor(row.user)

    async def set_time_zone(self, visitor: Visitor, time_zone: str) -> None:
        async with self._database.transaction() as session:
            await repository.set_time_zone(session, visitor.id, time_zone)

    async def clean(self) -> None:
        """Forgets what has ended."""
        now: datetime = self._clock.now()
        async with self._database.transaction() as session:
            await repository.forget(session, now - self._rules.idle, now - ATTEMPT_WINDOW)

    async def _matches(self, password_hash: str, password: str) -> bool:
        async with self._hashing:
            try:
                return await asyncio.to_thread(self._hasher.verify, password_hash, password)
            except (VerificationError, InvalidHashError):
                return False


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _visitor(user: UserRow) -> Visitor:
    zone = ZoneInfo(user.time_zone)
    return Visitor(id=user.id, name=user.name, email=user.email, roles=frozenset(user.roles), zone=zone)
