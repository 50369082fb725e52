"""lead_capture: single POSTs with durable acknowledgement against a bare ASGI app, and batches in events a second.

    .venv/bin/python benchmarks/capture.py [--seconds 5] [--connections 128]

One worker each, the load generator in a process of its own, all on this machine. Uses the broker and database of
HEED_TEST_KAFKA and HEED_TEST_POSTGRES_URL where set, else starts its own.
"""

import argparse
import asyncio
import contextlib
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path

import httptools
import httpx
import orjson
import psutil
import uvloop
from common.auth import generate_keys, mint
from heed.platform.install import install_jars
from heed.platform.kafka import Kafka
from heed.platform.ports import free_ports
from heed.platform.postgres import Postgres
from heed.platform.testing import PostgresAdmin, run_apart
from heed.platform.topics import create_topics, delete_topics

ROOT = Path(__file__).parents[1]
EVENTS_PER_BATCH = 1_000
CUSTOMERS = 20_000


async def bare(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
    """What uvicorn alone can do: the body read, 202 answered."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 202, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"{}"})


class Client(asyncio.Protocol):
    """One connection: the next request goes out when the answer to the last is complete."""

    def __init__(self, requests: list[bytes], offset: int, tally: dict[int, int], latencies: list[float]) -> None:
        self._requests, self._next = requests, offset
        self._tally, self._latencies = tally, latencies
        self._parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        self._tally[status] = self._tally.get(status, 0) + 1
        self._latencies.append(time.perf_counter() - self._sent)
        self._send()

    def _send(self) -> None:
        self._next = (self._next + 1) % len(self._requests)
        self._sent = time.perf_counter()
        self._transport.write(self._requests[self._next])  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Measured:
    """Of a closed loop, its first half second left out. Latencies in ms."""

    requests: int
    per_second: float
    answers: dict[int, int]
    p50: float
    p99: float


def load(port: int, requests: list[bytes], connections: int, seconds: float) -> Measured:
    """Posts these requests round and round."""

    async def run() -> Measured:
        tally: dict[int, int] = {}
        latencies: list[float] = []
        loop = asyncio.get_running_loop()
        for number in range(connections):
            offset = number * len(requests) // connections
            await loop.create_connection(lambda o=offset: Client(requests, o, tally, latencies), "127.0.0.1", port)
        await asyncio.sleep(0.5)
        tally.clear()
        latencies.clear()
        started = time.perf_counter()
        await asyncio.sleep(seconds)
        answered, ordered = sum(tally.values()), sorted(latencies)
        rate = answered / (time.perf_counter() - started)
        p50, p99 = ordered[len(ordered) // 2] * 1e3, ordered[len(ordered) * 99 // 100] * 1e3
        return Measured(answered, rate, dict(tally), p50, p99)

    return uvloop.run(run())


def request(path: str, key: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def event(number: int) -> dict[str, object]:
    """A page event of 300 bytes."""
    core = {
        "type": "page",
        "messageId": f"m-{number:012}",
        "userId": f"customer-{number % CUSTOMERS:06}",
        "timestamp": "2026-03-01T09:30:00.000Z",
        "name": "Product",
        "properties": {"path": f"/products/{number % 977}", "title": "A fine product"},
        "context": {"page": {"url": f"https://shop.example/products/{number % 977}"}, "pad": ""},
    }
    core["context"]["pad"] = "x" * (300 - len(orjson.dumps(core)))  # type: ignore[index]
    return core


def lead(number: int) -> dict[str, object]:
    return {"email": f"customer{number % CUSTOMERS}@shop.example", "name": "Ada Byron", "message": "Please call " * 10}


def order(number: int) -> dict[str, object]:
    items = [{"sku": f"sku-{n}", "quantity": n + 1, "unit_price": "4.25"} for n in range(3)]
    customer = {"user_id": f"customer-{number % CUSTOMERS:06}"}
    return {"order_id": f"o-{number}", "customer": customer, "currency": "GBP", "total": "25.50", "items": items}


def singles(path: str, key: str, make) -> list[bytes]:  # type: ignore[no-untyped-def]
    return [request(path, key, orjson.dumps(make(number))) for number in range(5_000)]


def batches(key: str) -> list[bytes]:
    def body(start: int) -> bytes:
        return orjson.dumps({"batch": [event(start * EVENTS_PER_BATCH + n) for n in range(EVENTS_PER_BATCH)]})

    return [request("/v1/batch", key, body(start)) for start in range(20)]


@contextlib.contextmanager
def platform() -> Iterator[tuple[str, PostgresAdmin]]:
    """A broker and a database server."""
    if "HEED_TEST_KAFKA" in os.environ:
        yield os.environ["HEED_TEST_KAFKA"], PostgresAdmin(os.environ["HEED_TEST_POSTGRES_URL"])
        return
    config = ROOT / "deploy" / "local" / "kafka"
    lib = ROOT / ".heed" / "kafka" / "lib"
    install_jars(lib, config / "pom.xml")
    with tempfile.TemporaryDirectory(prefix="heed-bench-") as name:
        directory = Path(name)
        directory.chmod(0o711)
        kafka_port, postgres_port = free_ports(2)
        node = Kafka(lib, config, directory / "kafka", directory / "kafka.log", kafka_port)
        server = Postgres(directory / "postgres", directory / "postgres.log", postgres_port, secrets.token_hex(8))
        with node.child(), server.child():
            yield node.bootstrap, PostgresAdmin(server.url)


@contextlib.contextmanager
def process(command: list[str], port: int, path: str, environment: dict[str, str]) -> Iterator[psutil.Process]:
    """A server, from its first answer to its end."""
    running = subprocess.Popen([sys.executable, *command], env={**os.environ, **environment}, stdout=subprocess.DEVNULL)
    try:
        for _ in range(400):
            with contextlib.suppress(httpx.HTTPError):
                if httpx.post(f"http://127.0.0.1:{port}{path}").status_code < 500:
                    break
            time.sleep(0.1)
        yield psutil.Process(running.pid)
    finally:
        running.terminate()
        running.wait(20)


@contextlib.contextmanager
def capture(kafka: str, admin: PostgresAdmin) -> Iterator[tuple[int, str, psutil.Process]]:
    """lead_capture with topics and a database of its own: (port, server key, process)."""
    prefix, port, database = f"bench-{secrets.token_hex(4)}", free_ports(1)[0], admin.create_database()
    private, public = generate_keys()
    environment = {
        "LEAD_CAPTURE_DATABASE_URL": database,
        "LEAD_CAPTURE_PORT": str(port),
        "KAFKA_BOOTSTRAP_SERVERS": kafka,
        "HEED_TOPIC_PREFIX": prefix,
        "HEED_TOKEN_PUBLIC_KEY": public,
        "LEAD_CAPTURE_RATE_LIMIT_SERVER": "10000000",
    }
    run_apart(lambda: create_topics(kafka, prefix))
    migrate = [sys.executable, "-m", "common.migrate", "lead_capture"]
    subprocess.run(migrate, env={**os.environ, **environment}, check=True, stdout=subprocess.DEVNULL)
    token = mint(private, "bench", "Bench", frozenset({"admin"}), timedelta(hours=1))
    try:
        with process(["-m", "lead_capture.main"], port, "/v1/leads", environment) as server:
            url, headers = f"http://127.0.0.1:{port}", {"Authorization": f"Bearer {token}"}
            body = {"name": "bench", "kind": "server"}
            key = httpx.post(f"{url}/v1/keys", json=body, headers=headers).json()["key"]
            while httpx.get(f"{url}/v1/status", headers=headers).json()["mode"] != "direct":
                time.sleep(0.1)
            yield port, key, server
    finally:
        admin.drop_database(database)
        run_apart(lambda: delete_topics(kafka, prefix))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each measurement")
    parser.add_argument("--connections", type=int, default=128, help="connections of the single POSTs")
    options = parser.parse_args()
    bench = Bench(options.seconds)
    print(f"{'what':36} {'per second':>11} {'of bare':>8} {'CPU us':>8} {'p50 ms':>8} {'p99 ms':>8}  answers")
    with platform() as (kafka, admin), capture(kafka, admin) as (port, key, server):
        bare_port = free_ports(1)[0]
        flags = ["--port", str(bare_port), "--log-level", "error", "--no-access-log", "--lifespan", "off"]
        command = ["-m", "uvicorn", "--app-dir", str(ROOT / "benchmarks"), "capture:bare", *flags]
        with process(command, bare_port, "/", {}) as bare_server:
            rate = bench.row("bare uvicorn, 202", bare_server, bare_port, singles("/", key, event), options.connections)
        for path, make in (("/v1/track", track), ("/v1/leads", lead), ("/v1/orders", order)):
            bench.row(f"POST {path}", server, port, singles(path, key, make), options.connections, of=rate)
        name = "POST /v1/batch, events of 300 bytes"
        bench.row(name, server, port, batches(key), 4, unit=EVENTS_PER_BATCH)


class Bench:
    """Runs measurements in a process apart and prints a line for each."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))

    def row(
        self,
        name: str,
        server: psutil.Process,
        port: int,
        requests: list[bytes],
        connections: int,
        *,
        of: float | None = None,
        unit: int = 1,
    ) -> float:
        """Per second; "CPU us" is what the server's process spent on each, which a busy machine does not distort."""
        before = _cpu(server)
        got = self._pool.submit(load, port, requests, connections, self._seconds).result()
        whole = got.requests * (self._seconds + 0.5) / self._seconds
        cost = (_cpu(server) - before) / max(whole * unit, 1) * 1e6
        rate, part = got.per_second * unit, f"{got.per_second / of:8.2f}" if of else " " * 8
        print(f"{name:36} {rate:11,.0f} {part} {cost:8.1f} {got.p50:8.1f} {got.p99:8.1f}  {got.answers}", flush=True)
        return rate


def _cpu(server: psutil.Process) -> float:
    times = server.cpu_times()
    return times.user + times.system


def track(number: int) -> dict[str, object]:
    return {**event(number), "event": "Clicked"}


if __name__ == "__main__":
    main()
