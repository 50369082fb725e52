"""A mail server for one machine (aiosmtpd): keeps every message in a maildir and delivers none."""

import mailbox
import signal
import sys
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

from heed.platform.ports import LOOPBACK, is_listening
from heed.platform.process import Child, Program, base_env


@dataclass(frozen=True)
class SmtpSink:
    """A sink: the maildir it writes to, its port."""

    maildir: Path
    log: Path
    port: int

    @property
    def url(self) -> str:
        """What `SMTP_URL` is set to."""
        return f"smtp://{LOOPBACK}:{self.port}"

    def child(self) -> Child:
        """Return the process, not started yet."""
        self.maildir.parent.mkdir(parents=True, exist_ok=True)
        listen = ["-n", "-l", f"{LOOPBACK}:{self.port}"]
        program = Program(
            name="smtp",
            argv=[sys.executable, "-m", "aiosmtpd", *listen, "-c", "aiosmtpd.handlers.Mailbox", str(self.maildir)],
            env=base_env(),
            log=self.log,
            is_ready=lambda: is_listening(self.port),
            stop_signal=signal.SIGINT,
        )
        return Child(program)

    def messages(self) -> list[Message]:
        """Return the messages received so far; `X-RcptTo` names the envelope's recipients."""
        if not self.maildir.exists():
            return []
        return list(mailbox.Maildir(self.maildir, create=False))
