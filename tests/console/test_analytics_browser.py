"""Pages of the analytics in a real Chromium: rules checked while one types, charts, the way there on a phone."""

from typing import Any

from playwright.async_api import Browser, Page, expect

from tests.console import watch
from tests.console.conftest import Running


async def test_a_rule_is_checked_while_it_is_written(page: Page) -> None:
    await page.goto("/watch/new")
    rule = page.get_by_label("Tell me when")
    await rule.fill("count(order) over 7d > 2 and tickets.opn > 0")
    await expect(page.locator(".rule-error mark")).to_have_text("tickets.opn")
    await expect(page.locator("[data-mirror] mark")).to_have_text("tickets.opn")
    await expect(rule).to_have_attribute("aria-invalid", "true")
    await rule.fill("count(order) over 7d > 2 and tickets.open > 0")
    await expect(page.locator("#checked")).to_contain_text(watch.READING)
    await expect(rule).to_have_attribute("aria-invalid", "false")
    await expect(page.locator("[data-mirror] mark")).to_have_count(0)


async def test_an_underline_stands_where_the_letters_are(page: Page) -> None:
    await page.goto("/watch/new")
    await page.get_by_label("Tell me when").fill("segment = '😀' and\n  tickets.opn > 0")
    mark = page.locator("[data-mirror] mark")
    await expect(mark).to_have_text("tickets.opn")
    box, area = await mark.bounding_box(), await page.locator("#rule").bounding_box()
    assert box
    assert area
    letter = box["width"] / len("tickets.opn")
    # Second line, after two blanks, within the padding of the field.
    assert abs(box["x"] - area["x"] - 11 - 2 * letter) < 2
    assert area["y"] + 28 < box["y"] + box["height"] / 2 < area["y"] + 56


async def test_an_example_is_pressed_tried_and_saved(page: Page, running: Running) -> None:
    await page.goto("/watch/new")
    await page.locator("[data-example]").nth(1).click()
    await expect(page.get_by_label("Tell me when")).to_have_value("no(order) over 21d after lead")
    await expect(page.get_by_label("Name, with which")).to_have_value("Asked, and never ordered")
    await page.get_by_label("on the last").select_option("7")
    await page.get_by_role("button", name="Try it").click()
    await expect(page.locator(".tried")).to_contain_text("It would have fired 14 times in the last 7 days")
    assert page.url.endswith("/watch/new")
    await page.get_by_role("button", name="Save and watch").click()
    await expect(page.locator(".notice")).to_contain_text("Saved.")
    await page.locator("summary", has_text="Switch off").click()
    await page.get_by_role("button", name="Switch off").click()
    await expect(page.locator(".notice")).to_contain_text("not watched for any more")
    del running.world.queries["q-4"]


async def test_charts_are_drawn_within_the_policy(page: Page) -> None:
    await page.goto("/models/churn_risk")
    await expect(page.locator("[data-chart] canvas")).to_have_count(2)
    calibration = page.get_by_role("img", name="Calibration: predicted share against what came true")
    box = await calibration.bounding_box()
    assert box
    # Over the ninth bin, so that what echarts says on hover is made as well.
    await page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + box["height"] * 0.22)
    await expect(calibration.locator("canvas").first).to_be_visible()


async def test_every_page_is_reached_by_key_and_on_a_phone(
    browser: Browser, running: Running, signed_in: Any, page: Page
) -> None:
    await page.goto("/alerts")
    for key, path in {"w": "/watch", "m": "/models", "y": "/system"}.items():
        await page.keyboard.press("g")
        await page.keyboard.press(key)
        await page.wait_for_url(f"**{path}")
    phone = await browser.new_context(
        base_url=running.url, storage_state=signed_in, viewport={"width": 390, "height": 844}
    )
    small = await phone.new_page()
    await small.goto("/alerts")
    await expect(small.get_by_role("link", name="Models")).not_to_be_visible()
    await small.get_by_text("More", exact=True).click()
    await small.get_by_role("link", name="Models").click()
    await expect(small.get_by_role("heading", name="Models", exact=True)).to_be_visible()
    await phone.close()


async def test_models_and_rules_work_without_script(browser: Browser, running: Running, signed_in: Any) -> None:
    context = await browser.new_context(base_url=running.url, storage_state=signed_in, java_script_enabled=False)
    page = await context.new_page()
    await page.goto("/models")
    await expect(page.locator(".calibration .bin")).to_have_count(10)
    await page.goto("/models/churn_risk")
    await page.locator("summary", has_text="Roll back").click()
    await page.get_by_role("button", name="Roll back").click()
    await expect(page.locator(".notice")).to_contain_text("Rolled back")
    running.world.pins.clear()
    await page.goto("/watch/new")
    await page.get_by_label("Tell me when").fill("tickets.opn > 0")
    await page.get_by_role("button", name="Check").click()
    await expect(page.locator(".rule-error mark")).to_have_text("tickets.opn")
    await context.close()
