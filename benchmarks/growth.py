"""What a larger shop costs: latency, memory, start and moves with ten thousand to a million customers.

Analytics alone, on Kafka and PostgreSQL: 5,000 orders a second are put on the log, one in 250 far from the customer's
usual; a trigger's clock runs from the moment planned for its order until it is read from the bus.

    .venv/bin/python -m benchmarks.growth [--sizes 10000 100000 1000000] [--seconds 30] [--rate 5000]
"""

import argparse
import asyncio
import random
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from uuid import UUID

import psutil
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from analytics.events import RAISED, TYPES, Event, What, emission
from benchmarks import population, report, servers
from benchmarks.rows import Row, percentile
from benchmarks.workers import Workers, waited, workers
from common.bus import Message
from common.migrate import upgrade
from common.outbox import message_of
from common.topics import PARTITIONS

SIZES, RATE, SECONDS, WARM_UP = (10_000, 100_000, 1_000_000), 5_000, 30, 15
_SURPRISE_EVERY = 250
_STEP = 0.02
_LAST_SECONDS = 20.0


def run(sizes: Sequence[int] = SIZES, rate: int = RATE, seconds: int = SECONDS) -> list[Row]:
    """One size after the other, each on tables of its own."""
    rows: list[Row] = []
    latencies: list[tuple[float, float]] = []
    with servers.servers() as (kafka, admin), servers.directory() as logs:
        for size in sizes:
            with servers.topics(kafka) as prefix, servers.database(admin) as url:
                upgrade("analytics", url)
                packed = asyncio.run(population.settle(url, size))
                with workers(kafka, prefix, url, logs) as group:
                    found, waits = _measure(group, kafka, prefix, size, rate, seconds)
                    if size == max(sizes):
                        found += _moves(group)
                stored = asyncio.run(population.bytes_per_customer(url, size))
            rows += [*found, *_sizes(size, packed, stored)]
            latencies.append(waits)
    return [*rows, *_spread(latencies)]


def _sizes(size: int, packed: float, stored: float) -> list[Row]:
    return [
        Row.at_most(f"{size:,} customers: packed profile", packed, "bytes", 1024),
        Row.at_most(f"{size:,} customers: in PostgreSQL after VACUUM", stored, "bytes each", 1536),
    ]


def _spread(latencies: Sequence[tuple[float, float]]) -> list[Row]:
    p50, p99 = ([waits[i] for waits in latencies] for i in (0, 1))
    return [
        Row.at_most("slowest / fastest size, p50", max(p50) / min(p50), "×", 1.2),
        Row.at_most("slowest / fastest size, p99", max(p99) / min(p99), "×", 1.2),
    ]


def _measure(
    group: Workers, kafka: str, prefix: str, size: int, rate: int, seconds: int
) -> tuple[list[Row], tuple[float, float]]:
    group.start("one")
    started = group.wait_for("one")
    memory = psutil.Process(group.running["one"].pid).memory_info().rss / 2**20
    waits = asyncio.run(_latency(kafka, prefix, size, rate, seconds))
    p50, p99 = percentile(waits, 0.5) * 1e3, percentile(waits, 0.99) * 1e3
    about = f"{size:,} customers"
    start = (
        Row.at_most(f"{about}: start", started, "s", 15) if size >= 1_000_000 else Row(f"{about}: start", started, "s")
    )
    return [
        start,
        Row(f"{about}: memory of the process once loaded", memory, "MiB"),
        Row(f"{about}: order to trigger on the bus, p50", p50, "ms"),
        Row(f"{about}: order to trigger on the bus, p99", p99, "ms"),
        Row.at_most(f"{about}: triggers that never came", sum(wait == float("inf") for wait in waits), "", 0),
    ], (p50, p99)


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


async def _latency(kafka: str, prefix: str, size: int, rate: int, seconds: int) -> list[float]:
    """Seconds from the planned moment of each surprising order to its trigger; infinite for one that never came."""
    consumer = AIOKafkaConsumer(f"{prefix}.triggers", bootstrap_servers=kafka, auto_offset_reset="earliest")
    await consumer.start()
    arrived: dict[str, float] = {}
    listening = asyncio.create_task(_listen(consumer, arrived))
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        asked = asyncio.get_running_loop().run_in_executor(pool, _send, kafka, prefix, size, rate, seconds)
        planned: dict[str, float] = await asked
    until = time.monotonic() + _LAST_SECONDS
    while planned.keys() - arrived.keys() and time.monotonic() < until:  # noqa: ASYNC110 - another process says it
        await asyncio.sleep(0.1)
    listening.cancel()
    with suppress(asyncio.CancelledError):
        await listening
    await consumer.stop()
    return [arrived.get(customer, float("inf")) - moment for customer, moment in planned.items()]


async def _listen(consumer: AIOKafkaConsumer, arrived: dict[str, float]) -> None:
    async for record in consumer:
        if dict(record.headers)["ce_type"] == RAISED.encode() and b'"spend_deviation"' in record.value:
            arrived.setdefault(record.key.decode(), time.time())


def _send(kafka: str, prefix: str, size: int, rate: int, seconds: int) -> dict[str, float]:
    return uvloop.run(_open_loop(kafka, prefix, size, rate, seconds))


async def _open_loop(kafka: str, prefix: str, size: int, rate: int, seconds: int) -> dict[str, float]:
    """Sends at the planned moments whatever happens. Returns the planned moment of each surprising order."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka, linger_ms=2, acks="all")
    await producer.start()
    r, planned, opens = random.Random(size), dict[str, float](), time.time() + 0.5
    surprised, sent, topic = iter(range(size)), 0, f"{prefix}.customer-facts"
    while sent < rate * (seconds + WARM_UP):
        await asyncio.sleep(_STEP)
        while sent < min((time.time() - opens) * rate, rate * (seconds + WARM_UP)):
            at, surprising = opens + sent / rate, sent % _SURPRISE_EVERY == 0
            customer = population.key_of(next(surprised) if surprising else r.randrange(size // 2, size))
            amount = population.USUAL * (25 if surprising else r.uniform(0.9, 1.1))
            if surprising and at > opens + WARM_UP:
                planned[customer] = at
            if sent % rate == 0:
                for partition in range(PARTITIONS):
                    await _put(producer, _message(topic, Event(What.TICK, f"t{sent}", "", at - 3, at), partition))
            event = population.order(customer, str(UUID(int=(size << 64) + sent)), at, amount)
            await _put(producer, _message(topic, event, population.partition_of(customer)))
            sent += 1
    await producer.stop()
    return planned


def _message(topic: str, event: Event, partition: int) -> Message:
    data = {**event.data, "total": f"{event.amount / 10_000:.2f}", "currency": event.currency}
    return message_of(topic, emission(TYPES[event.what], event.customer, data, event, event.time, event.id), partition)


async def _put(producer: AIOKafkaProducer, message: Message) -> None:
    await producer.send(
        message.topic, message.value, message.key.encode(), partition=message.partition, headers=list(message.headers)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--seconds", type=int, default=SECONDS)
    parser.add_argument("--rate", type=int, default=RATE)
    asked = parser.parse_args()
    report.show("growth", run(asked.sizes, asked.rate, asked.seconds))


if __name__ == "__main__":
    main()
