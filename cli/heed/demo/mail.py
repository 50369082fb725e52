"""Customers who read their e-mail: some open it, some follow a link."""

import email
import email.policy
import random
import re
from pathlib import Path

from heed.demo.client import Shop

_OPENED = re.compile(r"https?://[^\s\"'<>]+/t/o/[^\s\"'<>]+")
_CLICKED = re.compile(r"https?://[^\s\"'<>]+/t/c/[^\s\"'<>]+")


class Inboxes:
    """The mail sink's directory, each message read once."""

    def __init__(self, maildir: Path, shop: Shop, r: random.Random) -> None:
        self._new, self._shop, self._r = maildir / "new", shop, r
        self._read = {path.name for path in self._messages()}

    async def read(self) -> list[str]:
        """The addresses that followed a link just now."""
        clicked = []
        for path in self._messages():
            if path.name not in self._read:
                self._read.add(path.name)
                address = await self._react(path)
                if address:
                    clicked.append(address)
        return clicked

    def _messages(self) -> list[Path]:
        return sorted(self._new.iterdir()) if self._new.is_dir() else []

    async def _react(self, path: Path) -> str | None:
        message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        part = message.get_body(("html", "plain"))
        text = part.get_content() if part else ""
        for pattern, likely in ((_OPENED, 0.7), (_CLICKED, 0.5)):
            found = pattern.search(text)
            if found is None or self._r.random() > likely:
                return None
            await self._shop.follow(found[0].replace("&amp;", "&"))
        return str(message["To"])
