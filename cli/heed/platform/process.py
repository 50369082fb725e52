"""One child process in a process group of its own: start, wait until ready, stop, kill, start again."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from heed.platform.errors import PlatformError

KEPT_LOGS = 3
_LAST_SECONDS = 5.0  # until a killed process is gone


@dataclass(frozen=True)
class Program:
    """What to run. `env` is the whole environment: a program sees nothing of its parent's."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    log: Path
    is_ready: Callable[[], bool]
    cwd: Path | None = None
    restart_after_success: bool = True
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout: float = 15.0
    ready_timeout: float = 60.0


@dataclass
class Child:
    """A program's process. A child that was stopped or killed may be started again."""

    program: Program
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _group_ended: bool = field(default=False, repr=False)

    @property
    def pid(self) -> int | None:
        """The process id while the process is known, else None."""
        return self._process.pid if self._process else None

    @property
    def exit_code(self) -> int | None:
        """None while it runs or was never started."""
        return self._process.poll() if self._process else None

    @property
    def is_running(self) -> bool:
        """Say whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the process; its output is appended to the program's log."""
        program = self.program
        program.log.parent.mkdir(parents=True, exist_ok=True)
        self._group_ended = False
        with program.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - argv is ours
                program.argv,
                env=dict(program.env),
                cwd=program.cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_ready(self) -> None:
        """Wait until the program says it is ready.

        Raises:
            PlatformError: it ended or was not ready in time; the message carries the last lines of its log.
        """
        done = wait_until(lambda: not self.is_running or self.program.is_ready(), self.program.ready_timeout)
        if not self.is_running:
            raise PlatformError(f"{self.program.name} ended with code {self.exit_code}.\n{self.log_tail()}")
        if not done:
            raise PlatformError(f"{self.program.name} is not ready yet; giving up.\n{self.log_tail()}")

    def wait_done(self, patience: float) -> None:
        """Wait until the program has ended by itself.

        Raises:
            PlatformError: it failed, or `patience` seconds were not enough.
        """
        if self._process is None:
            raise PlatformError(f"{self.program.name} was not started.")
        try:
            code = self._process.wait(patience)
        except subprocess.TimeoutExpired:
            raise PlatformError(f"{self.program.name} takes too long; giving up.\n{self.log_tail()}") from None
        if code != 0:
            raise PlatformError(f"{self.program.name} ended with code {code}.\n{self.log_tail()}")

    def stop(self) -> None:
        """Ask the process to end, then end its whole group; returns when it is gone."""
        if self._process is None:
            return
        if self.is_running:
            self.signal(self.program.stop_signal)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(self.program.stop_timeout)
        self.kill()

    def kill(self) -> None:
        """SIGKILL the process and all that it began, and wait for them."""
        # Once only: later the number may belong to somebody else.
        if self._process is None or self._group_ended:
            return
        kill_group(self._process.pid)
        self._process.wait()
        self._group_ended = True

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process itself, for instance SIGSTOP."""
        if self._process is not None:
            self._process.send_signal(number)

    def log_tail(self, lines: int = 15) -> str:
        """Return the last lines of the log."""
        if not self.program.log.exists():
            return ""
        text = self.program.log.read_text(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def __enter__(self) -> Self:
        self.start()
        try:
            self.wait_ready()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def wait_until(condition: Callable[[], bool], patience: float) -> bool:
    """Ask again and again until `condition` holds; False when `patience` seconds were not enough."""
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def kill_group(pid: int) -> None:
    """SIGKILL every process of the group that `pid` leads, and what it began outside of it; waits for the latter.

    Nothing happens when there is no such group.
    """
    # PostgreSQL's processes lead groups of their own, and hold the memory that its next server has to have.
    begun = _descendants(pid)
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    for process in begun:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(begun, timeout=_LAST_SECONDS)


def _descendants(leader: int) -> list[psutil.Process]:
    """None when the number is not that of a group's leader: then it belongs to somebody else by now."""
    try:
        return psutil.Process(leader).children(recursive=True) if os.getpgid(leader) == leader else []
    except (ProcessLookupError, psutil.NoSuchProcess):
        return []


def rotate(log: Path) -> None:
    """Move `x.log` to `x.log.1` and so on; the oldest of `KEPT_LOGS` goes."""
    for number in range(KEPT_LOGS, 0, -1):
        older = log.with_name(f"{log.name}.{number}")
        newer = log.with_name(f"{log.name}.{number - 1}") if number > 1 else log
        if newer.exists():
            newer.replace(older)


def base_env() -> dict[str, str]:
    """The few variables that any program needs, without anything secret of the caller's."""
    names = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "JAVA_HOME", "SSL_CERT_FILE")
    return {name: os.environ[name] for name in names if name in os.environ}
