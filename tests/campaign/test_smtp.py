"""What each answer of a mail server means for a message."""

import asyncio
from typing import Any

import pytest

from campaign.service.outgoing import Fate
from campaign.smtp import Connection, Server, UnreachableError

ADA = "ada@example.com"
LETTER = b"Subject: x\r\nTo: ada@example.com\r\n\r\nx\r\n"


async def hand_over(sink: Any, recipient: str = ADA) -> tuple[Fate, str]:
    connection = await Connection.open(Server.parse(sink.url), 5)
    try:
        attempt = await connection.hand_over("hello@shop.example", recipient, LETTER)
        return attempt.fate, attempt.detail
    finally:
        await connection.close()


async def test_taken(sink: Any) -> None:
    assert await hand_over(sink) == (Fate.ACCEPTED, "")
    assert len(sink.taken) == 1


@pytest.mark.parametrize(
    ("answer", "fate"),
    [("550 no such user", Fate.REFUSED), ("451 later", Fate.PUT_OFF), ("421 closing", Fate.PUT_OFF)],
)
@pytest.mark.parametrize("when", ["at_rcpt", "at_data"])
async def test_refusals(sink: Any, when: str, answer: str, fate: Fate) -> None:
    getattr(sink, when)[ADA] = answer
    assert await hand_over(sink) == (fate, answer)
    assert sink.taken == []


async def test_what_a_server_says_is_kept_as_one_line(sink: Any) -> None:
    sink.at_rcpt[ADA] = "550-no\x00\x1b such\r\n550 user " + "x" * 400
    fate, detail = await hand_over(sink)
    assert fate is Fate.REFUSED
    assert detail.startswith("550 no such user xxx")
    assert len(detail) == 300


async def test_our_own_fault_is_not_the_messages(sink: Any) -> None:
    sink.at_rcpt[ADA] = "530 authentication required"
    assert (await hand_over(sink))[0] is Fate.PUT_OFF


async def test_lost_before_the_message_is_put_off(sink: Any) -> None:
    connection = await Connection.open(Server.parse(sink.url), 5)
    await connection.close()
    assert (await connection.hand_over("hello@shop.example", ADA, LETTER)).fate is Fate.PUT_OFF


@pytest.mark.parametrize("answer", ["drop", "299 odd", "not an answer"])
async def test_whatever_says_nothing_is_ambiguous(sink: Any, answer: str) -> None:
    sink.at_data[ADA] = answer
    assert (await hand_over(sink))[0] is Fate.AMBIGUOUS


async def test_no_answer_in_time_is_ambiguous(sink: Any) -> None:
    sink.hold_data = asyncio.Event()
    connection = await Connection.open(Server.parse(sink.url), 0.3)
    assert (await connection.hand_over("hello@shop.example", ADA, LETTER)).fate is Fate.AMBIGUOUS
    assert not await connection.is_usable()


async def test_a_server_that_is_away() -> None:
    with pytest.raises(UnreachableError):
        await Connection.open(Server("127.0.0.1", 1), 2)


async def test_a_server_that_must_encrypt_and_cannot(sink: Any) -> None:
    with pytest.raises(UnreachableError):
        await Connection.open(Server.parse(f"{sink.url}?starttls=true"), 2)


def test_addresses_of_servers() -> None:
    server = Server.parse("smtp://ann%40x:p%3Aw@mail.example:587?starttls=true")
    assert server == Server("mail.example", 587, "ann@x", "p:w", tls=False, start_tls=True)
    assert "p:w" not in repr(server)
    assert Server.parse("smtps://mail.example") == Server("mail.example", 465, tls=True, start_tls=False)
    assert Server.parse("smtp://mail.example?starttls=false").start_tls is False
    for broken in ("", "mail.example", "http://mail.example", "smtp://"):
        with pytest.raises(ValueError, match="SMTP_URL"):
            Server.parse(broken)
