"""`heed install`, `heed run`, `heed stop`, `heed status`."""

import signal
import threading
import time
from typing import Annotated

import psutil
import typer
from rich.table import Table

from heed.commands.context import console, local_installation
from heed.platform.compiling import compile_analytics
from heed.platform.errors import PlatformError
from heed.platform.install import install
from heed.platform.layout import default_layout
from heed.platform.runfile import ProcessRef, RunFile
from heed.platform.services import answers
from heed.platform.stack import Stack
from heed.provision import Access, provision, start_demo

STOP_PATIENCE = 90.0
END_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Progress:
    """One line per step, with the seconds since the start."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    def tell(self, text: str) -> None:
        """Say that something is done, or happened."""
        console.print(f"[dim]{self.seconds:6.1f} s[/dim]  ", end="")
        console.print(text, markup=False)


def install_command(
    tests: Annotated[bool, typer.Option(help="Also what only the tests need: a browser, promtool.")] = False,
) -> None:
    """Install what is needed besides Python packages: programs, Kafka, the console's assets."""
    install(Progress().tell, for_tests=tests)


def compile_command() -> None:
    """Compile what analytics runs every event through: half as fast again. Needs a C compiler."""
    compile_analytics(Progress().tell)


def run() -> None:
    """Start everything, keep it running until Ctrl-C. Settings: see make help."""
    progress = Progress()
    stack = Stack(local_installation(), progress.tell)
    for number in END_SIGNALS:
        signal.signal(number, _interrupt)
    try:
        with console.status("starting Heed"):
            install(progress.tell)
            stack.start()
            access = _open(stack)
        _welcome(stack, access, progress.seconds)
        threading.Event().wait()
    except KeyboardInterrupt:
        console.print("stopping")
    finally:
        for number in END_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        stack.stop()
    progress.tell("everything has stopped; the data stays for the next run")


def stop() -> None:
    """Stop a running Heed, or what a broken one left behind."""
    running = RunFile.read(default_layout().run_file)
    if running is None:
        console.print("Heed is not running.")
        return
    if killed := running.stop(STOP_PATIENCE):
        console.print(f"killed what did not end by itself: {', '.join(killed)}")
    default_layout().run_file.unlink(missing_ok=True)
    console.print("stopped")


def status() -> None:
    """Show the processes of a running Heed; exit code 1 when one is not ready."""
    running = RunFile.read(default_layout().run_file)
    if running is None or not running.is_running:
        raise PlatformError("Heed is not running. Start it with: make run")
    table = Table("Process", "Pid", "State", "Memory", "Address")
    states = {name: _state(ref, running.urls.get(name)) for name, ref in running.children.items()}
    for name, ref in running.children.items():
        table.add_row(name, str(ref.pid), states[name], _memory(ref), running.urls.get(name, ""))
    console.print(table)
    if any(state in ("ended", "not ready") for state in states.values()):
        raise typer.Exit(1)


def _open(stack: Stack) -> Access | None:
    if not stack.installation.settings.demo:
        return None
    access = provision(stack, stack.url("console").replace("127.0.0.1", "localhost"))
    start_demo(stack, access)
    return access


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _welcome(stack: Stack, access: Access | None, seconds: float) -> None:
    if access is None:
        lines = {
            "Console": stack.url("console"),
            "Sign in": "make one with: .venv/bin/heed user add EMAIL --name NAME --role admin",
            "Write key": "make one with: .venv/bin/heed key add NAME",
        }
    else:
        lines = access.lines() | {"Also in": str(stack.installation.layout.demo_env)}
    for label, value in lines.items():
        console.print(f"[bold]{label:<10}[/bold] ", end="")
        console.print(value, markup=False)
    console.print(f"Heed is up after {seconds:.1f} s. Ctrl-C stops it.", style="green")


def _state(ref: ProcessRef, url: str | None) -> str:
    if ref.process() is None:
        return "ended"
    if url is None:
        return "running"
    return "ready" if answers(f"{url}/readyz") else "not ready"


def _memory(ref: ProcessRef) -> str:
    process = ref.process()
    if process is None:
        return ""
    try:
        family = [process, *process.children(recursive=True)]
        return f"{sum(_share(member) for member in family) / 2**20:.0f} MiB"
    except psutil.NoSuchProcess:
        return ""


def _share(process: psutil.Process) -> int:
    # Pages shared by several (PostgreSQL's buffers) count once in all.
    full = process.memory_full_info()
    return int(getattr(full, "pss", full.rss))
