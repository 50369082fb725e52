"""Rules of signing in: who may be a user, how long a session lasts, when guessing is stopped."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Role(StrEnum):
    ADMIN = "admin"
    MANAGER = "manager"
    SALES = "sales"
    SUPPORT = "support"
    MARKETING = "marketing"


ATTEMPT_WINDOW = timedelta(minutes=15)
# One person mistyping meets the first limit, a botnet on one account the second, one machine on many the third.
ATTEMPTS_PER_PERSON_AND_ADDRESS = 5
ATTEMPTS_PER_PERSON = 30
ATTEMPTS_PER_ADDRESS = 60


@dataclass(frozen=True)
class Attempts:
    """Failed tries within the window, the present one included."""

    of_both: int
    of_person: int
    of_address: int

    @property
    def too_many(self) -> bool:
        return (
            self.of_both > ATTEMPTS_PER_PERSON_AND_ADDRESS
            or self.of_person > ATTEMPTS_PER_PERSON
            or self.of_address > ATTEMPTS_PER_ADDRESS
        )


@dataclass(frozen=True)
class SessionRules:
    """A session ends when unused for `idle`, and after `lifetime` in any case."""

    idle: timedelta
    lifetime: timedelta

    def alive(self, created_at: datetime, seen_at: datetime, now: datetime) -> bool:
        return now - seen_at < self.idle and now - created_at < self.lifetime

    def touch_due(self, seen_at: datetime, now: datetime) -> bool:
        """Whether to note the use: rarely, so that reading a page writes almost never."""
        return now - seen_at > self.idle / 48


def local_path(target: str | None) -> str:
    """Where to go after signing in: a path of this site, never another one."""
    if not target or not target.startswith("/") or target.startswith(("//", "/\\", "/sign-")):
        return "/alerts"
    return target if target.isprintable() and "\\" not in target else "/alerts"
