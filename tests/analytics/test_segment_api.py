"""Segments on a running service: learned from examples, placed at scoring moments, told as facts."""

from typing import Any

import numpy as np

from analytics import repository
from analytics.customers import CompletedExample
from analytics.fold import Fold
from analytics.operators.base import Example
from analytics.operators.segment import MODEL
from analytics.orders import DAY
from common.application import Application
from common.topics import PARTITIONS
from tests.analytics.conftest import Client, Eventually, Teach, Tell
from tests.analytics.stories import START, order, regular, tick
from tests.analytics.test_segments_learner import example

NOW = START + 150 * DAY


async def test_before_anything_is_learned_that_is_said(client: Client) -> None:
    answer = (await client("marketing").get("/v1/segments")).json()
    assert answer["items"] == []
    assert not answer["evidence"]["enough"]
    assert answer["loyalty"]["hooked_after"] is None
    assert answer["loyalty"]["text"].startswith("Too early to tell")


async def test_customers_are_placed_and_counted(
    app: Application, client: Client, teach: Teach, tell: Tell, eventually: Eventually
) -> None:
    r, manager = np.random.default_rng(3), client("manager")
    counts = [[100, 30], [90, 50], [80, 70], [75, 66], [70, 62]]
    taught = [
        Example(MODEL, START + day * DAY, {"rows": example(day, r)["rows"], "loyalty": counts if day == 3 else []})
        for day in range(8)
    ]
    await teach(CompletedExample("c_x", one, tick(one.as_of), one.as_of) for one in taught)

    async def ready() -> Any:
        answer = (await manager.get("/v1/segments")).json()
        return answer if answer["items"] and answer["loyalty"]["purchases"] else None

    answer = await eventually(ready)
    assert answer["loyalty"]["hooked_after"] == 3
    assert answer["loyalty"]["purchases"][1] == {"purchase": 2, "customers": 90, "again": 50, "rate": 0.5556}

    async def adopted() -> bool:
        async with app.database.transaction() as session:
            folds = [Fold(0, state) for state in await repository.states(session)]
        return len(folds) == PARTITIONS and all(MODEL in fold.model_versions for fold in folds)

    await eventually(adopted)
    await tell(regular("c_often", 21, 7, start=NOW - 143 * DAY))
    await tell([order("c_once", NOW - 120 * DAY, 12.0)])
    await tell(tick(NOW + day * DAY) for day in range(9))

    async def placed() -> Any:
        """Both, and after the last order: an order counts at the scoring moment after it."""
        shown = (await manager.get("/v1/customers/c_often")).json()
        answer = (await manager.get("/v1/segments")).json()
        spent = {amount["amount"] for item in answer["items"] for amount in item["spent"]}
        both = sum(item["customers"] for item in answer["items"]) == 2 and shown.get("orders") == 21
        return (answer, shown) if both and f"{float(shown['spend'][0]['amount']):.2f}" in spent else None

    answer, shown = await eventually(placed)
    by_name = {item["name"]: item for item in answer["items"]}
    mine = by_name[shown["segment"]["name"]]
    assert mine["segment"] == shown["segment"]["segment"]
    assert (mine["customers"], mine["share"]) == (1, 0.5)
    assert mine["spent"][0]["share"] > 0.9
    assert set(mine["centre"]) == {"orders", "spent", "gap_days", "silent_gaps", "tenure_days"}
    assert mine["description"]
    assert set(shown["rfm"]) == {"recency", "frequency", "money"}
    assert shown["rfm"]["frequency"] >= 4
    assert answer["top"][0]["currency"] == "GBP"
    assert 0.5 < answer["top"][0]["money"] <= 1
    scores = {score["kind"]: score for score in shown["scores"]}
    assert scores["segment"]["evidence"]["text"].startswith(shown["segment"]["name"])


async def test_who_may_look(client: Client) -> None:
    assert (await client("sales").get("/v1/segments")).status_code == 200
    assert (await client("nobody").get("/v1/segments")).status_code == 403
