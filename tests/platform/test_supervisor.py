"""The supervisor, with small real processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from heed.platform.errors import PlatformError
from heed.platform.process import KEPT_LOGS, Child, Program, base_env, rotate, wait_until
from heed.platform.runfile import ProcessRef, RunFile
from heed.platform.supervisor import Supervisor

Make = Callable[..., Child]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Makes a child that runs a line of Python."""

    def child(code: str, name: str = "worker", **more: object) -> Child:
        argv = [sys.executable, "-c", code]
        program = Program(name, argv, base_env(), tmp_path / f"{name}.log", is_ready=lambda: True, **more)  # type: ignore[arg-type]
        return Child(program)

    return child


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    heard: list[str] = []
    supervisor = Supervisor(tell=heard.append)
    yield supervisor
    supervisor.stop([])


def is_alive(pid: int | None) -> bool:
    return pid is not None and psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_what_is_killed_is_started_again(supervisor: Supervisor, make: Make) -> None:
    first = supervisor.start("worker", partial(make, "import time; time.sleep(60)")).pid
    supervisor.child("worker").kill()
    assert wait_until(lambda: supervisor.child("worker").is_running, 10)
    assert supervisor.child("worker").pid != first
    assert not is_alive(first)


def test_pauses_grow_while_a_process_keeps_ending(make: Make) -> None:
    heard: list[str] = []
    supervisor = Supervisor(tell=heard.append)
    supervisor.start("worker", partial(make, "raise SystemExit(3)"))
    assert wait_until(lambda: len(heard) >= 3, 15)
    supervisor.stop([])
    assert [line.rsplit("again in ")[1] for line in heard[:3]] == ["0.5 s", "1 s", "2 s"]
    assert "ended with code 3" in heard[0]


def test_a_finished_job_is_not_repeated(supervisor: Supervisor, make: Make) -> None:
    pid = supervisor.start("job", partial(make, "pass", restart_after_success=False)).pid
    assert wait_until(lambda: not supervisor.child("job").is_running, 10)
    time.sleep(1)
    assert supervisor.child("job").pid == pid


def test_a_held_process_stays_down_until_released(supervisor: Supervisor, make: Make) -> None:
    supervisor.start("worker", partial(make, "import time; time.sleep(60)"))
    supervisor.hold("worker")
    time.sleep(1)
    assert not supervisor.child("worker").is_running
    supervisor.release("worker")
    assert wait_until(lambda: supervisor.child("worker").is_running, 10)


def test_stop_goes_in_order_and_takes_grandchildren_along(make: Make, tmp_path: Path) -> None:
    note = tmp_path / "order"
    code = (
        "import pathlib, signal, subprocess, sys, time\n"
        "grandchild = subprocess.Popen(['sleep', '60'])\n"
        f"note = pathlib.Path({str(note)!r})\n"
        "def end(*_):\n"
        "    note.open('a').write(sys.argv[0] and '{name} ')\n"
        "    sys.exit()\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "note.with_name('{name}.pid').write_text(str(grandchild.pid))\n"
        "time.sleep(60)"
    )
    supervisor = Supervisor()
    for name in ("below", "above"):
        supervisor.start(name, partial(make, code.replace("{name}", name), name=name))
    pid_files = [tmp_path / "below.pid", tmp_path / "above.pid"]
    assert wait_until(lambda: all(f.exists() and f.read_text() for f in pid_files), 10)
    supervisor.stop([("above",), ("below",)])
    assert note.read_text().split() == ["above", "below"]
    assert wait_until(lambda: not any(is_alive(int(f.read_text())) for f in pid_files), 10)
    with pytest.raises(PlatformError):
        supervisor.start("late", partial(make, "pass"))


def test_a_process_that_will_not_end_is_killed(make: Make) -> None:
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    )
    child = make(deaf, stop_timeout=0.5)
    child.start()
    assert wait_until(lambda: "deaf" in child.log_tail(), 10)
    child.stop()
    assert child.exit_code == -signal.SIGKILL


def test_a_failed_start_shows_the_log(make: Make, tmp_path: Path) -> None:
    program = Program(
        "broken", [sys.executable, "-c", "raise ValueError('the cause')"], {}, tmp_path / "b.log", lambda: False
    )
    child = Child(program)
    child.start()
    with pytest.raises(PlatformError, match="the cause"):
        child.wait_ready()


def test_a_program_sees_only_its_own_environment(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEED_SECRET_OF_SOMEBODY", "x")
    child = make("import os; print(sorted(os.environ))")
    child.start()
    child.wait_done(10)
    assert "HEED_SECRET_OF_SOMEBODY" not in child.log_tail()


def test_logs_are_rotated_and_few_are_kept(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    for number in range(6):
        log.write_text(str(number))
        rotate(log)
    kept = {p.name: p.read_text() for p in tmp_path.iterdir()}
    assert kept == {f"x.log.{n}": str(6 - n) for n in range(1, KEPT_LOGS + 1)}


def test_leftovers_of_a_dead_supervisor_are_ended(make: Make, tmp_path: Path) -> None:
    child = make("import time; time.sleep(60)")
    child.start()
    assert child.pid is not None
    path = tmp_path / "run.json"
    RunFile.write(path, {"worker": child.pid}, {})
    run = RunFile.read(path)
    assert run is not None
    assert run.is_running
    assert run.supervisor.pid == os.getpid()
    assert run.end_leftovers() == ["worker"]
    child.stop()
    assert not is_alive(child.pid)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_reused_process_id_is_somebody_else() -> None:
    sleeper = subprocess.Popen(["sleep", "60"])
    try:
        ref = ProcessRef.of(sleeper.pid)
        assert ref is not None
        assert ref.process() is not None
        assert ProcessRef(pid=sleeper.pid, started=ref.started - 100).process() is None
    finally:
        sleeper.kill()
        sleeper.wait()
    assert ref.process() is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"supervisor": 1}'])
def test_an_unreadable_run_file_counts_as_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "run.json"
    path.write_text(text)
    assert RunFile.read(path) is None
