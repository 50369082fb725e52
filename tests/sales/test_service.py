"""The running service: facts in from Kafka, answers out over HTTP, facts out to Kafka."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer

from common.envelope import type_of


async def test_a_trigger_becomes_an_alert_that_a_person_works_off(sales: Any) -> None:
    await sales.put_owner("anna")
    customer = sales.new_customer()
    alert = await sales.raise_alert(customer)
    assert (alert["status"], alert["owner"]["name"]) == ("open", "Anna")
    assert (await sales.do(alert, "acknowledge")).json()["status"] == "acknowledged"
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert (await sales.do(alert, "snooze", until=until)).json()["snoozed_until"]
    resolved = await sales.do(alert, "resolve", outcome="false_alarm", note="On holiday")
    assert (resolved.json()["status"], resolved.json()["outcome"]) == ("resolved", "false_alarm")
    assert (await sales.do(alert, "acknowledge")).status_code == 409
    assert (await sales.do(alert, "reopen")).json()["status"] == "open"


async def test_a_snooze_ends_by_itself(sales: Any) -> None:
    alert = await sales.raise_alert(sales.new_customer())
    await sales.do(alert, "snooze", until=(datetime.now(UTC) + timedelta(seconds=0.5)).isoformat())

    async def woken() -> bool:
        return bool((await sales.alert(alert["id"]))["status"] == "open")

    await sales.eventually(woken)


async def test_a_fact_that_arrives_twice_has_one_effect(sales: Any) -> None:
    customer, other = sales.new_customer(), sales.new_customer()
    lead = {"identifiers": {"email": f"{customer}@example.com"}, "source": "website"}
    fact = await sales.tell("customer-facts", "heed.lead.captured.v1", customer, lead)
    await sales.repeat("customer-facts", fact)
    await sales.raise_alert(other)

    async def captured() -> list[dict[str, Any]]:
        return list((await sales.get("/v1/leads", q=customer[:20]))["items"])

    (found,) = await sales.eventually(captured)
    assert len(found["touches"]) == 1


async def test_leads_are_searched_changed_and_refused(sales: Any) -> None:
    customer = sales.new_customer()
    lead = {"identifiers": {"email": f"{customer}@example.com"}, "source": "website", "name": "Ada_% Byron"}
    await sales.tell("customer-facts", "heed.lead.captured.v1", customer, lead)

    async def captured() -> list[dict[str, Any]]:
        return list((await sales.get("/v1/leads", q="a_% b", status="new"))["items"])

    (found,) = await sales.eventually(captured)
    path = f"/v1/leads/{found['id']}"
    assert (await sales.client.patch(path, json={"status": "disqualified"})).status_code == 409
    moved = await sales.client.patch(path, json={"status": "disqualified", "reason": "No budget"})
    assert (moved.json()["status"], moved.json()["reason"]) == ("disqualified", "No budget")
    assert (await sales.get(path))["responded_at"]
    assert (await sales.get("/v1/leads", q="a_% b", status="new"))["items"] == []
    assert (await sales.client.get("/v1/leads/none")).status_code == 404


async def test_each_change_is_a_fact_on_the_customers_log(sales: Any) -> None:
    customer = sales.new_customer()
    alert = await sales.raise_alert(customer)
    await sales.do(alert, "acknowledge")
    await sales.do(alert, "resolve", outcome="contacted")
    consumer = AIOKafkaConsumer(
        f"{sales.prefix}.customer-facts",
        bootstrap_servers=sales.publisher._options["bootstrap_servers"],
        auto_offset_reset="earliest",
    )
    await consumer.start()
    found: list[str | None] = []
    async with asyncio.timeout(15):
        while len(found) < 3:
            record = await consumer.getone()
            found += [type_of(record.headers)] if record.key == customer.encode() else []
    await consumer.stop()
    assert found == [f"heed.alert.{what}.v1" for what in ("raised", "acknowledged", "resolved")]


async def test_alerts_are_filtered_and_paged(sales: Any) -> None:
    customer = sales.new_customer()
    for kind in ("churn_risk", "support_load", "churn_risk"):
        await sales.tell_trigger("raised", customer, sales.trigger(kind=kind))

    async def three() -> bool:
        return len(await sales.alerts(customer=customer)) == 3

    await sales.eventually(three)
    assert len(await sales.alerts(customer=customer, kind="churn_risk")) == 2
    assert await sales.alerts(customer=customer, status="resolved") == []
    assert await sales.alerts(customer=customer, owner="nobody") == []
    first = await sales.get("/v1/alerts", customer=customer, limit=2)
    second = await sales.get("/v1/alerts", customer=customer, limit=2, cursor=first["next"])
    assert len({alert["id"] for alert in first["items"] + second["items"]}) == 3
    assert second["next"] is None


async def test_an_invalid_trigger_does_not_hold_up_the_next(sales: Any) -> None:
    customer = sales.new_customer()
    await sales.tell_trigger("raised", customer, {**sales.trigger(), "sentence": "\x00"})
    await sales.tell_trigger("raised", customer, {"trigger": 1})
    await sales.raise_alert(customer)


async def test_owners_are_put_again_and_again(sales: Any) -> None:
    for active in (True, True, False, True):
        await sales.put_owner("zoe", active=active)
    (zoe,) = [owner for owner in (await sales.get("/v1/owners"))["items"] if owner["id"] == "zoe"]
    assert zoe == {"id": "zoe", "name": "Zoe", "email": "zoe@example.com", "active": True}
    await sales.put_owner("zoe", active=False)


@pytest.mark.parametrize(
    ("role", "method", "path", "status"),
    [
        (None, "GET", "/v1/alerts", 401),
        (None, "GET", "/v1/alerts/stream", 401),
        ("support", "GET", "/v1/alerts", 200),
        ("support", "GET", "/v1/alerts/stream", 403),
        ("support", "POST", "/v1/alerts/x/acknowledge", 403),
        ("sales", "POST", "/v1/alerts/x/acknowledge", 404),
        ("sales", "PUT", "/v1/owners/x", 403),
        ("service", "PUT", "/v1/owners/x", 400),
    ],
)
async def test_roles(sales: Any, role: str | None, method: str, path: str, status: int) -> None:
    headers = {"Authorization": f"Bearer {sales.token(role)}"} if role else {"Authorization": ""}
    answer = await sales.client.request(method, path, headers=headers)
    assert answer.status_code == status, answer.text


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/alerts?status=strange", None),
        ("GET", "/v1/alerts?limit=0", None),
        ("GET", "/v1/alerts?limit=201", None),
        ("GET", "/v1/alerts?cursor=strange", None),
        ("GET", "/v1/alerts?owner=%00", None),
        ("GET", "/v1/alerts/%00", None),
        ("GET", "/v1/leads?q=%00", None),
        ("GET", "/v1/alerts/stream?last_event_id=-1", None),
        ("GET", "/v1/alerts/stream?last_event_id=%C2%B2", None),
        ("GET", "/v1/alerts/stream?last_event_id=99999999999999999999", None),
        ("POST", "/v1/alerts/x/snooze", {"until": "2026-03-01T09:00:00"}),
        ("POST", "/v1/alerts/x/resolve", {"outcome": "strange"}),
        ("POST", "/v1/alerts/x/resolve", {"outcome": "lost", "owner": "me"}),
        ("PUT", "/v1/owners/x", {"name": " ", "email": "x@example.com"}),
        ("PUT", "/v1/owners/x", {"name": "X", "email": "nowhere"}),
        ("PUT", "/v1/owners/%00", {"name": "X", "email": "x@example.com"}),
    ],
)
async def test_bad_input_is_422(sales: Any, method: str, path: str, body: Any) -> None:
    answer: httpx.Response = await sales.client.request(method, path, json=body)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("days", [-1, 91, 365_000])
async def test_a_snooze_that_makes_no_sense_is_refused(sales: Any, days: int) -> None:
    alert = await sales.raise_alert(sales.new_customer())
    until = (datetime.now(UTC) + timedelta(days=days)).isoformat()
    assert (await sales.do(alert, "snooze", until=until)).status_code == 409
