"""`run.json`: which processes belong to a running installation, so that others can find and end them."""

import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path

import psutil
from pydantic import BaseModel, Field, ValidationError

from heed.platform.layout import write_private
from heed.platform.process import kill_group


class ProcessRef(BaseModel):
    """A process id with its start time: together they never mean a process that came later."""

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> "ProcessRef | None":
        """The process with this id; None when there is none."""
        try:
            return cls(pid=pid, started=psutil.Process(pid).create_time())
        except psutil.NoSuchProcess:
            return None

    def process(self) -> psutil.Process | None:
        """The process, if it is still that one and no zombie."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < 1
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


class RunFile(BaseModel):
    """The supervisor, its children by name, and the base addresses of the services."""

    supervisor: ProcessRef
    children: dict[str, ProcessRef] = Field(default_factory=dict)
    urls: dict[str, str] = Field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "RunFile | None":
        """None when nothing was started, or the file is not readable as one."""
        try:
            return cls.model_validate_json(path.read_text())
        except (FileNotFoundError, ValidationError):
            return None

    @classmethod
    def write(cls, path: Path, pids: Mapping[str, int], urls: Mapping[str, str]) -> None:
        """Say that this process supervises `pids`."""
        supervisor = ProcessRef.of(os.getpid())
        if supervisor is None:
            raise RuntimeError("this process does not exist")
        refs = {name: ref for name, pid in pids.items() if (ref := ProcessRef.of(pid))}
        file = cls(supervisor=supervisor, children=refs, urls=dict(urls))
        write_private(path, file.model_dump_json(indent=2) + "\n")

    @staticmethod
    def remove_own(path: Path) -> None:
        """Delete the file if it is this process that supervises."""
        run = RunFile.read(path)
        if run is not None and run.supervisor.pid == os.getpid():
            path.unlink(missing_ok=True)

    @property
    def is_running(self) -> bool:
        """Say whether the supervisor is there."""
        return self.supervisor.process() is not None

    def end_leftovers(self) -> list[str]:
        """Kill children that outlived their supervisor; returns their names."""
        left = [name for name, ref in self.children.items() if ref.process()]
        for name in left:
            kill_group(self.children[name].pid)
        return left

    def stop(self, patience: float) -> list[str]:
        """Ask the supervisor to stop everything; what is left after `patience` seconds is killed, and named."""
        if process := self.supervisor.process():
            process.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + patience
            while self.is_running and time.monotonic() < deadline:
                time.sleep(0.1)
            if self.is_running:
                process.kill()
        return self.end_leftovers()
