"""Many customers who have bought before, put into analytics' tables as a checkpoint would have left them."""

import random
import time
from collections.abc import Iterator
from itertools import cycle

import asyncpg
from aiokafka.partitioner import murmur2

from analytics.events import Event, What
from analytics.fold import Fold
from analytics.orders import DAY
from common.topics import PARTITIONS
from heed.platform.databases import dsn

USUAL = 40.0
_TEMPLATES = 2_000
_ORDERS = 12
_BYTES = "SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('profiles')"


def key_of(number: int) -> str:
    return f"c_{number:026d}"


def partition_of(key: str) -> int:
    """Where Kafka's producers put a key."""
    return int((murmur2(key.encode()) & 0x7FFFFFFF) % PARTITIONS)


def order(customer: str, id_: str, at: float, amount: float = USUAL) -> Event:
    items = [{"sku": f"s{int(at) % 400}", "quantity": 1, "unit_price": f"{amount:.2f}"}]
    data = {"items": items, "channel": "web", "source": "shop", "order_id": id_}
    return Event(What.ORDER, id_, customer, at, at, 0.0, round(amount * 10_000), "GBP", data=data)


def templates() -> tuple[list[bytes], bytes]:
    """Packed profiles of customers with a dozen orders, and the state of the task that folded them."""
    r, fold, now = random.Random(4), Fold(0), time.time()
    events = []
    for n in range(_TEMPLATES):
        gap = r.uniform(5, 9) * DAY
        first = now - r.random() * gap - (_ORDERS - 1) * gap
        events += [order(f"c{n}", f"{n}-{i}", first + i * gap, USUAL * r.uniform(0.9, 1.1)) for i in range(_ORDERS)]
    for event in sorted(events, key=lambda event: event.time):
        fold.apply(event)
    fold.apply(Event(What.TICK, "t", "", now, now))
    changes = fold.take_changes()
    return [changes.profiles[customer] for customer in sorted(changes.profiles)], fold.state()


async def settle(url: str, customers: int) -> float:
    """Fills profiles and tasks. Returns the mean size of a packed profile, in bytes."""
    packed, state = templates()
    connection = await asyncpg.connect(dsn(url))
    try:
        await connection.execute("TRUNCATE profiles, tasks, pending_examples, seen, triggers, decisions, outbox")
        for start in range(0, customers, 50_000):
            records = list(_records(start, min(customers, start + 50_000), packed))
            await connection.copy_records_to_table(
                "profiles", records=records, columns=("customer", "partition", "packed")
            )
        for partition in range(PARTITIONS):
            row = "INSERT INTO tasks (partition, owner_token, next_offset, state) VALUES ($1, '', 0, $2)"
            await connection.execute(row, partition, state)
        # The second one leaves nothing to do for the server's own, which would rewrite all of it under load.
        await connection.execute("VACUUM FULL profiles")
        await connection.execute("VACUUM FREEZE ANALYZE profiles")
    finally:
        await connection.close()
    return sum(map(len, packed)) / len(packed)


async def execute(url: str, statement: str) -> None:
    """A statement outside any transaction, over a connection of its own."""
    connection = await asyncpg.connect(dsn(url))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def bytes_per_customer(url: str, customers: int) -> float:
    """Of the table with its indexes."""
    connection = await asyncpg.connect(dsn(url))
    try:
        return float(await connection.fetchval(_BYTES)) / customers
    finally:
        await connection.close()


def _records(start: int, end: int, packed: list[bytes]) -> Iterator[tuple[str, int, bytes]]:
    for number, profile in zip(range(start, end), cycle(packed), strict=False):
        key = key_of(number)
        yield key, partition_of(key), profile
