"""What a larger shop costs: latency, memory, start and moves with ten thousand to a million customers.

Analytics alone, on Kafka and PostgreSQL. To get warm it folds an order or more of every active customer: what ends
their silence teaches, those after it, minutes later, do not. When that is worked off, 5,000 orders a second are put on
the log, one in 250 far from the customer's usual; a trigger's clock runs from the moment planned for its order until it
is read from the bus. The sizes take turns, and of each the middle one of its rounds counts, two seconds before it left
out: a machine that others use as well is not the same for minutes, and its disk stands still for half a second now and
then.

    .venv/bin/python -m benchmarks.growth [--sizes 10000 100000 1000000] [--seconds 15] [--rate 5000]
"""

import argparse
import asyncio
import math
import random
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID

import psutil
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder

from analytics.events import RAISED, TYPES, Event, What, emission
from benchmarks import population, report, servers
from benchmarks.rows import Row, percentile
from benchmarks.workers import Workers, waited, workers
from common.bus import Message
from common.migrate import upgrade
from common.outbox import message_of
from common.topics import PARTITIONS
from heed.platform.testing import PostgresAdmin, own_topics

SIZES, RATE, SECONDS, ROUNDS = (10_000, 100_000, 1_000_000), 5_000, 15, 11
_SETTLING_SECONDS = 2  # before each round: a shop that rested while the others had their turns is not warm
_SURPRISE_EVERY = 250
_STEP = 0.02
_BATCH_BYTES = 256 * 1024
_WARM_SECONDS = 15
_IDLE_PERCENT = 15.0
_LAST_SECONDS = 20.0


def run(sizes: Sequence[int] = SIZES, rate: int = RATE, seconds: int = SECONDS) -> list[Row]:
    """All sizes at once on tables and topics of their own, under load one after the other."""
    with ExitStack() as stack:
        kafka, admin = stack.enter_context(servers.servers())
        logs = stack.enter_context(servers.directory())
        shops = [stack.enter_context(_opened(kafka, admin, logs / str(size), size, rate)) for size in sizes]
        for _ in range(ROUNDS):
            for shop in shops:
                shop.measure(rate, seconds)
        moved = _moves(max(shops, key=lambda shop: shop.size).group)
        return [*(row for shop in shops for row in shop.rows()), *moved, *_spread(shops)]


@dataclass
class _Shop:
    """One size with its process: bytes a customer, packed and in the table, before anybody orders; seconds to its
    start, MiB after it, how many orders were sent, what triggers took in each round (seconds), how many never came.
    """

    size: int
    kafka: str
    prefix: str
    url: str
    group: Workers
    packed: float
    stored: float
    started: float
    memory: float
    sent: int = 0
    rounds: list[list[float]] = field(default_factory=list)
    lost: int = 0

    def warm(self, rate: int) -> None:
        seconds = max(_WARM_SECONDS, self.size // 2 // rate)
        _sent(self.kafka, self.prefix, self.size, rate, seconds, self.sent)
        self.sent += rate * seconds
        waited(lambda: psutil.Process(self.group.running["one"].pid).cpu_percent(interval=1.0) < _IDLE_PERCENT)

    def measure(self, rate: int, seconds: int) -> None:
        seconds += _SETTLING_SECONDS
        waits = asyncio.run(_latency(self.kafka, self.prefix, self.size, rate, seconds, self.sent))
        self.lost += waits.count(math.inf)
        self.rounds.append(waits[_SETTLING_SECONDS * rate // _SURPRISE_EVERY :])
        self.sent += rate * seconds

    def wait(self, share: float) -> float:
        """Milliseconds: this share's of the middle round."""
        return median(percentile(waits, share) for waits in self.rounds) * 1e3

    def rows(self) -> list[Row]:
        about = f"{self.size:,} customers"
        slowest = max(percentile(waits, 0.99) for waits in self.rounds) * 1e3
        asyncio.run(population.execute(self.url, "VACUUM FULL profiles"))
        grown, orders = asyncio.run(population.bytes_per_customer(self.url, self.size)), self.sent * 2 // self.size
        return [
            Row.at_most(f"{about}: start", self.started, "s", 15),
            Row(f"{about}: memory of the process once loaded", self.memory, "MiB"),
            Row(f"{about}: order to trigger on the bus, p50", self.wait(0.5), "ms"),
            Row(f"{about}: order to trigger on the bus, p99", self.wait(0.99), "ms"),
            Row(f"{about}: p99 of the slowest round", slowest, "ms"),
            Row.at_most(f"{about}: triggers that never came", self.lost, "", 0),
            Row.at_most(f"{about}: packed profile", self.packed, "bytes", 1024),
            Row.at_most(f"{about}: in PostgreSQL after VACUUM", self.stored, "bytes each", 1536),
            Row(f"{about}: the same when half of them ordered {orders:,} times more", grown, "bytes each"),
        ]


@contextmanager
def _opened(kafka: str, admin: PostgresAdmin, logs: Path, size: int, rate: int) -> Iterator[_Shop]:
    """Started and warm."""
    logs.mkdir()
    with own_topics(kafka) as prefix, servers.database(admin) as url:
        upgrade("analytics", url)
        packed = asyncio.run(population.settle(url, size))
        stored = asyncio.run(population.bytes_per_customer(url, size))
        # What filling the tables left to be written and to be removed is done before the load.
        asyncio.run(population.execute(admin.url, "CHECKPOINT"))
        with workers(kafka, prefix, url, logs) as group:
            group.start("one")
            started = group.wait_for("one")
            memory = psutil.Process(group.running["one"].pid).memory_info().rss / 2**20
            shop = _Shop(size, kafka, prefix, url, group, packed, stored, started, memory)
            shop.warm(rate)
            yield shop


def _spread(shops: Sequence[_Shop]) -> list[Row]:
    found = []
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        waits = [shop.wait(share) for shop in shops]
        found.append(Row.at_most(f"slowest / fastest size, {name}", max(waits) / min(waits), "×", 1.2))
    return found


def _moves(group: Workers) -> list[Row]:
    """Two share the partitions; one leaves as planned, later one is killed."""
    found = []
    for kill, name, most in ((False, "planned", 3.0), (True, "after SIGKILL", 15.0)):
        group.start("two")
        group.wait_for("two", PARTITIONS // 2)
        group.wait_for("one", PARTITIONS // 2)
        began = time.monotonic()
        group.end("two", kill=kill)
        waited(lambda: group.partitions("one") == PARTITIONS)
        found.append(Row.at_most(f"partitions moved, {name}", time.monotonic() - began, "s", most))
    return found


async def _latency(kafka: str, prefix: str, size: int, rate: int, seconds: int, after: int) -> list[float]:
    """Seconds from the planned moment of each surprising order, in turn, to its trigger; infinite where none came."""
    consumer = AIOKafkaConsumer(f"{prefix}.triggers", bootstrap_servers=kafka, auto_offset_reset="latest")
    await consumer.start()
    arrived: dict[str, float] = {}
    listening = asyncio.create_task(_listen(consumer, arrived))
    planned = await asyncio.to_thread(_sent, kafka, prefix, size, rate, seconds, after)
    until = time.monotonic() + _LAST_SECONDS
    while planned.keys() - arrived.keys() and time.monotonic() < until:  # noqa: ASYNC110 - another process says it
        await asyncio.sleep(0.1)
    listening.cancel()
    with suppress(asyncio.CancelledError):
        await listening
    await consumer.stop()
    return [arrived.get(customer, math.inf) - moment for customer, moment in planned.items()]


async def _listen(consumer: AIOKafkaConsumer, arrived: dict[str, float]) -> None:
    async for record in consumer:
        if dict(record.headers)["ce_type"] == RAISED.encode() and b'"spend_deviation"' in record.value:
            arrived.setdefault(record.key.decode(), time.time())


def _sent(*asked: Any) -> dict[str, float]:
    """Has a process of its own send a load. Returns the planned moment of each surprising order."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_send, *asked).result()


def _send(*asked: Any) -> dict[str, float]:
    return uvloop.run(_open_loop(*asked))


async def _open_loop(kafka: str, prefix: str, size: int, rate: int, seconds: int, after: int) -> dict[str, float]:
    """Sends at the planned moments whatever happens."""
    producer, topic = AIOKafkaProducer(bootstrap_servers=kafka, max_batch_size=_BATCH_BYTES), f"{prefix}.customer-facts"
    await producer.start()
    load = _Load(producer, topic, size, rate, seconds, after)
    opens = time.time() + 0.5
    for step in sorted(load.steps):
        await asyncio.sleep(opens + (step + 1) * _STEP - time.time())
        for partition, batch in load.steps[step].items():
            await producer.send_batch(batch, topic, partition=partition)
    await producer.stop()
    return {customer: opens + late for customer, late in load.surprises.items()}


class _Load:
    """Orders and ticks, encoded beforehand: a generator that encodes while it sends is late for want of processor long
    before analytics is. `steps` holds a batch for each partition by the step it is sent at the end of, `surprises` the
    seconds from the start to each surprising order. `after` orders were sent before these.
    """

    def __init__(self, producer: AIOKafkaProducer, topic: str, size: int, rate: int, seconds: int, after: int) -> None:
        self._producer, self._topic, self._size = producer, topic, size
        self.steps: dict[int, dict[int, BatchBuilder]] = defaultdict(dict)
        self.surprises: dict[str, float] = {}
        self._r, self._began = random.Random(size), time.time()
        for n in range(rate * seconds):
            if n % rate == 0:
                self._tick(n / rate)
            self._order(after + n, n / rate)

    def _tick(self, late: float) -> None:
        at = self._began + late
        for partition in range(PARTITIONS):
            self._put(late, Event(What.TICK, f"t{at}", "", at - 3, at), partition)

    def _order(self, n: int, late: float) -> None:
        """One in 250 is surprising, each of another customer of the first half; the others take turns in the second."""
        surprising, half = n % _SURPRISE_EVERY == 0, self._size // 2
        customer = population.key_of(n // _SURPRISE_EVERY if surprising else half + n % half)
        amount = population.USUAL * (25 if surprising else self._r.uniform(0.9, 1.1))
        if surprising:
            self.surprises[customer] = late
        event = population.order(customer, str(UUID(int=(self._size << 64) + n)), self._began + late, amount)
        self._put(late, event, population.partition_of(customer))

    def _put(self, late: float, event: Event, partition: int) -> None:
        message, batches = _message(self._topic, event, partition), self.steps[int(late / _STEP)]
        if partition not in batches:
            batches[partition] = self._producer.create_batch()
        told = {"key": message.key.encode(), "value": message.value, "headers": list(message.headers)}
        if batches[partition].append(timestamp=None, **told) is None:
            raise ValueError("more than a batch holds falls into one step: send at a lower rate")


def _message(topic: str, event: Event, partition: int) -> Message:
    data = {**event.data, "total": f"{event.amount / 10_000:.2f}", "currency": event.currency}
    return message_of(topic, emission(TYPES[event.what], event.customer, data, event, event.time, event.id), partition)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--seconds", type=int, default=SECONDS)
    parser.add_argument("--rate", type=int, default=RATE)
    asked = parser.parse_args()
    report.show("growth", run(asked.sizes, asked.rate, asked.seconds))


if __name__ == "__main__":
    main()
