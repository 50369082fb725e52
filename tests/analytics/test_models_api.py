"""Versions of models: published as examples come, adopted through the log, pinned and rolled back by a person."""

from collections.abc import Mapping
from typing import Any

import asyncpg
import httpx

from analytics.customers import CompletedExample
from analytics.fold import Fold
from analytics.orders import DAY
from tests.analytics.conftest import Client, Eventually, Teach
from tests.analytics.stories import START, regular, ticks

CHURN = "churn_risk"


def examples(customers: int) -> list[CompletedExample]:
    """What a shop's customers teach in a year: half of them leave."""
    fold = Fold(0)
    for i in range(customers):
        for event in regular(f"c_{i}", 5 + 10 * (i % 2), 9):
            fold.apply(event)
    for tick in ticks(START + 130 * DAY, START + 330 * DAY):
        fold.apply(tick)
    return [said for said in fold.take_changes().examples if said.data["model"] == CHURN]


async def in_use(client: httpx.AsyncClient) -> Mapping[str, Any]:
    versions = (await client.get(f"/v1/models/{CHURN}/versions")).json()["items"]
    return next((version for version in versions if version["in_use"]), {})


async def test_a_version_is_pinned_and_rolled_back_while_learning_goes_on(
    client: Client, teach: Teach, eventually: Eventually
) -> None:
    manager, known = client("manager"), examples(16)
    await teach(known[:110])
    await eventually(lambda: _is(manager, version=2))

    pinned = (await manager.put(f"/v1/models/{CHURN}/pin", json={"version": 1})).json()["items"][0]
    assert (pinned["version"], pinned["in_use"]) == (2, False)
    await teach(known[110:220])
    await eventually(lambda: _newest(manager, 4))
    assert (await in_use(manager))["version"] == 1

    assert (await manager.delete(f"/v1/models/{CHURN}/pin")).status_code == 200
    assert (await in_use(manager))["version"] == 4
    assert (await manager.post(f"/v1/models/{CHURN}/rollback")).status_code == 200
    back = await in_use(manager)
    assert (back["version"], back["pinned"]) == (1, True)


async def test_who_may_not_decide_and_what_is_not_there(client: Client) -> None:
    assert (await client("sales").put(f"/v1/models/{CHURN}/pin", json={"version": 1})).status_code == 403
    manager = client("manager")
    assert (await manager.put(f"/v1/models/{CHURN}/pin", json={"version": 999})).status_code == 404
    assert (await manager.put(f"/v1/models/{CHURN}/pin", json={"version": 0})).status_code == 422
    assert (await manager.post("/v1/models/nothing/rollback")).status_code == 409


async def _is(client: httpx.AsyncClient, version: int) -> bool:
    return (await in_use(client)).get("version") == version


async def _newest(client: httpx.AsyncClient, version: int) -> bool:
    versions = (await client.get(f"/v1/models/{CHURN}/versions")).json()["items"]
    return bool(versions[0]["version"] >= version)


async def test_who_has_nothing_to_learn_does_not_read_it_all_again(
    teach: Teach, database_url: str, eventually: Eventually
) -> None:
    for example in examples(1)[:5]:
        await teach([example])
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))

    async def all_are_at_the_same_place() -> bool:
        return bool(
            await connection.fetchval(
                "SELECT min(next_offset) = max(next_offset) AND min(next_offset) >= 5 FROM trainers"
            )
        )

    await eventually(all_are_at_the_same_place)
    await connection.close()
