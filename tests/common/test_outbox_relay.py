"""What is committed with its rows reaches the bus: in order per key, at least once, soon."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from sqlalchemy import func, make_url, select

from common.bus import KafkaPublisher, Message
from common.database import Database
from common.envelope import decode
from common.failures import TransientError
from common.outbox import OUTBOX, UNKEYED, emit, message_of, put_by
from common.relay import Relay
from common.testing.bus import MemoryBus
from common.testing.effects import fact
from heed.platform.databases import dsn
from heed.platform.testing import PostgresAdmin


async def _left(database: Database) -> int:
    async with database.transaction() as session:
        return (await session.execute(select(func.count()).select_from(OUTBOX))).scalar_one()


async def _emit(database: Database, topic: str, *numbers: int, key: str = "c_1") -> None:
    async with database.transaction() as session:
        await emit(session, topic, [fact(number, key) for number in numbers])


@asynccontextmanager
async def _running(*relays: Relay) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(relay.run()) for relay in relays]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Watched:
    """A publisher that calls back after each acknowledged batch."""

    def __init__(self, inner: MemoryBus, after: Any) -> None:
        self._inner, self._after = inner, after

    async def publish(self, messages: Sequence[Message]) -> None:
        await self._inner.publish(messages)
        await self._after()


class Held:
    """Holds a publisher up after its first batch until `go_on` is set."""

    def __init__(self) -> None:
        self.inside, self.go_on = asyncio.Event(), asyncio.Event()

    async def __call__(self) -> None:
        self.inside.set()
        await self.go_on.wait()


async def test_what_was_rolled_back_is_never_said(database: Database) -> None:
    bus = MemoryBus({"facts": 4})

    async def fail() -> None:
        async with database.transaction() as session:
            await emit(session, "facts", [fact(1)])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    await _emit(database, "facts", 2)
    assert await Relay(database, bus).drain_once() == 1
    assert [envelope.id for envelope in bus.envelopes("facts")] == ["c_1-2"]
    assert await _left(database) == 0


async def test_an_envelope_arrives_as_it_was_emitted(database: Database) -> None:
    bus = MemoryBus({"facts": 4})
    async with database.transaction() as session:
        await emit(session, "facts", [fact(1, text="é\u2028")])
    await Relay(database, bus).drain_once()
    assert bus.envelopes("facts") == [fact(1, text="é\u2028")]


async def test_a_crash_between_the_ack_and_the_delete_repeats_but_keeps_the_order(database: Database) -> None:
    bus = MemoryBus({"facts": 4})

    async def crash() -> None:
        raise SystemError("killed")

    await _emit(database, "facts", 1, 2, 3)
    with pytest.raises(SystemError):
        await Relay(database, Watched(bus, crash)).drain_once()
    assert await _left(database) == 3
    await _emit(database, "facts", 4)
    await Relay(database, bus).drain_once()
    numbers = [envelope.data["number"] for envelope in bus.envelopes("facts")]
    assert numbers == [1, 2, 3, 1, 2, 3, 4]
    assert await _left(database) == 0


async def test_while_the_bus_is_away_rows_wait(database: Database) -> None:
    bus = MemoryBus({"facts": 4})
    bus.away = True
    await _emit(database, "facts", 1)
    with pytest.raises(TransientError):
        await Relay(database, bus).drain_once()
    assert await _left(database) == 1
    bus.away = False
    assert await Relay(database, bus).drain_once() == 1


async def test_several_relays_keep_the_order_of_each_key(
    database: Database, kafka: str, new_topic: Any, read_topic: Any
) -> None:
    topic = await new_topic(4)
    publishers = [KafkaPublisher(kafka) for _ in range(3)]
    keys = [f"c_{n}" for n in range(12)]

    async def write(key: str) -> None:
        for number in range(25):
            await _emit(database, topic, number, key=key)

    async with _running(*(Relay(database, publisher) for publisher in publishers)):
        await asyncio.gather(*(write(key) for key in keys))
        records = await read_topic(topic, len(keys) * 25)
    for publisher in publishers:
        await publisher.stop()
    said = defaultdict(list)
    for record in records:
        envelope = decode(record.key, record.headers, record.value)
        said[envelope.key].append(envelope.data["number"])
    assert said == {key: list(range(25)) for key in keys}
    assert await _left(database) == 0


async def test_only_one_relay_works_on_a_slice(database: Database) -> None:
    bus, held = MemoryBus({"facts": 4}), Held()
    await _emit(database, "facts", 1)
    first = asyncio.create_task(Relay(database, Watched(bus, held)).drain_once())
    await held.inside.wait()
    await _emit(database, "facts", 2)
    assert await Relay(database, bus).drain_once() == 0, "the other holds the locks"
    held.go_on.set()
    assert await first == 1
    assert await Relay(database, bus).drain_once() == 1
    assert [envelope.data["number"] for envelope in bus.envelopes("facts")] == [1, 2]


async def test_what_is_nobodys_holds_up_nothing(database: Database) -> None:
    bus, held = MemoryBus({"facts": 4}), Held()
    for number in (1, 2):
        await _emit(database, "facts", number, key="")
    slow = asyncio.create_task(Relay(database, Watched(bus, held), lane=UNKEYED).drain_once())
    await held.inside.wait()
    await _emit(database, "facts", 3)
    assert await Relay(database, bus).drain_once() == 1
    held.go_on.set()
    assert await slow == 2
    assert await _left(database) == 0


async def test_a_commit_that_waits_for_the_disk_holds_up_no_other(
    database: Database, postgres: PostgresAdmin, eventually: Any
) -> None:
    """Notifying within the transaction, the second, which does not wait for the disk itself, would wait for the first
    one's, and be done after it.
    """
    own = make_url(database.url).database
    slow, quick, watching = [await asyncpg.connect(dsn(postgres.url), database=own) for _ in range(3)]
    await slow.execute("SET commit_siblings = 0; SET commit_delay = 100000")
    await quick.execute("SET synchronous_commit = off")

    async def emit_by(connection: asyncpg.Connection) -> None:
        async with connection.transaction():
            await put_by(connection, [message_of("facts", fact(1))])

    async def is_committing() -> bool:
        state = "SELECT query = 'COMMIT;' AND state = 'active' FROM pg_stat_activity WHERE pid = $1"
        return bool(await watching.fetchval(state, slow.get_server_pid()))

    async def overtakes() -> bool:
        first = asyncio.create_task(emit_by(slow))
        await eventually(is_committing)
        await emit_by(quick)
        overtaken = not first.done()
        await first
        return overtaken

    try:
        assert any([await overtakes() for _ in range(5)])
    finally:
        for connection in (slow, quick, watching):
            await connection.close()


async def test_a_commit_wakes_the_relay(database: Database) -> None:
    """Without the alarm a fact would wait for the poll, half a second on average."""
    bus = MemoryBus({"facts": 4})
    waits = []
    async with _running(Relay(database, bus)):
        for number in range(10):
            started = time.perf_counter()
            await _emit(database, "facts", number)
            while len(bus.records("facts")) <= number:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
            waits.append(time.perf_counter() - started)
    assert sorted(waits)[5] < 0.2


async def test_the_relay_outlives_the_bus(database: Database, eventually: Any) -> None:
    bus = MemoryBus({"facts": 4})
    bus.away = True

    async def said() -> bool:
        return len(bus.records("facts")) == 1

    async with _running(Relay(database, bus)):
        await _emit(database, "facts", 1)
        bus.away = False
        await eventually(said)
