"""lead_capture: single POSTs with durable acknowledgement against a bare ASGI app, and batches in events a second.

    .venv/bin/python -m benchmarks.capture [--seconds 4] [--connections 128]

One worker each, the load generator in a process of its own, all on this machine. Uses the broker and database of
HEED_TEST_KAFKA and HEED_TEST_POSTGRES_URL where set, else starts its own.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, MutableMapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import get_context
from typing import Any

import httpx
import orjson

from benchmarks import report, servers
from benchmarks.closedloop import Measured, load
from benchmarks.cpu import cpu_seconds
from benchmarks.rows import Row
from benchmarks.shop import post
from common.tokens import generate_keys, mint
from heed.platform.layout import PROJECT
from heed.platform.ports import free_ports
from heed.platform.testing import PostgresAdmin, own_topics

SECONDS, CONNECTIONS, TURNS = 4.0, 128, 3
BATCH_CONNECTIONS = 4
SHARE_OF_BARE, BATCH_EVENTS = 0.3, 15_000
EVENTS_PER_BATCH = 1_000
CUSTOMERS = 20_000
_UP_SECONDS = 60.0

Object = dict[str, Any]
Make = Callable[[int], Object]


async def bare(scope: Object, receive: Callable[[], Any], send: Callable[[MutableMapping[str, Any]], Any]) -> None:
    """What uvicorn alone can do: the body read, 202 answered."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 202, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"{}"})


def run(seconds: float = SECONDS, connections: int = CONNECTIONS) -> list[Row]:
    """Each kind of POST right after the bare app, so that a busier minute hits both."""
    rows: list[Row] = []
    with servers.servers() as (kafka, admin), _capture(kafka, admin) as (server, key), _bare() as plain:
        bench = Bench(server, seconds)
        bench.warm_up(singles("/v1/track", key, track), connections)
        for path, make in (("/v1/track", track), ("/v1/leads", lead), ("/v1/orders", order)):
            requests = singles(path, key, make)
            rows += bench.singles(f"POST {path}", plain, requests, connections)
        rows += bench.batches(batches(key))
    return rows


@dataclass(frozen=True)
class Server:
    """A process that listens."""

    port: int
    pid: int


class Bench:
    """Loads servers from a process apart."""

    def __init__(self, server: Server, seconds: float) -> None:
        self._server, self._seconds = server, seconds
        self._pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))

    def warm_up(self, requests: list[bytes], connections: int) -> None:
        """A broker that has just started compiles its code meanwhile."""
        self._load(self._server, requests, connections)

    def singles(self, name: str, plain: Server, requests: list[bytes], connections: int) -> list[Row]:
        """The bare app and capture take turns; the median ratio counts."""
        turns = [self._turn(plain, requests, connections) for _ in range(TURNS)]
        bare, got, cost = sorted(turns, key=lambda turn: turn[1].per_second / turn[0].per_second)[TURNS // 2]
        return [
            Row("bare uvicorn answering 202", bare.per_second, "requests/s"),
            Row(name, got.per_second, "requests/s"),
            Row.at_least(f"{name} / bare, median of {TURNS}", got.per_second / bare.per_second, "×", SHARE_OF_BARE),
            Row(f"{name}, p50", got.p50, "ms"),
            Row(f"{name}, p99", got.p99, "ms"),
            Row(f"{name}, processor time of the service", cost * 1e6, "µs"),
            Row.at_most(f"{name}, not answered with 2xx", sum(turn[1].failed for turn in turns), "", 0),
        ]

    def _turn(self, plain: Server, requests: list[bytes], connections: int) -> tuple[Measured, Measured, float]:
        bare, _ = self._load(plain, requests, connections)
        return bare, *self._load(self._server, requests, connections)

    def batches(self, requests: list[bytes]) -> list[Row]:
        name = "POST /v1/batch, events of 300 bytes"
        turns = [self._load(self._server, requests, BATCH_CONNECTIONS) for _ in range(TURNS)]
        got, cost = sorted(turns, key=lambda turn: turn[0].per_second)[TURNS // 2]
        return [
            Row.at_least(f"{name}, median of {TURNS}", got.per_second * EVENTS_PER_BATCH, "events/s", BATCH_EVENTS),
            Row(f"{name}, processor time of the service", cost / EVENTS_PER_BATCH * 1e6, "µs per event"),
            Row.at_most(f"{name}, not answered with 2xx", sum(turn[0].failed for turn in turns), "", 0),
        ]

    def _load(self, server: Server, requests: list[bytes], connections: int) -> tuple[Measured, float]:
        """What was measured, and the processor seconds that the server spent on each request."""
        before = cpu_seconds(server.pid)
        got = self._pool.submit(load, server.port, requests, connections, self._seconds).result()
        return got, (cpu_seconds(server.pid) - before) / max(1, got.answered)


def event(number: int) -> Object:
    """A page event of 300 bytes."""
    core: Object = {
        "type": "page",
        "messageId": f"m-{number:012}",
        "userId": f"customer-{number % CUSTOMERS:06}",
        "timestamp": "2026-03-01T09:30:00.000Z",
        "name": "Product",
        "properties": {"path": f"/products/{number % 977}", "title": "A fine product"},
        "context": {"page": {"url": f"https://shop.example/products/{number % 977}"}, "pad": ""},
    }
    core["context"]["pad"] = "x" * (300 - len(orjson.dumps(core)))
    return core


def track(number: int) -> Object:
    return {**event(number), "event": "Clicked"}


def lead(number: int) -> Object:
    return {"email": f"customer{number % CUSTOMERS}@shop.example", "name": "Ada Byron", "message": "Please call " * 10}


def order(number: int) -> Object:
    items = [{"sku": f"sku-{n}", "quantity": n + 1, "unit_price": "4.25"} for n in range(3)]
    customer = {"user_id": f"customer-{number % CUSTOMERS:06}"}
    return {"order_id": f"o-{number}", "customer": customer, "currency": "GBP", "total": "25.50", "items": items}


def singles(path: str, key: str, make: Make) -> list[bytes]:
    return [post(path, f"Bearer {key}", make(number)) for number in range(5_000)]


def batches(key: str) -> list[bytes]:
    def body(start: int) -> Object:
        return {"batch": [event(start * EVENTS_PER_BATCH + n) for n in range(EVENTS_PER_BATCH)]}

    return [post("/v1/batch", f"Bearer {key}", body(start)) for start in range(20)]


@contextlib.contextmanager
def _bare() -> Iterator[Server]:
    port = free_ports(1)[0]
    flags = ["--port", str(port), "--log-level", "error", "--no-access-log", "--lifespan", "off"]
    with _process(["-m", "uvicorn", "benchmarks.capture:bare", *flags], port, "/", {}) as server:
        yield server


@contextlib.contextmanager
def _capture(kafka: str, admin: PostgresAdmin) -> Iterator[tuple[Server, str]]:
    """lead_capture with topics and a database of its own, and a server key."""
    private, public = generate_keys()
    port = free_ports(1)[0]
    with own_topics(kafka) as prefix, servers.database(admin) as database:
        environment = {
            "LEAD_CAPTURE_DATABASE_URL": database,
            "LEAD_CAPTURE_PORT": str(port),
            "KAFKA_BOOTSTRAP_SERVERS": kafka,
            "HEED_TOPIC_PREFIX": prefix,
            "HEED_TOKEN_PUBLIC_KEY": public,
            "LEAD_CAPTURE_RATE_LIMIT_SERVER": "10000000",
        }
        migrate = [sys.executable, "-m", "common.migrate", "lead_capture"]
        subprocess.run(migrate, env={**os.environ, **environment}, check=True, stdout=subprocess.DEVNULL)
        token = mint(private, "bench", "Bench", frozenset({"admin"}), timedelta(hours=1))
        with _process(["-m", "lead_capture.main"], port, "/v1/leads", environment) as server:
            yield server, _server_key(f"http://127.0.0.1:{port}", token)


def _server_key(url: str, token: str) -> str:
    """A new key, once facts go straight to the bus."""
    headers = {"Authorization": f"Bearer {token}"}
    answer = httpx.post(f"{url}/v1/keys", json={"name": "bench", "kind": "server"}, headers=headers)
    while httpx.get(f"{url}/v1/status", headers=headers).json()["mode"] != "direct":
        time.sleep(0.1)
    return str(answer.json()["key"])


@contextlib.contextmanager
def _process(command: list[str], port: int, path: str, environment: dict[str, str]) -> Iterator[Server]:
    """A server, from its first answer to its end."""
    running = subprocess.Popen(
        [sys.executable, *command], cwd=PROJECT, env={**os.environ, **environment}, stdout=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + _UP_SECONDS
        while not _answers(f"http://127.0.0.1:{port}{path}"):
            if running.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{' '.join(command)} does not answer")
            time.sleep(0.1)
        yield Server(port, running.pid)
    finally:
        running.terminate()
        running.wait(20)


def _answers(url: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.post(url).status_code < 500
    return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="length of each measurement")
    parser.add_argument("--connections", type=int, default=CONNECTIONS, help="connections of the single POSTs")
    given = parser.parse_args()
    report.show("capture", run(given.seconds, given.connections))


if __name__ == "__main__":
    main()
