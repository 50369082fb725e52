"""The real service as a process, on a real broker and database, with a proxy before the broker that can be cut."""

import asyncio
import contextlib
import os
import secrets
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Thread
from typing import Any

import httpx
import orjson
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from sqlalchemy import make_url

from common.envelope import Envelope, decode
from common.tokens import generate_keys, mint
from heed.platform.ports import free_ports
from heed.platform.testing import PostgresAdmin, run_apart
from heed.platform.topics import create_topics, delete_topics

_HOST = b"127.0.0.1"


class Proxy:
    """Passes bytes to the broker until it is cut, and makes the broker advertise the proxy's own address."""

    def __init__(self, upstream: str) -> None:
        host, _, port = upstream.rpartition(":")
        self._upstream = (host, int(port))
        self.port = free_ports(1)[0]
        self._told = (_HOST + struct.pack(">i", int(port)), _HOST + struct.pack(">i", self.port))
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._thread = Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.mend()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Refuses and drops connections."""
        self._call(self._close())

    def mend(self) -> None:
        self._call(self._listen())

    def stop(self) -> None:
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _call(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._upstream)
        except OSError:
            writer.close()
            return
        self._writers |= {writer, far_writer}
        await asyncio.gather(self._pump(reader, far_writer, None), self._pump(far_reader, writer, self._told))
        self._writers -= {writer, far_writer}

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, told: tuple[bytes, bytes] | None
    ) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(65_536):
                writer.write(chunk.replace(*told) if told else chunk)
                await writer.drain()
        writer.close()


@dataclass(frozen=True)
class Record:
    """A record of the bus."""

    partition: int
    headers: dict[str, bytes]
    key: bytes | None
    value: bytes


@dataclass
class Capture:
    """A running lead_capture."""

    url: str
    admin: dict[str, str]
    kafka: str
    prefix: str
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = None
    _any_key: str = ""
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=60))
    _begin: dict[TopicPartition, int] = field(default_factory=dict)

    def start(self) -> None:
        self.process = subprocess.Popen([sys.executable, "-m", "lead_capture.main"], env=self.environment)
        self.wait_for(lambda: self.http.get(f"{self.url}/readyz").status_code == 200)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(20)
            self.process = None

    def kill(self) -> None:
        self.stop(signal.SIGKILL)

    def wait_for(self, true: Callable[[], bool], seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(httpx.HTTPError, OSError):
                if true():
                    return
            assert time.monotonic() < deadline, "did not come true in time"
            time.sleep(0.05)

    def status(self) -> dict[str, Any]:
        answer = self.http.get(f"{self.url}/v1/status", headers=self.admin)
        answer.raise_for_status()
        return dict(answer.json())

    def wait_direct(self, seconds: float = 30) -> None:
        """Until facts go straight to the bus."""
        self.wait_for(lambda: self.status()["mode"] == "direct", seconds)

    def add_key(self, kind: str, name: str | None = None, origins: tuple[str, ...] = ()) -> str:
        body = {"name": name or f"source-{secrets.token_hex(4)}", "kind": kind, "origins": list(origins)}
        answer = self.http.post(f"{self.url}/v1/keys", json=body, headers=self.admin)
        answer.raise_for_status()
        return str(answer.json()["key"])

    def server_key(self) -> str:
        """One key for those who do not care which."""
        if not self._any_key:
            self._any_key = self.add_key("server")
        return self._any_key

    def mark(self) -> None:
        """What is on the topics now is left out from now on."""
        for topic in ("customer-facts", "dead-letters"):
            asyncio.run(self._read(topic))

    def records(self, topic: str = "customer-facts") -> list[Record]:
        """Everything since the mark, in order per partition."""
        return asyncio.run(self._read(topic, keep=True))

    async def _read(self, topic: str, keep: bool = False) -> list[Record]:
        name = f"{self.prefix}.{topic}"
        consumer = AIOKafkaConsumer(bootstrap_servers=self.kafka, enable_auto_commit=False)
        await consumer.start()
        try:
            await consumer._client._wait_on_metadata(name)
            partitions = [TopicPartition(name, p) for p in sorted(consumer.partitions_for_topic(name) or ())]
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions)
            if not keep:
                self._begin |= ends
                return []
            return await self._drain(consumer, ends)
        finally:
            await consumer.stop()

    async def _drain(self, consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]) -> list[Record]:
        found: list[Record] = []
        left = {p: end for p, end in ends.items() if end > self._begin.get(p, 0)}
        for partition in ends:
            consumer.seek(partition, self._begin.get(partition, 0))
        while left:
            for partition, records in (await consumer.getmany(timeout_ms=500)).items():
                wanted = [r for r in records if r.offset < ends[partition]]
                found += [Record(partition.partition, dict(r.headers), r.key, r.value) for r in wanted]
            left = {p: end for p, end in left.items() if await consumer.position(p) < end}
        return found

    def facts(self, source: str | None = None) -> list[Envelope]:
        """The facts about customers, that one source brought, in order per customer."""
        found = [decode(r.key, r.headers.items(), r.value) for r in self.records() if "ce_subject" in r.headers]
        return [fact for fact in found if source is None or fact.data.get("source") == source]

    def dead_letters(self, source: str) -> list[tuple[str, Any]]:
        """(reason, event) of what was set aside from a source."""
        mine = [r for r in self.records("dead-letters") if r.headers.get("heed-source") == source.encode()]
        return [(r.headers["heed-reason"].decode(), orjson.loads(r.value)) for r in mine]


def environment_of(database_url: str, kafka: str, prefix: str, public_key: str, **more: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "LEAD_CAPTURE_DATABASE_URL": database_url,
        "KAFKA_BOOTSTRAP_SERVERS": kafka,
        "HEED_TOPIC_PREFIX": prefix,
        "HEED_TOKEN_PUBLIC_KEY": public_key,
        **more,
    }


@pytest.fixture(scope="session")
def proxy(kafka: str) -> Iterator[Proxy]:
    """Between the service and the broker."""
    between = Proxy(kafka)
    yield between
    between.stop()


@pytest.fixture(scope="session")
def database_proxy(postgres: PostgresAdmin) -> Iterator[Proxy]:
    """Between the service and the database server."""
    url = make_url(postgres.url)
    between = Proxy(f"{url.host}:{url.port}")
    yield between
    between.stop()


@pytest.fixture(scope="session")
def own_topics(kafka: str) -> Iterator[str]:
    """The prefix of topics that nobody else writes to."""
    prefix = f"test-{secrets.token_hex(6)}"
    run_apart(lambda: create_topics(kafka, prefix))
    yield prefix
    run_apart(lambda: delete_topics(kafka, prefix))


@pytest.fixture(scope="session")
def running(
    postgres: PostgresAdmin, kafka: str, proxy: Proxy, database_proxy: Proxy, own_topics: str
) -> Iterator[Capture]:
    """The service, with topics and a database of its own."""
    database_url, port = postgres.create_database(), free_ports(1)[0]
    between = make_url(database_url).set(host="127.0.0.1", port=database_proxy.port)
    private, public = generate_keys()
    token = mint(private, "test", "Test", frozenset({"admin"}), timedelta(hours=1))
    more = {
        "LEAD_CAPTURE_PORT": str(port),
        "LEAD_CAPTURE_RATE_LIMIT_PUBLIC": "2500",
        "HEED_INSTANCE": secrets.token_hex(4),
    }
    address = between.render_as_string(hide_password=False)
    environment = environment_of(address, proxy.address, own_topics, public, **more)
    subprocess.run([sys.executable, "-m", "common.migrate", "lead_capture"], env=environment, check=True)
    admin = {"Authorization": f"Bearer {token}"}
    service = Capture(f"http://127.0.0.1:{port}", admin, kafka, own_topics, environment)
    try:
        service.start()
        yield service
    finally:
        service.stop()
        postgres.drop_database(database_url)


@pytest.fixture(scope="module")
def capture(running: Capture) -> Capture:
    """The running service; a module sees what is on the bus since its own beginning."""
    running.wait_direct()
    running.mark()
    return running
