"""`heed run` as a person uses it: a process of its own, ended with Ctrl-C, started again."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from heed.platform.layout import Layout
from heed.platform.ports import LOOPBACK, free_ports, is_listening
from heed.platform.process import wait_until
from heed.platform.runfile import RunFile
from heed.platform.settings import RunSettings

HEED = Path(sys.executable).with_name("heed")
PATIENCE = 240


class Terminal:
    """Runs `heed` commands on ports and data of their own."""

    def __init__(self, home: Path) -> None:
        self.layout = Layout(home)
        settings = [setting for setting, _ in RunSettings.load({}).own_ports().values()]
        self.ports = dict(zip(settings, map(str, free_ports(len(settings))), strict=True))
        self.environ = os.environ | self.ports | {"HEED_HOME": str(home), "COLUMNS": "200"}
        self._output = home.with_name("output.txt")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, **environ: str) -> None:
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [HEED, "run"],
                env=self.environ | environ,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        assert wait_until(lambda: "Ctrl-C stops it" in self.text() or not self.is_running, PATIENCE), self.text()
        assert self.is_running, self.text()

    def interrupt(self, number: signal.Signals) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(60)

    def call(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [HEED, *arguments], env=self.environ, input=stdin, capture_output=True, text=True, timeout=120
        )

    def text(self) -> str:
        return self._output.read_text()

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def family(self) -> list[psutil.Process]:
        assert self._process is not None
        return psutil.Process(self._process.pid).children(recursive=True)

    def end(self) -> None:
        if self._process is not None and self.is_running:
            self.interrupt(signal.SIGTERM)


@pytest.fixture
def terminal(platform_directory: Path, kafka_lib: Path, request: pytest.FixtureRequest) -> Iterator[Terminal]:
    directory = platform_directory / request.node.name
    directory.mkdir()
    terminal = Terminal(directory / "home")
    yield terminal
    terminal.end()


def demo_env(terminal: Terminal) -> dict[str, str]:
    return dict(line.split("=", 1) for line in terminal.layout.demo_env.read_text().splitlines())


@pytest.mark.timeout(900)
def test_start_use_stop_and_start_again(terminal: Terminal) -> None:
    terminal.start()
    first = demo_env(terminal)
    assert terminal.layout.demo_env.stat().st_mode & 0o777 == 0o600
    for told in (
        first["CONSOLE_URL"],
        first["DEMO_EMAIL"],
        first["DEMO_PASSWORD"],
        first["WRITE_KEY"],
        first["API_TOKEN"],
    ):
        assert told in terminal.text()
    assert (first["WRITE_KEY"][:3], first["SERVER_KEY"][:3]) == ("wk_", "sk_")

    refused = terminal.call("run")
    assert refused.returncode == 1
    assert "running already" in refused.stderr
    assert terminal.is_running
    assert terminal.call("status").returncode == 0

    made = terminal.call("user", "add", "ann@example.com", "--name", "Ann", "--role", "sales")
    assert made.returncode == 0, made.stderr
    assert re.search(r"with the password \S+", made.stdout)
    assert "ann@example.com" in terminal.call("user", "list").stdout
    again = terminal.call("user", "add", "ann@example.com", "--name", "Ann", "--role", "sales")
    assert (again.returncode, "Traceback" in again.stderr) == (1, False)

    key = terminal.call("key", "add", "Till 7", "--kind", "server").stdout.strip()
    lead = {"name": "Bo", "email": "bo@example.com"}

    def posted() -> int:
        url = f"{first['LEAD_CAPTURE_URL']}/v1/leads"
        answer = httpx.post(url, json=lead, headers={"Authorization": f"Bearer {key}"}, trust_env=False)
        return answer.status_code

    assert posted() == 202
    listed = terminal.call("key", "list").stdout
    key_id = next(word for line in listed.splitlines() if "Till 7" in line for word in line.split() if len(word) > 8)
    assert terminal.call("key", "revoke", key_id).returncode == 0
    assert wait_until(lambda: posted() == 401, 15)

    family = terminal.family()
    assert len(family) > 9
    assert terminal.interrupt(signal.SIGINT) == 0
    _, alive = psutil.wait_procs(family, timeout=5)
    assert alive == []
    assert not any(is_listening(int(port)) for port in terminal.ports.values())
    assert not terminal.layout.run_file.exists()

    terminal.start(DEMO="1")
    second = demo_env(terminal)
    assert (second["WRITE_KEY"], second["DEMO_PASSWORD"]) == (first["WRITE_KEY"], first["DEMO_PASSWORD"])
    assert "ann@example.com" in terminal.call("user", "list").stdout
    assert terminal.call("stop").returncode == 0
    assert not terminal.is_running


@pytest.mark.timeout(600)
def test_without_demo_and_with_a_dead_supervisor(terminal: Terminal) -> None:
    terminal.start(DEMO="0")
    assert not terminal.layout.demo_env.exists()
    assert "heed user add" in terminal.text()
    run = RunFile.read(terminal.layout.run_file)
    assert run is not None
    assert "demo" not in run.children
    family = terminal.family()
    psutil.Process(run.supervisor.pid).kill()
    assert wait_until(lambda: not terminal.is_running, 10)
    assert terminal.call("status").returncode == 1
    assert terminal.call("stop").returncode == 0
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []
    assert not is_listening(int(terminal.ports["CONSOLE_PORT"]), LOOPBACK)
