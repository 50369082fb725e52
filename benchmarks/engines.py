"""The analytics runtime against a plain loop and Quix Streams, all exactly once, on one workload in one run.

    .venv/bin/python -m benchmarks.engines [--rounds 3]

The programs are in peers/; they take turns, one process each, and the median of the rounds counts. Quix Streams lives
in a virtual environment of its own, made at the first run.
"""

import argparse
import secrets
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from benchmarks import report, servers
from benchmarks.peers import workload as w
from benchmarks.rows import Row
from common.migrate import upgrade
from heed.platform.layout import PROJECT
from heed.platform.testing import PostgresAdmin, run_apart

QUIX_VENV = PROJECT / ".heed" / "bench-venv"
QUIX_PACKAGES = ("quixstreams==3.28.1", "river==0.26.1", "orjson")
ROUNDS = 3
_PATIENCE_SECONDS = 300


def run(rounds: int = ROUNDS) -> list[Row]:
    """Fill a topic, let each program read it in turn."""
    quix_python = _quix_python()
    with servers.servers() as (kafka, admin):
        topic = f"peer-{secrets.token_hex(4)}"
        alerts = f"{topic}-alerts"
        run_apart(lambda: _fill(kafka, topic, alerts))
        try:
            engines: dict[str, Callable[[], float]] = {
                "plain": lambda: _measure(sys.executable, "plain"),
                "ours": lambda: _ours(kafka, topic, alerts, admin),
                "quix": lambda: _measure(quix_python, "quix", kafka, topic, alerts),
            }
            found = [{name: measure() for name, measure in engines.items()} for _ in range(rounds)]
        finally:
            run_apart(lambda: _delete(kafka, topic, alerts))
    plain, ours, quix = (statistics.median(each[name] for each in found) for name in ("plain", "ours", "quix"))
    return [
        Row("plain loop over the same operators", plain, "events/s"),
        Row("analytics runtime, exactly once", ours, "events/s"),
        Row("Quix Streams, exactly once", quix, "events/s"),
        Row("analytics runtime / plain loop", ours / plain, "×"),
        Row.at_least("analytics runtime / Quix Streams", ours / quix, "×", 2.0),
    ]


def _ours(kafka: str, topic: str, alerts: str, admin: PostgresAdmin) -> float:
    with servers.database(admin) as url:
        upgrade("analytics", url)
        return _measure(sys.executable, "ours", kafka, topic, alerts, url)


def _measure(python: str, peer: str, *args: str) -> float:
    """Events per second of one program. Raises where it fails or does not find the alerts that are there."""
    command = [python, "-m", f"benchmarks.peers.{peer}", *args]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=_PATIENCE_SECONDS, check=False)
    if done.returncode:
        raise RuntimeError(f"{peer} failed:\n{done.stderr[-2000:]}")
    rate, alerts = done.stdout.split()[-2:]
    if int(alerts) != w.EXPECTED_ALERTS:
        raise RuntimeError(f"{peer} found {alerts} alerts, not {w.EXPECTED_ALERTS}")
    return float(rate)


async def _fill(kafka: str, topic: str, alerts: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.create_topics([NewTopic(name, w.PARTITIONS, 1) for name in (topic, alerts)])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=kafka, linger_ms=5, acks="all")
    await producer.start()
    for key, value in w.events():
        await producer.send(topic, value, key=key.encode())
    await producer.stop()


async def _delete(kafka: str, *topics: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.delete_topics(list(topics))
    await admin.close()


def _quix_python() -> str:
    """Quix Streams' own interpreter; nothing happens when these very packages are there already."""
    python, stamp = QUIX_VENV / "bin" / "python", QUIX_VENV / "packages.txt"
    wanted = "\n".join(QUIX_PACKAGES)
    if not (stamp.exists() and stamp.read_text() == wanted):
        uv = shutil.which("uv") or str(PROJECT / ".heed" / "uv" / "bin" / "uv")
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(QUIX_VENV)], check=True)
        install = [uv, "pip", "install", "--quiet", "--python", str(python), *QUIX_PACKAGES]
        subprocess.run(install, check=True)
        stamp.write_text(wanted)
    return str(python)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    report.show("engines", run(parser.parse_args().rounds))


if __name__ == "__main__":
    main()
