"""What the console shows of the analytics, without script: why, models, standing queries, segments, offers."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.console import catalogue, insight, shop, watch
from tests.console.conftest import PASSWORD, Running, token_in

SELLER = "seller@example.com"


@pytest.fixture(scope="module")
async def seller(running: Running) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who sells, and decides nothing."""
    assert running.add_user(SELLER, ["sales"]).status_code == 201
    async with httpx.AsyncClient(base_url=running.url, follow_redirects=True, trust_env=False) as client:
        form = {"csrf": token_in((await client.get("/sign-in")).text), "email": SELLER, "password": PASSWORD}
        assert (await client.post("/sign-in", data=form)).status_code == 200
        yield client


def text_of(page: httpx.Response) -> str:
    """What a page says, its markup taken off."""
    return " ".join(re.sub(r"<[^>]*>", " ", page.text).split())


# -- why ------------------------------------------------------------------------------------------------


async def test_an_alert_leads_to_the_decision_behind_it(visitor: httpx.AsyncClient) -> None:
    assert 'href="/why/tr-a-0"' in (await visitor.get("/alerts")).text
    customer = (await visitor.get(f"/customers/{shop.key(0)}")).text
    assert customer.count('href="/why/tr-a-0"') == 2  # among the scores, and in the story
    page = await visitor.get("/why/tr-a-2")
    said = text_of(page)
    assert "Expected, observed 2.7 times what was expected Expected an order every 9 days" in said
    assert "2.7 times what was expected" in said
    assert "Opens mails, which lowers the risk. -0.36" in said
    assert "Typical time between orders 9.1 days" in said
    assert "Churn risk , version 41" in said
    assert "Partition 3, offset 41,377" in said
    assert "0.970 Computed again from what was stored: the same." in said
    assert 'href="/models/churn_risk"' in page.text


async def test_every_step_of_a_trigger_can_be_looked_at(visitor: httpx.AsyncClient) -> None:
    page = await visitor.get("/why/tr-a-3")
    steps = re.findall(r'href="(/why/tr-a-3\?step=[^"]+)"( aria-current)?', page.text)
    assert [bool(current) for _, current in steps] == [False, True, False]
    assert "Over by now" in page.text
    first = text_of(await visitor.get(steps[0][0]))
    assert "offset 41,200" in first
    last = text_of(await visitor.get(steps[2][0]))
    assert "They ordered again." in last
    assert "Nothing was scored in this step." in last


async def test_a_score_that_comes_out_differently_is_an_alarm(
    visitor: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = {"score": 0.5, "same": False, "text": "Computed again, this is another number."}
    monkeypatch.setattr(insight, "explained", lambda step: step | {"check": other})
    page = (await visitor.get("/why/tr-a-0")).text
    assert '<span class="tag alarm">0.500</span> Computed again, this is another number.' in page


async def test_a_decision_nobody_stored_is_not_there(running: Running, visitor: httpx.AsyncClient) -> None:
    assert (await visitor.get("/why/tr-unknown")).status_code == 404
    running.world.down.add("analytics")
    away = await visitor.get("/why/tr-a-0")
    assert away.status_code == 503
    assert "Analytics is away for the moment" in away.text


# -- models ---------------------------------------------------------------------------------------------


async def test_models_are_shown_with_what_each_tells(visitor: httpx.AsyncClient) -> None:
    said = text_of(await visitor.get("/models"))
    assert "Churn risk Healthy" in said
    assert "AUC 0.783" in said
    assert "Next order: when Its 80 % ranges hold 71%" in said
    assert "Bought one of ten offered 21.4%" in said
    assert "3 segments: regulars, lost, &lt;b&gt;new&lt;/b&gt;." in said
    one = await visitor.get("/models/churn_risk")
    assert "The horizon directly" in one.text
    assert "data-chart=" in one.text
    assert (await visitor.get("/models/nothing")).status_code == 404


async def test_a_manager_pins_takes_off_and_rolls_back(running: Running, visitor: httpx.AsyncClient) -> None:
    csrf = token_in((await visitor.get("/models/churn_risk")).text)
    page = await visitor.post("/models/churn_risk/pin", data={"csrf": csrf, "version": "38"})
    assert "Pinned: this version is scored with until the pin is taken off." in page.text
    assert "Version 38 is in use; the newest is 41" in page.text
    assert "An older version is pinned; the newest is 41" in (await visitor.get("/models")).text
    page = await visitor.post("/models/churn_risk/unpin", data={"csrf": csrf})
    assert "Version 41 is in use" in page.text
    page = await visitor.post("/models/churn_risk/roll-back", data={"csrf": csrf})
    assert running.world.pins.pop("churn_risk") == 40
    assert "Version 40 is in use; the newest is 41" in page.text
    assert (await visitor.post("/models/churn_risk/pin", data={"csrf": csrf, "version": "0"})).status_code == 422
    assert (await visitor.post("/models/churn_risk/pin", data={"version": "38"})).status_code == 403


async def test_who_sells_decides_no_versions_and_saves_no_rules(running: Running, seller: httpx.AsyncClient) -> None:
    page = await seller.get("/models/churn_risk")
    assert "Roll back" not in page.text
    assert "A manager may pin a version" in page.text
    csrf = token_in(page.text)
    before = len(running.world.calls)
    assert (await seller.post("/models/churn_risk/pin", data={"csrf": csrf, "version": "38"})).status_code == 403
    refused = await seller.post("/watch", data={"csrf": csrf, "name": "n", "rule": watch.KNOWN})
    assert refused.status_code == 403
    assert (await seller.post("/watch/q-0/end", data={"csrf": csrf})).status_code == 403
    assert len(running.world.calls) == before
    editor = (await seller.get("/watch/new")).text
    assert "Save and watch" not in editor
    assert "You can write and try rules." in editor


# -- standing queries -----------------------------------------------------------------------------------


async def test_rules_are_listed_with_their_state(visitor: httpx.AsyncClient) -> None:
    on, off = (await visitor.get("/watch")).text, (await visitor.get("/watch?ended=1")).text
    assert "Big week, and something is wrong" in on
    assert "Starting" in on
    assert "Christmas only" not in on
    assert "&lt;b&gt;Thank&lt;/b&gt;" in on
    assert "Christmas only" in off


async def test_a_rule_is_checked_where_it_is_wrong(visitor: httpx.AsyncClient) -> None:
    csrf = token_in((await visitor.get("/watch/new")).text)
    rule = "count(order) over 7d > 2\r\nand tickets.opn > 0"
    headers = {"HX-Request": "true"}
    piece = (await visitor.post("/watch/check", data={"csrf": csrf, "rule": rule}, headers=headers)).text
    assert "<html" not in piece
    assert 'data-offset="29" data-length="11"' in piece
    assert "and <mark>tickets.opn</mark> &gt; 0</code>\n    <b>↑</b>" in piece
    assert "Line 2, character 5" in piece
    fine = (await visitor.post("/watch/check", data={"csrf": csrf, "rule": watch.KNOWN}, headers=headers)).text
    assert watch.READING in fine
    whole = (await visitor.post("/watch/check", data={"csrf": csrf, "rule": rule})).text
    assert "<html" in whole
    assert "did you mean tickets.open?" in whole
    empty = (await visitor.post("/watch/check", data={"csrf": csrf, "rule": " "}, headers=headers)).text
    assert "is said here while you write" in empty


async def test_a_rule_is_tried_before_it_is_saved(running: Running, visitor: httpx.AsyncClient) -> None:
    csrf = token_in((await visitor.get("/watch/new")).text)
    form = {"csrf": csrf, "rule": watch.KNOWN, "days": "90"}
    page = await visitor.post("/watch/try", data=form)
    assert "It would have fired 14 times in the last 90 days, for 9 customers." in page.text
    assert f'href="/customers/{shop.key(2)}">Mei-Ling Zhou</a>' in page.text
    assert "It is true of 2 customers right now." in page.text
    assert watch.KNOWN.replace(">", "&gt;") in page.text
    wrong = await visitor.post("/watch/try", data=form | {"rule": "tickets.opn > 0"}, headers={"HX-Request": "true"})
    assert "Not tried" in wrong.text
    running.world.down.add("analytics")
    away = await visitor.post("/watch/try", data=form, headers={"HX-Request": "true"})
    assert "Analytics is missing from this page." in away.text


async def test_a_rule_is_saved_shown_and_switched_off(running: Running, visitor: httpx.AsyncClient) -> None:
    csrf = token_in((await visitor.get("/watch/new")).text)
    form = {"csrf": csrf, "rule": watch.KNOWN, "name": "Big week", "severity": "high", "direction": "good"}
    nameless = await visitor.post("/watch", data=form | {"name": " "})
    assert nameless.status_code == 422
    assert "Give the rule a name" in nameless.text
    wrong = await visitor.post("/watch", data=form | {"rule": "tickets.opn > 0"})
    assert wrong.status_code == 422
    assert "<mark>tickets.opn</mark>" in wrong.text
    assert len(running.world.queries) == 4

    page = await visitor.post("/watch", data=form)
    assert "Saved. It speaks as soon as it knows what was before." in page.text
    assert page.url.path == "/watch/q-4"
    saved = running.world.queries["q-4"]
    assert (saved["name"], saved["severity"], saved["direction"]) == ("Big week", "high", "good")
    full = await visitor.post("/watch", data=form)
    assert full.status_code == 422
    assert "There are 5 rules already: end one first." in full.text
    assert 'value="Big week"' in full.text

    page = await visitor.post("/watch/q-4/end", data={"csrf": csrf})
    assert "It is not watched for any more." in page.text
    assert "Switch off" not in page.text
    del running.world.queries["q-4"]


async def test_a_rule_shows_whom_it_told_of(running: Running, visitor: httpx.AsyncClient) -> None:
    running.world.queries["q-0"]["created_by"] = "nobody known"
    page = (await visitor.get("/watch/q-0")).text
    assert page.count("/why/tr-a-") == 3
    assert "Ada Byrne" in page
    assert "nobody known" not in page
    assert "It has told nothing yet" in (await visitor.get("/watch/q-1")).text
    assert (await visitor.get("/watch/q-77")).status_code == 404


# -- what comes next, offers, segments ------------------------------------------------------------------


async def test_a_customer_shows_what_comes_next_and_how_surely(visitor: httpx.AsyncClient) -> None:
    said = text_of(await visitor.get(f"/customers/{shop.key(0)}"))
    assert "Segment Slipping regulars Recency 2 of 5 Frequency 5 of 5 Money 4 of 5" in said
    assert "Next order’s value £43.20 £31 8 in 10 £58" in said
    assert "Next 12 months Not enough evidence 4 months known; a year is needed" in said
    assert "Support load Not known Not enough evidence: 1 ticket, not enough." in said
    assert "Spend Normal The last order was as usual" in said
    assert said.index("Churn risk Alarm 81%") < said.index("Spend Normal")


async def test_offers_come_with_their_reasons(running: Running, visitor: httpx.AsyncClient) -> None:
    page = await visitor.get(f"/customers/{shop.key(0)}")
    assert "Bought with Oolong, 250 g in 31% of its baskets." in page.text
    assert "&lt;b&gt;Tin&lt;/b&gt;" in page.text
    product = await visitor.get(re.findall(r'href="(/products[^"]+)"', page.text)[0])
    assert "Oolong, 250 g" in product.text
    assert "/products?sku=TEA/01" in product.text
    nothing = text_of(await visitor.get(f"/customers/{shop.key(7)}"))
    assert "Not enough evidence to say: no product bought that is known." in nothing
    assert "5 are needed" in (await visitor.get("/products?sku=FIL")).text
    assert (await visitor.get("/products?sku=none")).status_code == 404
    assert (await visitor.get("/products")).status_code == 422
    await visitor.get("/products?sku=TEA%2F01")
    assert ("analytics", "GET", "/v1/products/TEA/01/bought-with") in running.world.calls


async def test_segments_show_size_worth_middle_and_loyalty(visitor: httpx.AsyncClient) -> None:
    page = await visitor.get("/segments")
    said = text_of(page)
    assert "One-timers About one-timers. 361 customers 36.1% £9,100 8.9%" in said
    assert "Silent 2.6 usual gaps" in said
    assert "The 20% who spend most bring 63% of the money." in said
    assert "Hooked after 4 orders" in said
    assert "3 61% 52% and 70% 111" in said
    assert page.text.count("data-chart=") == 2
    assert "<b>regulars" not in page.text


async def test_segments_are_shown_before_anybody_is_in_one(
    visitor: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = catalogue.segments()
    answer["items"] = [one | {"customers": 0, "share": 0, "spent": []} for one in answer["items"]]
    monkeypatch.setattr(catalogue, "segments", lambda: answer)
    said = text_of(await visitor.get("/segments"))
    assert "Nobody is placed yet." in said
    assert "0 customers" not in said
    assert "Middle customer spent" in said


async def test_segments_say_what_is_missing(visitor: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "too few customers were scored so far to tell groups apart"
    answer = {"evidence": {"enough": False, "text": text}, "items": [], "loyalty": {"text": "Too early."}}
    monkeypatch.setattr(catalogue, "segments", lambda: answer)
    page = (await visitor.get("/segments")).text
    assert "No groups yet" in page
    assert text in page
