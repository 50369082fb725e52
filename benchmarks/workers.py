"""Analytics processes alone on a broker and a database, without the other services."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import httpx

from common.tokens import generate_keys, mint
from common.topics import PARTITIONS
from heed.platform.ports import free_ports

_PATIENCE_SECONDS = 180.0


class Workers:
    """Processes of one group. `partitions` is asked of the processes themselves, over HTTP."""

    def __init__(self, kafka: str, prefix: str, url: str, logs: Path) -> None:
        private, public = generate_keys()
        token = mint(private, "bench", "Bench", frozenset({"service"}), timedelta(hours=3))
        self._client = httpx.Client(headers={"authorization": f"Bearer {token}"}, timeout=30, trust_env=False)
        self._logs, self._ports = logs, dict[str, int]()
        self._environ = {
            **os.environ,
            "ANALYTICS_DATABASE_URL": url,
            "KAFKA_BOOTSTRAP_SERVERS": kafka,
            "HEED_TOPIC_PREFIX": prefix,
            "HEED_TOKEN_PUBLIC_KEY": public,
        }
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        self._ports[name] = free_ports(1)[0]
        environ = {**self._environ, "HEED_INSTANCE": name, "ANALYTICS_PORT": str(self._ports[name])}
        with (self._logs / f"{name}.log").open("ab") as log:
            command = [sys.executable, "-m", "analytics.main"]
            self.running[name] = subprocess.Popen(command, env=environ, stdout=log, stderr=log)

    def partitions(self, name: str) -> int:
        """How many partitions a process holds now; 0 while it cannot be asked."""
        try:
            answer = self._client.get(f"http://127.0.0.1:{self._ports[name]}/v1/runtime").raise_for_status()
        except httpx.HTTPError:
            return 0
        return len(answer.json()["partitions"])

    def wait_for(self, name: str, partitions: int = PARTITIONS) -> float:
        """Waits until a process holds so many partitions. Returns the seconds it took."""
        return waited(lambda: self.partitions(name) >= partitions)

    def end(self, name: str, *, kill: bool = False) -> None:
        process = self.running.pop(name)
        process.kill() if kill else process.terminate()
        process.wait()

    def stop(self) -> None:
        for name in list(self.running):
            self.end(name)
        self._client.close()


@contextmanager
def workers(kafka: str, prefix: str, url: str, logs: Path) -> Iterator[Workers]:
    made = Workers(kafka, prefix, url, logs)
    try:
        yield made
    finally:
        made.stop()


def waited(condition: Callable[[], bool]) -> float:
    """Seconds until a condition held. Raises TimeoutError when it does not within minutes."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > _PATIENCE_SECONDS:
            raise TimeoutError("what was waited for did not happen")
        time.sleep(0.05)
    return time.monotonic() - began
