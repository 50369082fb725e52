"""contact: facts a second from the bus to people and timelines, and how long a search among 100,000 people takes.

    .venv/bin/python -m benchmarks.contacts [--facts 20000] [--people 100000] [--rate 500] [--seconds 10]

One process of the service, its relay and its own facts included. Uses the broker and database of HEED_TEST_KAFKA and
HEED_TEST_POSTGRES_URL where set, else starts its own.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from random import Random
from typing import Any

from sqlalchemy import text

from benchmarks import report, servers
from benchmarks.rows import Row
from common import topics
from common.application import Application
from common.bus import KafkaPublisher, Message
from common.envelope import Envelope
from common.keys import entity_key
from common.migrate import upgrade
from contact.main import build
from contact.search import search
from contact.settings import Settings
from heed.platform.testing import PostgresAdmin, own_topics

FACTS, PEOPLE, RATE, SECONDS = 20_000, 100_000, 500, 10
START = datetime(2026, 3, 1, tzinfo=UTC)
BATCH = 2_000
TYPED = ("ada byron", "smith", "Jonson", "ann", "b", "example.com", "7946 0018", "u41", "analytcal")


def facts(count: int) -> Iterator[Envelope]:
    """Three in four page views, the rest orders and identifications; ten facts a customer, some first anonymous."""
    random = Random(7)
    for number in range(count):
        customer, moment = random.randrange(max(1, count // 10)), START + timedelta(seconds=number)
        known = {"user_id": f"u{customer}", "email": f"u{customer}@example.com"}
        visit = {"anonymous_id": f"b{customer}"}
        identifiers = {**known, **visit} if random.random() < 0.4 else visit if random.random() < 0.3 else known
        strongest = next(iter(identifiers.items()))
        type_, data = some_data(random, number)
        key = entity_key("c", *strongest)
        body = {"identifiers": identifiers, "source": "bench", **data}
        yield Envelope(type_, "/heed/lead_capture", key, body, moment, moment)


def some_data(random: Random, number: int) -> tuple[str, dict[str, Any]]:
    if random.random() < 0.15:
        items = [{"sku": f"A{n}", "name": "Heart", "quantity": 1, "unit_price": "5.00"} for n in range(4)]
        order = {"order_id": f"o{number}", "currency": "GBP", "total": "20.00", "items": items, "channel": "pos"}
        return "heed.order.placed.v1", order
    kind = "identify" if random.random() < 0.1 else "page"
    traits = {"name": f"Ada {number % 977}"} if kind == "identify" else {}
    properties = {"path": f"/products/{number % 977}", "title": "A fine product"}
    touch = {"kind": kind, "name": "Product", "properties": properties, "traits": traits}
    return "heed.touchpoint.captured.v1", touch


async def publish(kafka: str, topic: str, count: int, per_second: int | None = None) -> None:
    """All at once, or so many a second."""
    publisher = KafkaPublisher(kafka, linger_ms=5)
    messages = [Message(topic, fact.key, fact.value(), fact.headers()) for fact in facts(count)]
    size, begun = (max(1, per_second // 100) if per_second else BATCH), time.perf_counter()
    for start in range(0, count, size):
        if per_second:
            await asyncio.sleep(max(0.0, begun + start / per_second - time.perf_counter()))
        await publisher.publish(messages[start : start + size])
    await publisher.stop()


def publish_apart(kafka: str, topic: str, count: int, per_second: int) -> None:
    asyncio.run(publish(kafka, topic, count, per_second))


async def steady(settings: Settings, per_second: int, seconds: int) -> list[Row]:
    """What a steady rate of facts takes of a processor."""
    app, count = build(settings), per_second * seconds
    arguments = (settings.kafka_bootstrap_servers, settings.topic(topics.CUSTOMER_FACTS), count, per_second)
    async with app.http.router.lifespan_context(app.http):
        await asyncio.sleep(2)
        source = get_context("spawn").Process(target=publish_apart, args=arguments)
        started, worked = time.perf_counter(), time.process_time()
        source.start()
        await settled(app, count)
        took, busy = time.perf_counter() - started, time.process_time() - worked
        source.join()
    return [Row(f"processor at {per_second:,} facts/s", 100 * busy / took, "% of a core")]


async def flood(settings: Settings, count: int) -> list[Row]:
    """How fast facts that wait on the bus become people and lines."""
    await publish(settings.kafka_bootstrap_servers, settings.topic(topics.CUSTOMER_FACTS), count)
    app = build(settings)
    started, worked = time.perf_counter(), time.process_time()
    async with app.http.router.lifespan_context(app.http):
        await settled(app, count)
        took, busy = time.perf_counter() - started, time.process_time() - worked
        lines = await counted(app)
    return [
        Row("facts on the timeline, its own included", lines / took, "facts/s"),
        Row("the same per second of its processor time", lines / busy, "facts/s"),
    ]


async def settled(app: Application, count: int) -> None:
    """Until all facts, and the service's own that they caused, are lines."""
    while True:
        await asyncio.sleep(0.2)
        async with app.database.transaction() as session:
            captured = "SELECT count(*) FROM timeline WHERE type NOT LIKE 'heed.contact.%'"
            waiting = (await session.execute(text("SELECT count(*) FROM outbox"))).scalar_one()
            if waiting == 0 and (await session.execute(text(captured))).scalar_one() == count:
                return


async def counted(app: Application) -> int:
    async with app.database.transaction() as session:
        return int((await session.execute(text("SELECT count(*) FROM timeline"))).scalar_one())


async def searches(settings: Settings, count: int) -> list[Row]:
    """How long a page of results takes."""
    app = build(settings)
    async with app.database.transaction() as session:
        await session.execute(
            text(
                """INSERT INTO contacts (id, name, email, phone, created_at, search)
                SELECT 'c_bench' || n, name, 'u' || n || '@example.com', '+4420' || n, now() - n * interval '1 s',
                       lower(name || ' u' || n || '@example.com +4420794' || n || ' ' || company)
                FROM (SELECT n, (ARRAY['Ada','Bob','Ann','Mary','Zoe','Ian','Kim'])[1 + n % 7] || ' '
                             || (ARRAY['Byron','Smith','Johnson','Anders','Moore','Lee','Young','Hill','Scott',
                                       'Green','Baker'])[1 + n % 11] AS name,
                             (ARRAY['Analytical Engines','Acme','Globex','Initech','Hooli'])[1 + n % 5] AS company
                      FROM generate_series(1, :count) AS n) AS made"""
            ),
            {"count": count},
        )
        await session.execute(text("ANALYZE contacts"))
    rows = []
    for typed in TYPED:
        times = []
        for _ in range(5):
            async with app.database.transaction() as session:
                started = time.perf_counter()
                await search(session, typed, 20, None)
                times.append((time.perf_counter() - started) * 1e3)
        rows.append(Row(f"search for “{typed}” among {count:,}", statistics.median(times), "ms"))
    await app.database.close()
    return rows


def run(facts: int = FACTS, people: int = PEOPLE, rate: int = RATE, seconds: int = SECONDS) -> list[Row]:
    with servers.servers() as (kafka, admin):
        with _settings(kafka, admin) as settings:
            rows = [*asyncio.run(flood(settings, facts)), *asyncio.run(searches(settings, people))]
        with _settings(kafka, admin) as settings:
            return [*rows, *asyncio.run(steady(settings, rate, seconds))]


@contextmanager
def _settings(kafka: str, admin: PostgresAdmin) -> Iterator[Settings]:
    """Topics and a database of its own."""
    with own_topics(kafka) as prefix, servers.database(admin) as database:
        upgrade("contact", database)
        settings = Settings(database_url=database, log_level="ERROR")
        yield settings.model_copy(update={"kafka_bootstrap_servers": kafka, "topic_prefix": prefix})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facts", type=int, default=FACTS)
    parser.add_argument("--people", type=int, default=PEOPLE)
    parser.add_argument("--rate", type=int, default=RATE, help="facts a second of the steady run")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="length of the steady run")
    given = parser.parse_args()
    report.show("contacts", run(given.facts, given.people, given.rate, given.seconds))


if __name__ == "__main__":
    main()
