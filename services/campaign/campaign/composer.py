"""What a message says: a step's templates filled with one contact, and the addresses that lead back here."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from campaign.domain import first_name
from campaign.journeys import Creative
from campaign.models import ContactRow

_LONGEST_SUBJECT = 200


@dataclass(frozen=True)
class Letter:
    """Ready to be sent. `token` names it to the outside; `links`: token → where it leads."""

    token: str
    links: Mapping[str, str]
    subject: str
    text: str
    html: str


def new_token() -> str:
    """192 random bits; what a recipient's mail program shows us again."""
    return secrets.token_urlsafe(24)


class Composer:
    """Writes letters. `public_url` is where recipients reach this service."""

    def __init__(self, public_url: str, sender: str) -> None:
        self._public, self._sender = public_url.rstrip("/"), sender

    def unsubscribe_url(self, token: str) -> str:
        return f"{self._public}/t/u/{token}"

    def compose(self, creative: Creative, contact: ContactRow) -> Letter:
        """Raises TemplateError."""
        token = new_token()
        links = {name: (new_token(), url) for name, url in creative.links.items()}
        values: dict[str, Any] = {
            "contact": {
                "name": contact.name,
                "first_name": first_name(contact.name),
                "email": contact.email,
                "traits": contact.traits,
            },
            "links": {name: f"{self._public}/t/c/{link}" for name, (link, _) in links.items()},
            "unsubscribe_url": self.unsubscribe_url(token),
            "sender": self._sender,
        }
        subject = " ".join(creative.subject.render(values).split())
        return Letter(
            token=token,
            links=dict(links.values()),
            subject="".join(c for c in subject if c.isprintable())[:_LONGEST_SUBJECT] or self._sender,
            text=creative.text.render(values),
            html=self._with_pixel(creative.html.render(values), token),
        )

    def _with_pixel(self, html: str, token: str) -> str:
        address = escape(f"{self._public}/t/o/{token}.gif")
        pixel = f'<img src="{address}" width="1" height="1" alt="" style="border:0">'
        head, end, tail = html.rpartition("</body>")
        return f"{head}{pixel}{end}{tail}" if end else html + pixel
