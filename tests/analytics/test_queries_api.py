"""Standing queries on a running service: saved, tried on the log, told of, ended."""

import time
from typing import Any
from uuid import UUID

import httpx
import pytest

from analytics.events import Event, What
from analytics.models import Base
from analytics.orders import DAY
from analytics.settings import Settings
from common.testing.migrations import differences
from tests.analytics.conftest import Client, Eventually, Tell
from tests.analytics.stories import hash_of, order, tick, ticks

NOW = time.time()


async def test_a_rule_is_said_in_plain_words_before_it_is_saved(client: Client) -> None:
    rule = "sum(order.total) over 7 days > 3 * mean over 90d AND tickets.open > 0"
    answer = (await client("sales").post("/v1/queries/check", json={"rule": rule})).json()
    assert answer["ok"]
    assert answer["rule"] == "sum(order.total) over 7d > 3 * mean over 90d and tickets.open > 0"
    assert answer["reading"].startswith("When spend in the last 7 days is more than 3 times")
    assert answer["cost"] == {"bytes": 515, "days": 97.0, "aggregates": 1}

    answer = (await client("sales").post("/v1/queries/check", json={"rule": "ticket.open > 0"})).json()
    assert not answer["ok"]
    assert answer["errors"][0]["position"] == {"line": 1, "column": 1, "offset": 0}


async def test_a_bad_rule_is_refused_with_its_place(client: Client) -> None:
    wanted = {"name": "Many tickets", "rule": "orders.count > 2\nand ticket.open > 0"}
    answer = await client("marketing").post("/v1/queries", json=wanted)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    error = answer.json()["errors"][0]
    assert error["pointer"] == "/rule"
    assert "did you mean tickets.open?" in error["detail"]
    assert error["position"] == {"line": 2, "column": 5, "offset": 21}
    for body in ({"name": "", "rule": "orders.count > 2"}, {**wanted, "number": 3}, {"name": "x"}):
        assert (await client("manager").post("/v1/queries", json=body)).status_code == 422


async def test_who_may_read_and_who_may_write(client: Client) -> None:
    wanted = {"name": "x", "rule": "orders.count > 1000"}
    for role in ("sales", "support"):
        assert (await client(role).post("/v1/queries", json=wanted)).status_code == 403
        assert (await client(role).get("/v1/queries")).status_code == 200
        assert (await client(role).delete("/v1/queries/x")).status_code == 403
    assert (await client("admin").get("/v1/queries/x")).status_code == 404
    assert (await client("admin").delete("/v1/queries/x")).status_code == 404


async def running(client: httpx.AsyncClient, eventually: Eventually, **wanted: str) -> dict[str, Any]:
    """Saves a rule and waits until it speaks."""
    saved = await client.post("/v1/queries", json=wanted)
    assert saved.status_code == 201, saved.text
    path = saved.headers["location"]

    async def speaks() -> Any:
        found = (await client.get(path)).json()
        return found if found["status"] == "running" else None

    found: dict[str, Any] = await eventually(speaks)
    return found


async def triggers(client: httpx.AsyncClient, customer: str) -> list[dict[str, Any]]:
    path = f"/v1/triggers?kind=standing_query&status=all&customer={customer}"
    found: list[dict[str, Any]] = (await client.get(path)).json()["items"]
    return found


async def test_what_was_before_counts_and_what_comes_is_told_once(
    client: Client, tell: Tell, eventually: Eventually
) -> None:
    manager = client("manager")
    before = [order("c_eager", NOW - days * DAY) for days in (3, 2)]
    await tell([*before, before[0]])
    query = await running(manager, eventually, name="Eager", rule="count(order) over 7d >= 3", severity="low")
    assert query["covered_from"] is None, "the log is read from its beginning"

    await tell([order("c_eager", NOW - DAY, n=1)])
    raised = (await eventually(lambda: triggers(manager, "c_eager")))[0]

    assert raised["rule"] == query["id"]
    assert raised["sentence"] == "Eager: 7-day orders 3 ≥ 3.".replace("≥", ">=")
    assert (raised["severity"], raised["open"]) == ("low", True)
    await tell([order("c_eager", NOW - DAY / 2, n=2)])

    decision = (await manager.get(f"/v1/decisions?trigger={raised['trigger']}")).json()["items"][0]
    assert (await manager.get(f"/v1/decisions/{decision['id']}")).json()["check"]["same"] is True

    path = f"/v1/queries/{query['id']}"
    shown = (await manager.get(path)).json()
    assert (shown["raised"], shown["open"]) == (1, 1)
    assert (await manager.delete(path)).status_code == 204
    assert (await manager.delete(path)).status_code == 204
    await eventually(lambda: _over(manager, "c_eager"))
    assert (await manager.get(path)).json()["status"] == "ended"
    assert len(await triggers(manager, "c_eager")) == 1


async def _over(client: httpx.AsyncClient, customer: str) -> bool:
    return not any(trigger["open"] for trigger in await triggers(client, customer))


async def test_an_absence_is_told_by_time_alone(client: Client, tell: Tell, eventually: Eventually) -> None:
    manager = client("manager")
    await tell([order("c_gone", NOW - DAY), tick(NOW)])
    query = await running(manager, eventually, name="Gone", rule="no(order) over 2d and orders.count < 2")
    assert await triggers(manager, "c_gone") == []
    await tell(ticks(NOW, NOW + DAY + 600))
    raised = (await eventually(lambda: triggers(manager, "c_gone")))[0]
    assert raised["sentence"] == "Gone: no order for 2 days and orders ever 1 < 2."
    await tell([order("c_gone", NOW + 1.5 * DAY)])
    await eventually(lambda: _over(manager, "c_gone"))
    await manager.delete(f"/v1/queries/{query['id']}")


async def test_a_rule_is_tried_on_the_last_days(client: Client, tell: Tell) -> None:
    for customer, each in (("c_dry_1", 3), ("c_dry_2", 4), ("c_dry_3", 1)):
        bought = [order(customer, NOW - 20 * DAY + n * 3600, 750.0) for n in range(each)]
        await tell([*bought, *bought])
    imported = [order("c_dry_4", NOW - 10 * DAY + n, 750.0, backfill=NOW, n=n) for n in range(3)]
    long_ago = [order("c_dry_5", NOW - 90 * DAY + n, 750.0, n=n) for n in range(3)]
    ended = Event(What.IMPORT_ENDED, str(UUID(int=hash_of("import"))), "", NOW, NOW, data={})
    await tell([*imported, ended, *long_ago])

    wanted = {"rule": "sum(order.total) over 7d > £2000", "days": 30}
    tried = (await client("marketing").post("/v1/queries/dry-run", json=wanted)).json()

    assert tried["complete"]
    assert (tried["fired"], tried["customers"], tried["holding"]) == (3, 3, 0)
    assert [item["customer"] for item in tried["items"]] == ["c_dry_4", "c_dry_1", "c_dry_2"]
    assert tried["items"][0]["sentence"] == "It: 7-day spend £2,250 > £2,000."
    assert tried["text"] == "It would have fired 3 times in the last 30 days, for 3 customers."
    assert await triggers(client("manager"), "c_dry_1") == [], "nothing is told by a trial"

    refused = await client("marketing").post("/v1/queries/dry-run", json={"rule": "open", "days": 30})
    assert refused.status_code == 422


async def test_rules_share_a_limited_memory(client: Client, eventually: Eventually) -> None:
    manager, saved = client("manager"), []
    rule = "sum(order.total) over {}d > 3 * mean over 300d"
    for window in (2, 3, 4):
        saved.append(await manager.post("/v1/queries", json={"name": "w", "rule": rule.format(window)}))
    again = await manager.post("/v1/queries", json={"name": "again", "rule": rule.format(2)})
    assert [answer.status_code for answer in (*saved, again)] == [201] * 4, "the same aggregates are shared"
    refused = await manager.post("/v1/queries", json={"name": "w", "rule": rule.format(5)})
    assert refused.status_code == 409
    assert "2,048 are the limit" in refused.json()["detail"]
    for answer in (*saved, again):
        await manager.delete(answer.headers["location"])
    listed = (await manager.get("/v1/queries")).json()["items"]
    assert not {answer.json()["id"] for answer in saved} & {item["id"] for item in listed}


async def test_the_models_describe_the_tables(settings: Settings) -> None:
    assert await differences(settings.database_url, Base.metadata) == []


@pytest.mark.parametrize("path", ["/v1/queries", "/v1/queries/check", "/v1/queries/dry-run"])
async def test_nobody_is_told_anything_without_a_token(client: Client, path: str) -> None:
    anonymous = client("manager")
    del anonymous.headers["authorization"]
    assert (await anonymous.post(path, json={"rule": "orders.count > 1"})).status_code == 401
