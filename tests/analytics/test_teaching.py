"""Examples on their way to the trainer: none is lost or learned from twice."""

import pickle
from typing import Any, cast

import asyncpg
import orjson
from aiokafka import ConsumerRecord

from analytics.customers import CompletedExample
from analytics.learners.chances import PromoterLearner
from analytics.operators.base import Example
from analytics.operators.promoter import FEATURES, MODEL
from analytics.orders import DAY
from analytics.teaching import told
from analytics.trainer import Pupil, Trainer
from common.relay import BATCH
from common.testing.bus import StoredRecord
from tests.analytics.conftest import Eventually, Teach
from tests.analytics.stories import START, order, tick


def example(model: str, number: int, size: int = 0) -> CompletedExample:
    as_of = START + number * DAY
    return CompletedExample("c_x", Example(model, as_of, {"x": "y" * size}), tick(as_of), as_of)


def test_examples_are_told_in_order_in_records_the_broker_takes() -> None:
    sizes = [10, 200_000, 100_000, 300_000, 10, 10]
    envelopes = told(map(example, "abcdef", range(6), sizes))
    records = [orjson.loads(envelope.value())["examples"] for envelope in envelopes]
    assert [[one["model"] for one in record] for record in records] == [["a", "b"], ["c"], ["d"], ["e", "f"]]
    assert records[3][1]["as_of"] == START + 5 * DAY
    assert list(told([])) == []


def test_the_same_examples_have_the_same_id() -> None:
    first, again, more = (next(told(example("m", n) for n in range(count))) for count in (3, 3, 4))
    assert first.id == again.id != more.id
    at = START + DAY
    one, other = (CompletedExample("c_x", Example("m", at, {}), order("c_x", at, n=n), at) for n in (1, 2))
    assert one.id == other.id
    assert next(told([one])).id != next(told([other])).id


def test_neither_a_record_told_before_nor_one_taken_before_the_start_is_new() -> None:
    trainer = Trainer("", *[cast(Any, None)] * 3, examples_topic="e", facts_topic="f", models_topic="m")
    trainer._pupils = {"m": Pupil(PromoterLearner(), 5, 0, 0, 5)}

    def is_new(offset: int, id_: str) -> bool:
        record = StoredRecord("e", 0, offset, None, b"", (("ce_id", id_.encode()),))
        return trainer._is_new(cast(ConsumerRecord, record))

    assert [is_new(offset, f"{offset}") for offset in range(3, 7)] == [False, False, True, True]
    assert not is_new(7, "4")
    # An outbox without an acknowledgement tells all of it again and again.
    assert not any(is_new(7 + BATCH * again, "4") for again in range(1, 4))
    assert is_new(8 + BATCH * 5, "4"), "what came longer ago is forgotten"


async def test_each_is_learned_from_once_and_what_is_none_keeps_no_other_from_it(
    teach: Teach, database_url: str, eventually: Eventually
) -> None:
    def answers(first: int, last: int, numbers: int = len(FEATURES)) -> list[CompletedExample]:
        known = {"label": 1, "x": [0.0] * numbers, "predicted": {"steady": 0.5, "plain": 0.5}}
        moments = [START + number * DAY for number in range(first, last)]
        return [CompletedExample("c_x", Example(MODEL, at, known), tick(at), at) for at in moments]

    async def learned() -> int:
        state = await connection.fetchval("SELECT state FROM trainers WHERE name = $1", MODEL)
        return pickle.loads(state).examples if state else 0

    async def the_last_one_is() -> bool:
        return await learned() >= 9

    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    for some in (answers(0, 6), answers(0, 6), [*answers(6, 7), *answers(7, 8, numbers=1), *answers(8, 10)]):
        await teach(some)  # the second time as a relay that ended before it deleted them
    await eventually(the_last_one_is)
    assert await learned() == 9
    await connection.close()
