"""The mail sink, started for real."""

import smtplib
from email.message import EmailMessage
from pathlib import Path

from heed.platform.ports import LOOPBACK, free_ports
from heed.platform.smtp import SmtpSink


def test_a_message_is_kept_in_the_maildir(tmp_path: Path) -> None:
    sink = SmtpSink(tmp_path / "mail", tmp_path / "smtp.log", free_ports(1)[0])
    assert sink.messages() == []
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "shop@example.com", "ann@example.com", "We miss you"
    message.set_content("Grüße")
    with sink.child(), smtplib.SMTP(LOOPBACK, sink.port) as client:
        client.send_message(message)
    (kept,) = sink.messages()
    assert kept["Subject"] == "We miss you"
    assert kept["X-RcptTo"] == "ann@example.com"
    body = kept.get_payload(decode=True)
    assert isinstance(body, bytes)
    assert "Grüße" in body.decode()
