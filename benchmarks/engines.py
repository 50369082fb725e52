"""Analytics against a plain loop and Quix Streams, on one workload, in one run: events per second.

`python benchmarks/analytics.py [ROUNDS]`. Starts its own broker and database; Quix lives in a venv of its own.
"""

import asyncio
import statistics
import subprocess
import sys
import time
from pathlib import Path

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from common.migrate import upgrade
from heed.platform.testing import platform  # a broker and a database server on free ports

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "peers"))
import workload as w  # noqa: E402

QUIX_VENV = HERE.parent / ".heed" / "bench-venv"


def plain_loop() -> float:
    bodies, model, states, alerts = [value for _, value in w.events()], w.model(), {}, 0
    started = time.perf_counter()
    for body in bodies:
        event = orjson.loads(body)
        states[event["customer"]], alert = w.step(states.get(event["customer"]), event, model)
        alerts += alert is not None
    took = time.perf_counter() - started
    assert alerts == w.EXPECTED_ALERTS
    return w.EVENTS / took


async def load(bootstrap: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(name, w.PARTITIONS, 1) for name in (w.TOPIC, w.ALERTS)])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=5)
    await producer.start()
    for key, value in w.events():
        await producer.send(w.TOPIC, value, key=key.encode())
    await producer.stop()


def measure(python: str, script: str, *args: str) -> float:
    command = [python, str(HERE / "peers" / script), *args]
    out = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if out.returncode:
        raise SystemExit(out.stderr[-2000:])
    rate, alerts = out.stdout.split()[-2:]
    assert int(alerts) == w.EXPECTED_ALERTS, f"{script} found {alerts} alerts"
    return float(rate)


def quix_python() -> str:
    python = QUIX_VENV / "bin" / "python"
    if not python.exists():
        subprocess.run(["uv", "venv", "-q", str(QUIX_VENV)], check=True)
        packages = ["quixstreams==3.28.1", "river==0.26.1", "orjson"]
        subprocess.run(["uv", "pip", "install", "-q", "--python", str(python), *packages], check=True)
    return str(python)
