"""The alert budget over HTTP and the stream, of a running service whose owners are shown two alerts a day."""

from typing import Any

import pytest
from sqlalchemy import text

from common.clock import SystemClock
from sales.service.budget import Budget
from sales.settings import Settings


@pytest.fixture(scope="module")
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"alerts_per_day": 2})


async def test_what_waits_is_listed_counted_and_streamed_and_comes_up_by_itself(sales: Any) -> None:
    await sales.put_owner("anna")
    shown = [await sales.raise_alert(sales.new_customer()) for _ in range(2)]
    async with sales.stream() as stream:
        await stream.next()
        waiting = await sales.raise_alert(sales.new_customer(), kind="churn_risk")
        (told,) = await stream.alerts(1)
        assert (told.data["id"], told.data["surfaced"], told.data["due_at"]) == (waiting["id"], False, None)
        assert await _ids(sales) == await _ids(sales, surfaced="all") == {a["id"] for a in [*shown, waiting]}
        assert await _ids(sales, surfaced="true") == {a["id"] for a in shown}
        assert await _ids(sales, surfaced="false") == {waiting["id"]}
        assert (await sales.get("/v1/alerts", surfaced="true"))["waiting"] == 1
        assert (await sales.get("/v1/alerts", kind="purchase_silence"))["waiting"] == 0
        (budget,) = (await sales.get("/v1/alert-budget"))["items"]
        assert budget["owner"] == {"id": "anna", "name": "Anna"}
        assert (budget["budget"], budget["admitted_today"], budget["waiting"]) == (2, 2, 1)
        await _a_day_later(sales)
        (told,) = await stream.alerts(1)
    assert (told.data["id"], told.data["surfaced"]) == (waiting["id"], True)
    assert told.data["due_at"] > told.data["surfaced_at"] > told.data["created_at"]
    assert (await sales.get("/v1/alerts"))["waiting"] == 0


async def test_what_people_say_of_alerts_shows_in_the_budget(sales: Any) -> None:
    await sales.put_owner("anna")
    for outcome in ("false_alarm", "false_alarm", "contacted", "no_action"):
        alert = await sales.raise_alert(sales.new_customer(), kind="support_load")
        assert (await sales.do(alert, "resolve", outcome=outcome)).status_code == 200
    async with sales.database.transaction() as session:  # as the service does each minute
        await Budget(SystemClock(), 2).work_out(session)
    (budget,) = (await sales.get("/v1/alert-budget", owner="anna"))["items"]
    (judged,) = [kind for kind in budget["by_kind"] if kind["kind"] == "support_load"]
    assert (judged["right"], judged["wrong"]) == (1, 2)
    assert 0.5 < judged["precision"] < 0.8
    assert (await sales.get("/v1/alert-budget", owner="nobody"))["items"] == []


@pytest.mark.parametrize("path", ["/v1/alerts?surfaced=maybe", "/v1/alert-budget?owner=%00"])
async def test_bad_queries_are_422(sales: Any, path: str) -> None:
    assert (await sales.client.get(path)).status_code == 422


async def test_the_budget_needs_a_role(sales: Any) -> None:
    assert (await sales.client.get("/v1/alert-budget", headers={"Authorization": ""})).status_code == 401


async def _ids(sales: Any, **query: Any) -> set[str]:
    return {alert["id"] for alert in await sales.alerts(**query)}


async def _a_day_later(sales: Any) -> None:
    async with sales.database.transaction() as session:
        await session.execute(text("UPDATE alert_places SET taken_at = taken_at - interval '24 hours'"))
