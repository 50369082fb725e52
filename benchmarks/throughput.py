"""How many orders a second analytics carries with all operators on, end to end: one process, then two.

The log is filled first: orders of one line by customers with a dozen orders each, and the ticks of those days. What is
counted is what is committed, from when the processes share the twelve partitions until nine tenths are done. The plain
loop folds the same records, decoded, in this process, without a bus or a database.

    .venv/bin/python -m benchmarks.throughput [--orders 200000]
"""

import argparse
import asyncio
import random
import time
from collections.abc import Iterator
from uuid import UUID

import asyncpg
import psutil
import uvloop
from aiokafka import AIOKafkaProducer

from analytics.events import TYPES, Event, What, decode, emission
from analytics.fold import OUTAGE_SECONDS, Fold
from analytics.orders import DAY
from benchmarks import population, report, servers
from benchmarks.peers.workload import spare_collections
from benchmarks.rows import Row
from benchmarks.workers import Workers, waited, workers
from common.bus import Message
from common.migrate import upgrade
from common.outbox import message_of
from common.testing.bus import StoredRecord
from common.topics import PARTITIONS
from heed.platform.databases import dsn
from heed.platform.testing import own_topics

ORDERS, CUSTOMERS, DAYS = 200_000, 20_000, 10
_COMMITTED = "SELECT sum(next_offset) FROM tasks"
_PROFILES = "SELECT customer, partition, packed FROM profiles"
_PLAIN = 10  # one order in so many is folded in the plain loop
_DONE = 0.9


def run(orders: int = ORDERS) -> list[Row]:
    """The plain loop, one process, two processes."""
    messages = list(_messages(orders))
    with servers.servers() as (kafka, admin), servers.directory() as logs:
        with servers.database(admin) as url:
            upgrade("analytics", url)
            asyncio.run(population.settle(url, CUSTOMERS))
            plain = asyncio.run(_plain(url, messages))
        rates, loads = [], []
        for names in (("one",), ("one", "two")):
            with own_topics(kafka) as prefix, servers.database(admin) as url:
                upgrade("analytics", url)
                asyncio.run(population.settle(url, CUSTOMERS))
                uvloop.run(_fill(kafka, f"{prefix}.customer-facts", messages))
                with workers(kafka, prefix, url, logs) as group:
                    rate, load = asyncio.run(_carried(group, url, names, orders, len(messages)))
                rates.append(rate)
                loads.append(load)
    return [
        Row("plain loop over the same operators", plain, "orders/s"),
        Row.at_least("one process, Kafka to commit", rates[0], "orders/s", 8_000),
        Row.at_least("one process / plain loop", rates[0] / plain, "×", 0.3),
        Row("cores busy meanwhile", loads[0], ""),
        Row("two processes sharing the partitions", rates[1], "orders/s"),
        Row("two processes / one", rates[1] / rates[0], "×"),
        Row("cores busy meanwhile, of all there are", loads[1], f"of {psutil.cpu_count()}"),
    ]


def _messages(orders: int) -> Iterator[Message]:
    """Orders and ticks as they follow each other on the log; the topic is filled in later."""
    r, opens = random.Random(9), time.time() - DAYS * DAY
    due = opens
    for n in range(orders):
        at = opens + n * DAYS * DAY / orders
        while due <= at:
            tick = Event(What.TICK, f"t{due}", "", due, due)
            yield from (_message(tick, partition) for partition in range(PARTITIONS))
            due += OUTAGE_SECONDS
        customer = population.key_of(r.randrange(CUSTOMERS))
        event = population.order(customer, str(UUID(int=(7 << 64) + n)), at, population.USUAL * r.uniform(0.8, 1.2))
        yield _message(event, population.partition_of(customer))


def _message(event: Event, partition: int) -> Message:
    data = {**event.data, "total": f"{event.amount / 10_000:.2f}", "currency": event.currency} if event.customer else {}
    said = emission(TYPES[event.what], event.customer, data, event, event.time, event.id)
    return message_of("", said, partition)


async def _fill(kafka: str, topic: str, messages: list[Message]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka, linger_ms=5, acks="all")
    await producer.start()
    for m in messages:
        await producer.send(topic, m.value, m.key.encode() or None, partition=m.partition, headers=list(m.headers))
    await producer.stop()


async def _plain(url: str, messages: list[Message]) -> float:
    """Orders a second of a fold that is given one partition after the other."""
    folds = {partition: Fold(partition) for partition in range(PARTITIONS)}
    connection = await asyncpg.connect(dsn(url))
    for customer, partition, packed in await connection.fetch(_PROFILES):
        folds[partition].load([(customer, packed, None)])
    await connection.close()
    some = enumerate(messages[: len(messages) // _PLAIN])
    records = [
        StoredRecord("", m.partition or 0, n, m.key.encode() or None, m.value, tuple(m.headers)) for n, m in some
    ]
    spare_collections()
    orders, began = 0, time.perf_counter()
    for record in records:
        event = decode(record)
        assert event is not None
        folds[record.partition].apply(event)
        orders += event.what is What.ORDER
    return orders / (time.perf_counter() - began)


async def _carried(group: Workers, url: str, names: tuple[str, ...], orders: int, records: int) -> tuple[float, float]:
    """Orders a second, and how many cores were busy."""
    for name in names:
        group.start(name)
    waited(lambda: all(group.partitions(name) == PARTITIONS // len(names) for name in names))
    connection = await asyncpg.connect(dsn(url))
    psutil.cpu_percent()
    first, began = await connection.fetchval(_COMMITTED), time.perf_counter()
    while (done := await connection.fetchval(_COMMITTED)) < _DONE * records:  # noqa: ASYNC110 - it has to be asked for
        await asyncio.sleep(0.05)
    rate = float(done - first) / (time.perf_counter() - began) * orders / records
    load = psutil.cpu_percent() / 100 * (psutil.cpu_count() or 1)
    await connection.close()
    return rate, load


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=ORDERS)
    report.show("throughput", run(parser.parse_args().orders))


if __name__ == "__main__":
    main()
