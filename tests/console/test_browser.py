"""The console in a real Chromium: alerts that arrive by themselves, keys, undo, accessibility."""

import time
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from tests.console import shop
from tests.console.conftest import Running

AXE = Path(__file__).parents[2] / "services" / "console" / "node_modules" / "axe-core" / "axe.min.js"
PAGES = {
    "alerts": "/alerts",
    "no alerts": "/alerts?status=snoozed&owner=me",
    "more alerts": "/alerts?more=1",
    "customer": f"/customers/{shop.key(0)}",
    "contacts": "/contacts",
    "leads": "/leads",
    "lead": "/leads/l-0",
    "tickets": "/tickets",
    "ticket": "/tickets/t-0",
    "new ticket": f"/tickets/new?customer={shop.key(0)}",
    "journeys": "/journeys",
    "why": "/why/tr-a-2",
    "why, over": "/why/tr-a-3",
    "segments": "/segments",
    "product": "/products?sku=TEA%2F01",
    "models": "/models",
    "model": "/models/churn_risk",
    "watch": "/watch",
    "rule": "/watch/q-0",
    "new rule": "/watch/new?rule=tickets.opn%20%3E%200",
    "system": "/system",
    "preferences": "/preferences",
    "error": "/nothing",
}


async def open_alerts(page: Page, query: str = "") -> None:
    await page.goto(f"/alerts{query}")
    await expect(page.locator("[data-live]")).to_have_attribute("data-state", "live")


async def test_an_alert_arrives_by_itself(page: Page, running: Running) -> None:
    await open_alerts(page)
    await page.mouse.move(5, 5)
    started = time.monotonic()
    alert = running.world.raise_alert(3, sentence="Orders every 5 days; silent for 13.")
    row = page.locator(f"#alert-{alert['id']}")
    await expect(row).to_contain_text("Orders every 5 days; silent for 13.")
    assert time.monotonic() - started < 3
    await expect(page.locator(".alert").first).to_have_attribute("data-id", alert["id"])
    await expect(page.locator("[data-announce]")).to_contain_text("New alert. Jonas Lindqvist")
    await expect(page).to_have_title("(1) Alerts · Heed")
    assert (await page.get_attribute("#favicon", "href") or "").startswith("data:image/png")
    await page.mouse.move(50, 50)
    await expect(page).to_have_title("Alerts · Heed")


async def test_what_was_missed_arrives_once_and_in_order(page: Page, running: Running) -> None:
    await open_alerts(page)
    first = running.world.raise_alert(0)
    await expect(page.locator(f"#alert-{first['id']}")).to_be_visible()
    running.world.down.add("sales")
    running.world.cut()
    lost = time.monotonic()
    await expect(page.locator("[data-live]")).to_have_attribute("data-state", "lost", timeout=5000)
    assert time.monotonic() - lost < 5
    missed = [running.world.raise_alert(place) for place in (1, 2, 4)]
    running.world.down.clear()
    await expect(page.locator("[data-live]")).to_have_attribute("data-state", "live", timeout=15_000)
    running.world.cut()  # and once more, so that the resume itself is resumed
    last = running.world.raise_alert(5)
    await expect(page.locator(f"#alert-{last['id']}")).to_be_visible(timeout=15_000)
    wanted = [alert["id"] for alert in (last, *reversed(missed), first)]
    shown = await page.locator(".alert").evaluate_all("rows => rows.map(row => row.dataset.id)")
    assert shown[: len(wanted)] == wanted
    assert len(shown) == len(set(shown))


async def test_a_lost_connection_is_said_and_resumed(page: Page, running: Running) -> None:
    await open_alerts(page)
    await page.context.set_offline(True)
    await expect(page.locator("[data-live]")).to_contain_text("Connection lost", timeout=5000)
    missed = running.world.raise_alert(6)
    await page.context.set_offline(False)
    await expect(page.locator("[data-live]")).to_have_attribute("data-state", "live", timeout=10_000)
    await expect(page.locator(f"#alert-{missed['id']}")).to_have_count(1)


async def test_what_is_being_read_does_not_move(page: Page, running: Running) -> None:
    await open_alerts(page)
    await page.keyboard.press("j")
    await page.keyboard.press("j")
    focused = page.locator(".alert:focus")
    name = await focused.get_attribute("data-id")
    before = await focused.bounding_box()
    alert = running.world.raise_alert(8)
    await expect(page.locator(f"#alert-{alert['id']}")).to_have_count(1)
    after = await page.locator(f"[data-id={name}]").bounding_box()
    assert before
    assert after
    assert abs(before["y"] - after["y"]) < 1
    await expect(page.locator(".alert:focus")).to_have_attribute("data-id", name or "")


async def test_an_alert_goes_on_in_a_hidden_tab(page: Page, running: Running) -> None:
    await open_alerts(page)
    await page.evaluate("Object.defineProperty(document, 'hidden', {get: () => true})")
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    alert = running.world.raise_alert(9)
    await expect(page.locator(f"#alert-{alert['id']}")).to_have_count(1)
    await expect(page).to_have_title("(1) Alerts · Heed")


async def test_keys_acknowledge_and_undo(page: Page, running: Running) -> None:
    alert = running.world.raise_alert(10)
    await open_alerts(page)
    await page.keyboard.press("j")
    await expect(page.locator(".alert:focus")).to_have_attribute("data-id", alert["id"])
    await page.keyboard.press("e")
    await expect(page.locator("[data-toast]")).to_contain_text("Acknowledged")
    await expect(page.locator(f"#alert-{alert['id']}")).to_have_count(0)
    await expect(page.locator(".alert:focus")).to_have_count(1)  # the next one, to go on
    assert running.world.alerts[alert["id"]]["status"] == "acknowledged"
    await page.keyboard.press("u")
    await expect(page.locator(f"#alert-{alert['id']}")).to_be_visible()
    await expect(page.locator(".alert").first).to_have_attribute("data-id", alert["id"])
    assert running.world.alerts[alert["id"]]["status"] == "open"
    await page.wait_for_timeout(300)  # the stream says it too
    await expect(page.locator(f"#alert-{alert['id']}")).to_have_count(1)


async def test_keys_snooze_and_resolve(page: Page, running: Running) -> None:
    first, second = running.world.raise_alert(0), running.world.raise_alert(1)
    await open_alerts(page)
    for key in ("j", "s", "2"):
        await page.keyboard.press(key)
    await expect(page.locator("[data-toast]")).to_contain_text("Snoozed")
    assert running.world.alerts[second["id"]]["snoozed_until"]
    await expect(page.locator(".alert:focus")).to_have_attribute("data-id", first["id"])
    for key in ("r", "5"):
        await page.keyboard.press(key)
    await expect(page.locator("[data-toast]")).to_contain_text("Resolved")
    assert running.world.alerts[first["id"]]["outcome"] == "false_alarm"
    await page.keyboard.press("k")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/customers/**")


async def test_buttons_do_what_keys_do(page: Page, running: Running) -> None:
    alert = running.world.raise_alert(2)
    await open_alerts(page)
    row = page.locator(f"#alert-{alert['id']}")
    await row.get_by_text("Resolve", exact=True).click()
    await row.get_by_label("Note, if you like").fill("Spoke to her.")
    await row.get_by_role("button", name="Contacted").click()
    await expect(row).to_have_count(0)
    await page.get_by_role("button", name="Undo").click()
    await expect(row).to_be_visible()
    await page.get_by_role("button", name="Keys").click()
    await expect(page.locator("#keys")).to_be_visible()


async def test_an_action_that_fails_leaves_the_row(page: Page, running: Running) -> None:
    alert = running.world.raise_alert(3)
    await open_alerts(page)
    running.world.down.add("sales")
    await page.locator(f"#alert-{alert['id']}").get_by_role("button", name="Acknowledge").click()
    await expect(page.locator("[data-toast]")).to_contain_text("Not done. Sales")
    await expect(page.locator(f"#alert-{alert['id']}")).to_be_visible()


async def test_another_persons_change_does_not_move_the_list(page: Page, running: Running) -> None:
    alert = running.world.raise_alert(4)
    await open_alerts(page)
    running.world.change(alert, status="acknowledged")
    row = page.locator(f"#alert-{alert['id']}")
    await expect(row).to_contain_text("Acknowledged")
    await expect(row).to_have_class("alert high gone")


async def test_filters_hold_for_what_arrives(page: Page, running: Running) -> None:
    await open_alerts(page, "?kind=churn_risk")
    silent = running.world.raise_alert(5)
    leaving = running.world.raise_alert(6, kind="churn_risk")
    await expect(page.locator(f"#alert-{leaving['id']}")).to_be_visible()
    await expect(page.locator(f"#alert-{silent['id']}")).to_have_count(0)


async def test_what_waits_is_counted_under_more_and_comes_up_by_itself(page: Page, running: Running) -> None:
    await open_alerts(page)
    more = page.locator("[data-more]")
    await expect(more).to_have_text("")
    waiting = [running.world.raise_alert(place, surfaced=False, due_at=None) for place in (7, 8)]
    await expect(more).to_contain_text("More (2)")
    await expect(page.locator(f"#alert-{waiting[0]['id']}")).to_have_count(0)
    await expect(page).to_have_title("Alerts · Heed")
    running.world.change(waiting[0], surfaced=True)
    await expect(page.locator(".alert").first).to_have_attribute("data-id", waiting[0]["id"])
    await expect(more).to_contain_text("More (1)")
    await more.get_by_role("link").click()
    await expect(page.locator("[data-live]")).to_have_attribute("data-state", "live")
    await expect(page.locator(".alert")).to_have_count(1)
    await expect(page.locator(".waits")).to_contain_text("Priya Raman: 20 of 20 shown in 24 hours, 1 waiting.")
    another = running.world.raise_alert(9, surfaced=False, due_at=None)
    await expect(page.locator(".alert").first).to_have_attribute("data-id", another["id"])
    running.world.change(another, surfaced=True)
    await expect(page.locator(f"#alert-{another['id']}")).to_have_class("alert high gone")
    await page.locator(f"#alert-{waiting[1]['id']}").get_by_role("button", name="Acknowledge").click()
    await expect(page.locator(f"#alert-{waiting[1]['id']}")).to_have_count(0)


async def test_a_name_with_markup_is_only_a_name(page: Page, running: Running) -> None:
    await open_alerts(page)
    running.world.raise_alert(11, sentence="<img src=x onerror=alert(1)>")
    await expect(page.locator(".alert").first).to_contain_text("<script>alert('x')</script>")
    await expect(page.locator(".alert").first).to_contain_text("<img src=x onerror=alert(1)>")
    assert await page.locator(".alert img, .alert script").count() == 0


async def test_lists_search_while_typing(page: Page) -> None:
    await page.goto("/contacts")
    await page.keyboard.press("/")
    await page.keyboard.type("mei")
    await expect(page.locator(".list tbody tr")).to_have_count(1)
    assert page.url.endswith("/contacts?q=mei")
    await page.goto(f"/customers/{shop.key(0)}")
    await page.get_by_role("link", name="Return", exact=True).click()
    await expect(page.locator(".entry")).to_have_count(1)
    await page.locator(".mark .hit").nth(3).hover()
    await expect(page.locator("[data-tip]")).to_contain_text("Expected: £30 to £55, every 9 days")


async def test_pages_work_without_script(browser: Browser, running: Running, signed_in: Any) -> None:
    alert = running.world.raise_alert(7)
    context = await browser.new_context(base_url=running.url, storage_state=signed_in, java_script_enabled=False)
    page = await context.new_page()
    await page.goto("/alerts")
    row = page.locator(f"#alert-{alert['id']}")
    await row.get_by_text("Snooze", exact=True).click()
    await row.get_by_role("button", name="Next week").click()
    await expect(page.locator("[data-done]")).to_contain_text("Snoozed.")
    await page.get_by_role("button", name="Undo").click()
    await expect(row).to_be_visible()
    await context.close()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
async def test_axe_finds_nothing_serious(
    browser: Browser, running: Running, signed_in: Any, scheme: Any, width: int
) -> None:
    context = await browser.new_context(
        base_url=running.url,
        storage_state=signed_in,
        color_scheme=scheme,
        reduced_motion="reduce",
        bypass_csp=True,  # to bring axe in; the policy itself is held by the other tests
        viewport={"width": width, "height": 844},
    )
    page = await context.new_page()
    found: list[str] = []
    for name, path in PAGES.items():
        await page.goto(path)
        found += [f"{name}: {problem}" for problem in await _problems(page)]
    await context.clear_cookies()
    await page.goto("/sign-in")
    found += [f"sign in: {problem}" for problem in await _problems(page)]
    await context.close()
    assert found == []


async def _problems(page: Page) -> list[str]:
    """Serious findings of axe, and a page that is wider than its screen."""
    await page.add_script_tag(path=AXE)
    result = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    found = [
        f"{violation['id']}: {violation['nodes'][0]['html'][:160]}"
        for violation in result["violations"]
        if violation["impact"] in ("serious", "critical")
    ]
    wide = await page.evaluate("document.documentElement.scrollWidth > innerWidth")
    return [*found, "wider than the screen"] if wide else found
