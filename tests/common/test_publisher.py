"""What a publisher promises, held against Kafka and against the bus in memory."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import pytest

from common.bus import KafkaPublisher, Message, Publisher
from common.envelope import decode
from common.failures import TransientError
from common.record import Record
from common.testing.bus import MemoryBus
from common.testing.effects import fact, message

PARTITIONS = 4
# Where Kafka's clients put c_0 … c_8 on four partitions.
MURMUR2 = (2, 2, 1, 3, 3, 2, 3, 0, 2)


Read = Callable[[int], Awaitable[Sequence[Record]]]


@pytest.fixture(params=["memory", "kafka"])
async def bus(
    request: pytest.FixtureRequest, kafka: str, new_topic: Any, read_topic: Any
) -> AsyncIterator[tuple[Publisher, str, Read]]:
    """A publisher, a topic, and how to read that topic."""
    if request.param == "memory":
        memory = MemoryBus({"numbers": PARTITIONS})

        async def read(count: int) -> Sequence[Record]:
            return memory.records("numbers")

        yield memory, "numbers", read
        return
    topic = await new_topic(PARTITIONS)
    publisher = KafkaPublisher(kafka, request_timeout_ms=3_000)
    yield publisher, topic, lambda count: read_topic(topic, count)
    await publisher.stop()


Bus = tuple[Publisher, str, Read]


async def test_the_order_of_each_key_is_kept(bus: Bus) -> None:
    publisher, topic, read = bus
    sent = [fact(number, key=f"c_{number % 7}") for number in range(60)]
    await publisher.publish([message(topic, envelope) for envelope in sent[:30]])
    await publisher.publish([message(topic, envelope) for envelope in sent[30:]])
    found = [decode(record.key, record.headers, record.value) for record in await read(60)]
    for key in {envelope.key for envelope in sent}:
        assert [e for e in found if e.key == key] == [e for e in sent if e.key == key]


async def test_a_key_has_one_partition_and_both_choose_the_same(bus: Bus) -> None:
    publisher, topic, read = bus
    await publisher.publish([message(topic, fact(number, key=f"c_{number % 9}")) for number in range(45)])
    places = {(record.key, record.partition) for record in await read(45)}
    assert len(places) == 9
    assert dict(places) == {f"c_{n}".encode(): partition for n, partition in enumerate(MURMUR2)}


async def test_a_named_partition_wins_over_the_key(bus: Bus) -> None:
    publisher, topic, read = bus
    await publisher.publish([message(topic, fact(number), partition=number) for number in range(PARTITIONS)])
    assert [record.partition for record in await read(PARTITIONS)] == [0, 1, 2, 3]


async def test_headers_and_value_arrive_as_they_were(bus: Bus) -> None:
    publisher, topic, read = bus
    headers = [("a", b"1"), ("b", b"\xff\x00"), ("a", b"2")]
    await publisher.publish([Message(topic, "", b"\x00\xff", headers)])
    (record,) = await read(1)
    assert (record.key, record.value, list(record.headers)) == (None, b"\x00\xff", headers)


async def test_offsets_count_up(bus: Bus) -> None:
    publisher, topic, read = bus
    await publisher.publish([message(topic, fact(number), partition=0) for number in range(5)])
    assert [record.offset for record in await read(5)] == [0, 1, 2, 3, 4]


async def test_nothing_to_publish(bus: Bus) -> None:
    publisher, _, read = bus
    await publisher.publish([])
    assert list(await read(0)) == []


async def test_an_unknown_topic_is_a_transient_failure(bus: Bus) -> None:
    publisher, topic, read = bus
    with pytest.raises(TransientError):
        await publisher.publish([message("test-common-there-is-no-such-topic", fact(1))])
    await publisher.publish([message(topic, fact(2))])
    assert len(await read(1)) == 1


async def test_an_absent_broker_is_a_transient_failure() -> None:
    memory = MemoryBus({"numbers": 1})
    memory.away = True
    real = KafkaPublisher("127.0.0.1:1", request_timeout_ms=1_000)
    for publisher in (memory, real):
        with pytest.raises(TransientError):
            await publisher.publish([message("numbers", fact(1))])
    await real.stop()
