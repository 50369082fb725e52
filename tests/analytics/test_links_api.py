"""Bought with and next best offers on a running service, from orders on the log to the answer."""

import time
from dataclasses import replace
from typing import Any

import httpx
import pytest

from analytics.orders import DAY
from tests.analytics.basket_shop import basket, shop
from tests.analytics.conftest import Client, Eventually, Tell
from tests.analytics.stories import START

WEEKS = 12


async def test_before_anything_is_learned_that_is_said(client: Client) -> None:
    answer = (await client("sales").get("/v1/products/TEA/bought-with")).json()
    assert answer["items"] == []
    assert answer["evidence"] == {"enough": False, "text": "nothing is known of baskets so far"}
    assert (await client("sales").get("/v1/customers/c_nobody/offers")).status_code == 404


@pytest.fixture(scope="module")
async def told(tell: Tell) -> None:
    """A quarter of a shop's orders, as history."""
    now = time.time()
    await tell(replace(event, backfill=now, received=now) for event in shop(60, WEEKS))


async def answered(client: httpx.AsyncClient, eventually: Eventually, path: str, sku: str) -> dict[str, Any]:
    async def first() -> Any:
        found = (await client.get(path)).json()
        return found if [item["sku"] for item in found.get("items", ())][:1] == [sku] else None

    found: dict[str, Any] = await eventually(first)
    return found


async def test_what_is_bought_with_a_product(client: Client, told: None, eventually: Eventually) -> None:
    answer = await answered(client("marketing"), eventually, "/v1/products/TEA/bought-with?limit=3", "POT")
    assert answer["product"]["name"] == "Green tea"
    assert answer["evidence"]["enough"]
    assert answer["model_version"] >= 1
    best = answer["items"][0]
    assert set(best) == {"sku", "name", "support", "confidence", "lift", "count", "reason"}
    assert best["name"] == "Blue tea pot"
    assert best["confidence"] > 0.9
    assert best["lift"] > 3
    assert best["reason"].startswith("In ")
    assert best["reason"].endswith(f"the baskets with Green tea, {best['lift']:.1f} times the usual share.")
    assert len(answer["items"]) <= 3


async def test_offers_are_new_to_the_customer_and_say_why(
    client: Client, told: None, tell: Tell, eventually: Eventually
) -> None:
    await tell([basket("c_new", START + 7 * WEEKS * DAY, ["TEA"])])
    answer = await answered(client("sales"), eventually, "/v1/customers/c_new/offers", "POT")
    assert answer["customer"] == "c_new"
    assert answer["evidence"]["enough"]
    best = answer["items"][0]
    assert set(best) == {"sku", "name", "score", "reason", "evidence"}
    assert best["score"] == 1.0
    assert best["reason"].startswith("Bought with Green tea in ")
    assert best["evidence"]["sku"] == "TEA"
    assert "TEA" not in [item["sku"] for item in answer["items"]]


async def test_who_bought_nothing_known_is_no_guess(
    client: Client, told: None, tell: Tell, eventually: Eventually
) -> None:
    await tell([basket("c_empty", START + 7 * WEEKS * DAY, [])])

    async def known() -> Any:
        answer = await client("sales").get("/v1/customers/c_empty/offers")
        return answer.json() if answer.status_code == 200 else None

    answer = await eventually(known)
    assert answer["items"] == []
    assert answer["evidence"] == {"enough": False, "text": "no product bought that is known"}


async def test_what_cannot_be_answered(client: Client, told: None) -> None:
    sales = client("sales")
    for path in ("/v1/products/nothing/bought-with", "/v1/products/a/b%20c/bought-with"):
        answer = await sales.get(path)
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
    for limit in (0, 51, "x"):
        assert (await sales.get(f"/v1/products/TEA/bought-with?limit={limit}")).status_code == 422
    assert (await client("nobody").get("/v1/products/TEA/bought-with")).status_code == 403
