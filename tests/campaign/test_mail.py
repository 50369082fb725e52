"""A message as a document: its headers, and what cannot get into them."""

import email
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from typing import Any

import pytest

from campaign.mail import Sender, UnusableAddressError, build, mailbox
from campaign.service.outgoing import Claim

SENDER = Sender("hello@shop.example", "The Shop")
LONG = "https://" + "very-long-host-name." * 8 + "example/t/u/" + "x" * 48


def claim(**changes: Any) -> Claim:
    values: dict[str, Any] = {
        "id": "0193-m",
        "customer": "c_x",
        "to": "ada@example.com",
        "name": "Ada Byron",
        "subject": "We have missed you, Ada",
        "text": "Grüße\n.\nEnd",
        "html": "<p>Grüße</p>",
        "token": "t",
        "at": datetime(2026, 3, 1, 9, tzinfo=UTC),
    }
    return Claim(**values | changes)


def built(**changes: Any) -> EmailMessage:
    wanted = claim(**changes)
    data = build(wanted, mailbox(wanted.to), SENDER, LONG)
    assert all(len(line) <= 998 for line in data.split(b"\r\n"))
    message = email.message_from_bytes(data, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def test_headers_for_one_click_unsubscription() -> None:
    message = built()
    assert message["List-Unsubscribe"] == f"<{LONG}>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["Message-ID"] == "<0193-m@shop.example>"
    assert message["Date"] == "Sun, 01 Mar 2026 09:00:00 +0000"
    assert message["From"] == "The Shop <hello@shop.example>"
    assert message["To"] == "Ada Byron <ada@example.com>"


def test_text_and_html_arrive_as_they_were_written() -> None:
    message = built()
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None
    assert html is not None
    assert text.get_content().splitlines() == ["Grüße", ".", "End"]
    assert html.get_content().strip() == "<p>Grüße</p>"


@pytest.mark.parametrize("evil", ["Ada\r\nBcc: eve@example.com", "Ada\nSubject: x", "Ada\r\n\r\nbody", "A\x00\x1bda"])
def test_nothing_gets_into_the_headers(evil: str) -> None:
    message = built(name=evil, subject=evil)
    assert message["Bcc"] is None
    assert len(message.get_all("Subject", [])) == 1
    assert [address.addr_spec for address in message["To"].addresses] == ["ada@example.com"]


@pytest.mark.parametrize("name", ["", "Björk, Inc. <x@y>", '"quoted"', "日本 語", "a" * 100])
def test_any_name_will_do(name: str) -> None:
    (address,) = built(name=name)["To"].addresses
    assert address.addr_spec == "ada@example.com"
    assert address.display_name == name


def test_domains_in_any_script() -> None:
    assert mailbox("ada@bücher.example") == "ada@xn--bcher-kva.example"


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ada",
        "@example.com",
        "ada@",
        "a b@example.com",
        "ada@exa mple.com",
        "ada@example.com\r\nRCPT TO:<eve@example.com>",
        "ada@example.com>",
        "<ada@example.com>",
        "ada@a,eve@example.com",
        "jürgen@example.com",
        "ada@" + "x" * 64 + ".com",
        "ada@..example",
    ],
)
def test_what_is_not_an_address(address: str) -> None:
    with pytest.raises(UnusableAddressError):
        mailbox(address)
