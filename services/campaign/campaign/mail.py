"""A claimed message as an RFC 5322 document."""

import re
from dataclasses import dataclass
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime

from campaign.service.outgoing import Claim

# Header lines stay whole: folding would put long addresses of List-Unsubscribe into encoded words.
_POLICY = policy.SMTP.clone(max_line_length=900)
_MAILBOX = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[^\s@<>()\[\],;:\"\\]{1,255}")


class UnusableAddressError(Exception):
    """No mail server would take this address."""


@dataclass(frozen=True)
class Sender:
    address: str
    name: str

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]


def mailbox(address: str) -> str:
    """The address as SMTP carries it, its domain in ASCII. Raises UnusableAddressError."""
    if not _MAILBOX.fullmatch(address):
        raise UnusableAddressError("the address is not one")
    local, _, domain = address.rpartition("@")
    try:
        return f"{local}@{domain.encode('idna').decode()}"
    except UnicodeError as error:
        raise UnusableAddressError(f"the domain is not one: {error}") from error


def build(claim: Claim, recipient: str, sender: Sender, unsubscribe_url: str) -> bytes:
    """Text and HTML, with one-click unsubscribe (RFC 8058). `recipient` is what `mailbox` answered."""
    message = EmailMessage(_POLICY)
    message["From"] = _address(sender.name, sender.address)
    message["To"] = _address(claim.name or "", recipient)
    message["Subject"] = _one_line(claim.subject)
    message["Date"] = format_datetime(claim.at)
    message["Message-ID"] = f"<{claim.id}@{sender.domain}>"
    message["List-Unsubscribe"] = f"<{unsubscribe_url}>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content(claim.text, cte="quoted-printable")
    message.add_alternative(claim.html, subtype="html", cte="quoted-printable")
    return message.as_bytes()


def _address(name: str, address: str) -> Address:
    try:
        return Address(_one_line(name), addr_spec=address)
    except (ValueError, IndexError) as error:
        raise UnusableAddressError(f"the address is not one: {error}") from error


def _one_line(text: str) -> str:
    return "".join(c for c in " ".join(text.split()) if c.isprintable())
