"""Examples on their way to the trainer: none is lost or learned from twice."""

import pickle

import asyncpg
import orjson

from analytics.customers import CompletedExample
from analytics.events import EXAMPLES, emission
from analytics.learners.chances import PromoterLearner
from analytics.operators.base import Example
from analytics.operators.promoter import FEATURES, MODEL
from analytics.orders import DAY
from analytics.teaching import Lesson, told
from analytics.trainer import Pupil
from common.bus import KafkaPublisher
from common.outbox import message_of
from tests.analytics.conftest import Eventually, Teach
from tests.analytics.stories import START, tick


def lesson(model: str, number: int, size: int = 0) -> Lesson:
    as_of = START + number * DAY
    return Lesson(3, number, CompletedExample("c_x", Example(model, as_of, {"x": "y" * size}), tick(as_of), as_of))


def test_examples_are_told_in_order_in_records_the_broker_takes() -> None:
    sizes = [10, 200_000, 100_000, 300_000, 10, 10]
    envelopes = told(map(lesson, "abcdef", range(6), sizes))
    records = [orjson.loads(envelope.value())["examples"] for envelope in envelopes]
    assert [[one["model"] for one in record] for record in records] == [["a", "b"], ["c"], ["d"], ["e", "f"]]
    assert records[3][1]["as_of"] == START + 5 * DAY
    assert records[3][1]["place"] == [3, 5]
    assert list(told([])) == []


def test_what_was_told_before_is_known_whatever_it_comes_with() -> None:
    pupil = Pupil(PromoterLearner(), 0, 0, 0, 0, {"3": 7})
    assert [number for number in (6, 7, 8, 9, 8, 9, 10) if pupil.is_new([3, number])] == [8, 9, 10]
    assert pupil.is_new([4, 1]), "each partition has numbers of its own"
    assert [pupil.is_new(None) for _ in range(2)] == [True, True], "earlier versions told examples without a place"


async def test_each_is_learned_from_once_and_what_is_none_keeps_no_other_from_it(
    teach: Teach, publisher: KafkaPublisher, topic_prefix: str, database_url: str, eventually: Eventually
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
    await teach(answers(0, 6))
    nonsense = emission(EXAMPLES, "", {"examples": [{"model": MODEL, "place": []}]}, tick(START), START, "nonsense")
    await publisher.publish([message_of(f"{topic_prefix}.training-examples", nonsense)])
    await teach([], again=6)  # as by a relay that ended before it deleted them
    # As where the database lost what was told and it is told anew, with what followed.
    await teach([*answers(6, 7), *answers(7, 8, numbers=1), *answers(8, 10)], again=2)
    await eventually(the_last_one_is)
    assert await learned() == 9
    await connection.close()
