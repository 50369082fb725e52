"""An event posted over HTTP becomes an alert, with its reason, on a salesperson's screen, by itself."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from playwright.async_api import Page, async_playwright, expect

from common.keys import entity_key
from heed.platform.stack import Stack
from heed.provision import Access
from tests.chaos.ledger import Client, email_of, history, moment

ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]
PATIENCE_MS = 60_000


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGS)
        yield await browser.new_page()
        await browser.close()


@pytest.fixture(scope="module")
async def shop(stack: Stack, access: Access) -> AsyncIterator[httpx.AsyncClient]:
    """A till whose customer number 1 has a history."""
    client = Client(stack.url("lead_capture"), access.server_key)
    await client.import_history(history(1, datetime.now(UTC)))
    await client.close()
    async with httpx.AsyncClient(auth=(access.server_key, ""), timeout=20, trust_env=False) as till:
        yield till


async def _until(stack: Stack, access: Access, service: str, path: str, holds: Any) -> Any:
    headers = {"Authorization": f"Bearer {access.api_token}"}
    async with httpx.AsyncClient(base_url=stack.url(service), headers=headers, trust_env=False) as client:
        async with asyncio.timeout(PATIENCE_MS / 1000):
            while True:
                answer = await client.get(path)
                if answer.status_code == 200 and (found := holds(answer.json())):
                    return found
                await asyncio.sleep(0.1)


def _whose_email(address: str) -> Any:
    return lambda found: next((person for person in found["items"] if person["email"] == address), None)


async def test_an_order_becomes_an_alert_on_the_screen(
    stack: Stack, access: Access, shop: httpx.AsyncClient, page: Page
) -> None:
    await _until(stack, access, "contact", "/v1/contacts?q=customer1@example.com", lambda found: found["items"] or None)
    await page.goto(access.console)
    await page.get_by_label("E-mail").fill(access.email)
    await page.get_by_label("Password").fill(access.password)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url("**/alerts**")

    order = {
        "order_id": "e2e-1",
        "customer": {"email": "customer1@example.com"},
        "items": [{"sku": "TEA", "quantity": 20, "unit_price": "30.00"}],
        "total": "600.00",
        "currency": "GBP",
        "time": moment(datetime.now(UTC)),
    }
    posted = await shop.post(f"{stack.url('lead_capture')}/v1/orders", json=order)
    assert posted.status_code == 202

    await expect(page.get_by_text("Spent £600; usually £40.", exact=True)).to_be_visible(timeout=PATIENCE_MS)
    await page.get_by_role("link", name="customer1@example.com").first.click()
    await expect(page.get_by_text("last £600.").first).to_be_visible(timeout=PATIENCE_MS)


async def test_a_lead_from_a_form_reaches_its_owner_and_the_timeline(
    stack: Stack, access: Access, shop: httpx.AsyncClient
) -> None:
    form = {"name": "Ada <b>Byron</b>", "email": "ada@example.org", "message": "Call me", "form": "contact"}
    posted = await shop.post(f"{stack.url('lead_capture')}/v1/leads", data=form)
    assert posted.status_code == 202

    lead = await _until(stack, access, "sales", "/v1/leads?q=ada@example.org", lambda found: found["items"])
    assert lead[0]["owner"]["name"]
    # The search also finds who is only similar, so before she is known it shows others.
    ada = await _until(stack, access, "contact", "/v1/contacts?q=ada@example.org", _whose_email("ada@example.org"))
    path = f"/v1/contacts/{ada['id']}/timeline"
    await _until(stack, access, "contact", path, lambda told: {"lead", "contact"} <= {e["kind"] for e in told["items"]})


async def test_a_ticket_is_on_the_timeline_and_evidence_for_analytics(
    stack: Stack, access: Access, shop: httpx.AsyncClient
) -> None:
    headers = {"Authorization": f"Bearer {access.api_token}"}
    for subject in ("Late", "Later", "Still not here"):
        ticket = {"email": "customer1@example.com", "subject": subject, "text": "Where is it?"}
        posted = await shop.post(
            f"{stack.url('ticketing')}/v1/tickets", json=ticket, headers=headers, auth=httpx.Auth()
        )
        assert posted.status_code == 201

    raised = await _until(
        stack, access, "analytics", "/v1/triggers?kind=support_load", lambda found: found["items"] or None
    )
    assert raised[0]["sentence"].startswith("3 tickets in three weeks")
    path = f"/v1/contacts/{raised[0]['customer']}/timeline?kind=ticket"
    assert (
        len(await _until(stack, access, "contact", path, lambda found: len(found["items"]) >= 3 and found["items"]))
        == 3
    )


async def test_a_survey_answer_is_on_the_timeline_and_taken_in(
    stack: Stack, access: Access, shop: httpx.AsyncClient
) -> None:
    track = {"userId": "", "event": "Survey Answered", "properties": {"score": "9"}, "messageId": "answer-1"}
    track |= {"context": {"traits": {"email": "customer1@example.com"}}}
    posted = await shop.post(f"{stack.url('lead_capture')}/v1/track", json=track)
    assert posted.json() == {"success": True}

    key = entity_key("c", "email", "customer1@example.com")
    path = f"/v1/contacts/{key}/timeline?kind=touchpoint"
    await _until(
        stack, access, "contact", path, lambda told: any(e["title"] == "Survey Answered" for e in told["items"])
    )
    path = f"/v1/customers/{key}"
    shown = await _until(
        stack, access, "analytics", path, lambda c: next((s for s in c["scores"] if s["kind"] == "promoter"), None)
    )
    assert (shown["value"], shown["evidence"]["text"]) == (None, "0 learned answers; 100 are needed")


async def test_history_alerts_nobody(stack: Stack, access: Access, shop: httpx.AsyncClient) -> None:
    """An import with a wild order in it teaches and is not acted on."""
    client = Client(stack.url("lead_capture"), access.server_key)
    events = history(77, datetime.now(UTC))
    events[-1]["properties"]["total"] = "5000.00"
    await client.import_history(events)
    await client.close()

    key = entity_key("c", "email", email_of(77))
    profile = await _until(stack, access, "analytics", f"/v1/customers/{key}", lambda c: c["orders"] == 8 and c)
    assert profile["open_triggers"] == []
    alerts = await _until(stack, access, "sales", "/v1/alerts?status=all", lambda found: [found])
    assert all(alert["customer"]["id"] != key for alert in alerts[0]["items"])
    assert datetime.fromisoformat(profile["last_order_at"]) < datetime.now(UTC) - timedelta(days=2)
