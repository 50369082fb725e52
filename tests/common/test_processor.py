"""A batch: effects once and in order, invalid records set aside with their origin, everything else loud."""

from collections.abc import Sequence

import pytest
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from common.bus import Message
from common.database import Database
from common.deadletters import DeadLetterLimit, DeadLetters, TooManyDeadLettersError
from common.envelope import Envelope, decode
from common.failures import InvalidError, TransientError
from common.processor import Handler, Subscription, dispatch
from common.testing.bus import MemoryBus, MemoryConsumer, StoredRecord
from common.testing.effects import HAPPENED, effects, fact, message, record_effect


class Numbered(BaseModel):
    number: int


async def _picky(session: AsyncSession, envelope: Envelope) -> None:
    await record_effect(session, envelope)
    if envelope.data.get("poison"):
        raise InvalidError("poisoned")
    Numbered.model_validate(envelope.data)


def _consumer(
    database: Database, bus: MemoryBus, handler: Handler = _picky, limit: DeadLetterLimit | None = None
) -> MemoryConsumer:
    subscription = Subscription("group", ("facts",), dispatch({HAPPENED: handler}), frozenset({HAPPENED}))
    return MemoryConsumer(bus, subscription, database, DeadLetters(bus, "dead", "group"), limit)


@pytest.fixture
def bus() -> MemoryBus:
    return MemoryBus({"facts": 1, "dead": 1})


async def _publish(bus: MemoryBus, envelopes: Sequence[Envelope]) -> None:
    await bus.publish([message("facts", envelope) for envelope in envelopes])


def _headers(record: StoredRecord) -> dict[str, str]:
    return {name: value.decode("utf-8", "replace") for name, value in record.headers}


async def test_effects_in_order_and_once_though_delivered_again(database: Database, bus: MemoryBus) -> None:
    await _publish(bus, [fact(number) for number in (1, 2, 2, 3, 1)])
    consumer = _consumer(database, bus)
    await consumer.drain()
    consumer.rewind()
    await consumer.drain()
    assert await effects(database) == ["c_1-1", "c_1-2", "c_1-3"]


async def test_other_types_are_not_even_decoded(database: Database, bus: MemoryBus) -> None:
    await bus.publish([Message("facts", "c_1", b"{", [("ce_type", b"test.other.v1")])])
    await _consumer(database, bus).drain()
    assert bus.records("dead") == []


async def test_a_type_said_twice_differently_breaks_nothing(database: Database, bus: MemoryBus) -> None:
    envelope = fact(1)
    twice = [*envelope.headers(), ("ce_type", b"test.other.v1")]
    await bus.publish([Message("facts", "c_1", envelope.value(), twice)])
    await _consumer(database, bus).drain()
    assert await effects(database) == []


async def test_invalid_records_are_set_aside_and_the_rest_goes_on(database: Database, bus: MemoryBus) -> None:
    good, poisoned, shapeless = fact(1), fact(2, poison=True), fact(3, number="x")
    await _publish(bus, [good, poisoned])
    await bus.publish([Message("facts", "c_1", b"{", good.headers()), Message("facts", "c_1", b"", [("x", b"\xff")])])
    await _publish(bus, [shapeless, fact(4)])
    await _consumer(database, bus).drain()
    assert await effects(database) == ["c_1-1", "c_1-4"]
    dead = bus.records("dead")
    assert [_headers(record)["heed-offset"] for record in dead] == ["1", "2", "3", "4"]
    assert decode(dead[0].key, dead[0].headers, dead[0].value) == poisoned
    origin = _headers(dead[0])
    assert {name: origin[f"heed-{name}"] for name in ("reason", "group", "topic", "partition")} == {
        "reason": "poisoned",
        "group": "group",
        "topic": "facts",
        "partition": "0",
    }
    reasons = [_headers(record)["heed-reason"] for record in dead[1:]]
    assert "not JSON" in reasons[0]
    assert "UTF-8" in reasons[1]
    assert "not as promised" in reasons[2]
    assert "number" in reasons[2]


async def test_a_value_that_postgresql_cannot_hold_is_invalid(database: Database, bus: MemoryBus) -> None:
    async def keep(session: AsyncSession, envelope: Envelope) -> None:
        await session.execute(text("SELECT CAST(:text AS text)"), {"text": envelope.data["text"]})
        await record_effect(session, envelope)

    await _publish(bus, [fact(1, text="a\x00b"), fact(2, text="fine")])
    await _consumer(database, bus, keep).drain()
    assert await effects(database) == ["c_1-2"]
    assert "cannot hold" in _headers(bus.records("dead")[0])["heed-reason"]


async def test_a_batch_put_back_does_not_bury_twice(database: Database, bus: MemoryBus) -> None:
    away = True

    async def handler(session: AsyncSession, envelope: Envelope) -> None:
        await _picky(session, envelope)
        if away and envelope.data["number"] == 3:
            raise TransientError("away")

    await _publish(bus, [fact(1), fact(2, poison=True), fact(3)])
    consumer = _consumer(database, bus, handler)
    for _ in range(3):
        with pytest.raises(TransientError):
            await consumer.drain()
    assert bus.records("dead") == []
    away = False
    await consumer.drain()
    assert await effects(database) == ["c_1-1", "c_1-3"]
    assert len(bus.records("dead")) == 1


async def test_without_a_grave_the_batch_stays(database: Database, bus: MemoryBus) -> None:
    await _publish(bus, [fact(1, poison=True)])
    nowhere = DeadLetters(bus, "no-such-topic", "group")
    subscription = Subscription("group", ("facts",), dispatch({HAPPENED: _picky}), frozenset({HAPPENED}))
    with pytest.raises(TransientError):
        await MemoryConsumer(bus, subscription, database, nowhere).drain()


async def test_an_error_without_a_name_comes_out_and_leaves_no_effect(database: Database, bus: MemoryBus) -> None:
    async def broken(session: AsyncSession, envelope: Envelope) -> None:
        await record_effect(session, envelope)
        raise ZeroDivisionError

    await _publish(bus, [fact(1)])
    with pytest.raises(ZeroDivisionError):
        await _consumer(database, bus, broken).drain()
    assert await effects(database) == []
    assert bus.records("dead") == []


async def test_past_the_limit_it_halts_before_it_buries(database: Database, bus: MemoryBus) -> None:
    await _publish(bus, [fact(number, poison=True) for number in range(5)])
    with pytest.raises(TooManyDeadLettersError):
        await _consumer(database, bus, limit=DeadLetterLimit(run=5)).drain()
    assert bus.records("dead") == []


@pytest.mark.parametrize(
    ("outcomes", "halts"),
    [
        ([True] * 4, False),
        ([True] * 5, True),
        ([True] * 4 + [False] + [True] * 4, False),
        ([False, False, True] * 3, False),
        ([False, False, True] * 4, True),
        ([False] * 7 + [True] * 3, False),
        ([False] * 100 + [True] * 4, True),
    ],
)
def test_the_limit(outcomes: list[bool], halts: bool) -> None:
    limit = DeadLetterLimit(run=5, window=10, ratio=0.34)
    try:
        for bad in outcomes:
            limit.check([bad])
            limit.add([bad])
    except TooManyDeadLettersError:
        assert halts
    else:
        assert not halts


def test_checking_counts_nothing() -> None:
    limit = DeadLetterLimit(run=3, window=10)
    for _ in range(10):
        limit.check([True, True])
