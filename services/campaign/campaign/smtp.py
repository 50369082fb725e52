"""One connection to the mail server, and what each of its answers means for a message."""

import asyncio
import contextlib
import socket
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit

from aiosmtplib import SMTP, SMTPDataError, SMTPException, SMTPResponseException

from campaign.service.outgoing import Attempt, Fate

_AUTHENTICATION_REQUIRED = 530  # our own settings are wrong, not the message


class UnreachableError(Exception):
    """The mail server cannot be reached, or does not let us in."""


@dataclass(frozen=True)
class Server:
    """Where mail goes. `start_tls` None: where the server offers it."""

    host: str
    port: int
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    start_tls: bool | None = None

    @classmethod
    def parse(cls, url: str) -> Self:
        """`smtp://user:password@host:port?starttls=true|false` or `smtps://…`. Raises ValueError."""
        parts = urlsplit(url)
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            raise ValueError("SMTP_URL must look like smtp://user:password@host:port")
        tls = parts.scheme == "smtps"
        wish = parse_qs(parts.query).get("starttls", [None])[-1]
        return cls(
            host=parts.hostname,
            port=parts.port or (465 if tls else 25),
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            tls=tls,
            start_tls=False if tls else {"true": True, "false": False}.get(wish or ""),
        )


class Connection:
    """A connection that hands over one message at a time."""

    def __init__(self, smtp: SMTP) -> None:
        self._smtp = smtp

    @classmethod
    async def open(cls, server: Server, timeout: float) -> Self:  # noqa: ASYNC109 - the protocol's own, per answer
        """Raises UnreachableError."""
        smtp = SMTP(
            hostname=server.host,
            port=server.port,
            username=server.user,
            password=server.password,
            use_tls=server.tls,
            start_tls=server.start_tls,
            local_hostname=socket.gethostname(),
            timeout=timeout,
        )
        try:
            await smtp.connect()
        except (SMTPException, OSError, ValueError) as error:
            smtp.close()
            raise UnreachableError(f"{server.host}:{server.port}: {error}") from error
        return cls(smtp)

    async def is_usable(self) -> bool:
        """Whether a connection that lay idle still answers."""
        try:
            await self._smtp.noop()
        except (SMTPException, OSError):
            self._smtp.close()
            return False
        return True

    async def hand_over(self, sender: str, recipient: str, message: bytes) -> Attempt:
        """Tries once. After anything but `accepted` the connection is closed."""
        attempt = await self._introduce(sender, recipient) or await self._data(message)
        if attempt.fate is not Fate.ACCEPTED:
            self._smtp.close()
        return attempt

    async def _introduce(self, sender: str, recipient: str) -> Attempt | None:
        """MAIL and RCPT; None when DATA may follow. Nothing has been handed over yet, so nothing is ambiguous."""
        try:
            await self._smtp.mail(sender)
            await self._smtp.rcpt(recipient)
        except SMTPResponseException as error:
            return _answered(error)
        except (SMTPException, OSError) as error:
            return Attempt(Fate.PUT_OFF, _legible(f"connection lost: {error}"))
        return None

    async def _data(self, message: bytes) -> Attempt:
        """A 4xx or 5xx answer says that the message was not taken (RFC 5321, 4.2.1); silence says nothing."""
        try:
            await self._smtp.data(message)
        except SMTPDataError as error:
            return _answered(error)
        except (SMTPException, OSError) as error:
            return Attempt(Fate.AMBIGUOUS, _legible(f"connection lost while the message was handed over: {error}"))
        return Attempt(Fate.ACCEPTED)

    async def close(self) -> None:
        with contextlib.suppress(SMTPException, OSError):
            async with asyncio.timeout(2):
                await self._smtp.quit()
        self._smtp.close()


def _answered(error: SMTPResponseException) -> Attempt:
    detail = _legible(f"{error.code} {error.message}")
    if 500 <= error.code <= 599 and error.code != _AUTHENTICATION_REQUIRED:
        return Attempt(Fate.REFUSED, detail)
    if 400 <= error.code <= 599:
        return Attempt(Fate.PUT_OFF, detail)
    return Attempt(Fate.AMBIGUOUS if isinstance(error, SMTPDataError) else Fate.PUT_OFF, f"odd answer: {detail}")


def _legible(text: str) -> str:
    """What a server says is shown and stored, so it is one short line."""
    return "".join(c for c in " ".join(text.split()) if c.isprintable())[:300]
