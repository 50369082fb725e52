"""Pages without script: what they show, what they refuse, what they show when a service is away."""

import re

import httpx
import jwt
import pytest

from tests.console import shop
from tests.console.conftest import Running, token_in

CUSTOMER = f"/customers/{shop.key(0)}"
PAGES = {
    "/alerts": "Ada Byrne",
    "/alerts?status=all": "Recovered",
    "/alerts?more=1": "Nothing waits",
    "/alerts?status=snoozed&kind=churn_risk&owner=me": "No alerts like this",
    "/alerts?kind=standing_query": "No alerts like this",
    CUSTOMER: "Rhythm",
    f"{CUSTOMER}?kind=order": "Ordered for",
    "/contacts": "Mei-Ling Zhou",
    "/contacts?q=nobody-like-this": "Nobody found",
    "/leads": "Amara Okonkwo",
    "/leads?status=qualified": "Mei-Ling Zhou",
    "/leads/l-0": "Could you supply us monthly",
    "/tickets": "Charged twice",
    "/tickets?status=solved&q=filter": "Which filter?",
    "/tickets/t-0": "two tins are missing",
    f"/tickets/new?customer={shop.key(0)}": "New ticket for Ada Byrne",
    "/journeys": "We kept your favourites",
    "/segments": "Slipping regulars",
    "/products?sku=TEA%2F01": "Cast-iron pot",
    "/watch": "Asked, and never ordered",
    "/watch/new": "How rules are written",
    "/models": "Bought together",
    "/system": "Churn risk",
    "/preferences": "Europe/London",
}
BREAKABLE = {
    "sales": {"/alerts": "Sales", "/leads": "Sales"},
    "contact": {CUSTOMER: "Contact", "/contacts": "Contact", "/alerts": "Ada Byrne", "/tickets": "Charged twice"},
    "analytics": {
        CUSTOMER: "Analytics",
        "/system": "Analytics",
        "/tickets/t-0": "two tins are missing",
        "/segments": "Analytics is missing from this page.",
        "/watch": "Analytics is missing from this page.",
        "/models": "Analytics is missing from this page.",
    },
    "ticketing": {CUSTOMER: "Ticketing", "/tickets": "Ticketing"},
    "campaign": {CUSTOMER: "Campaign", "/journeys": "Campaign"},
    "lead_capture": {"/system": "Lead capture"},
}


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_shows_what_the_services_know(visitor: httpx.AsyncClient, path: str) -> None:
    page = await visitor.get(path)
    assert page.status_code == 200, page.text
    assert PAGES[path] in page.text


@pytest.mark.parametrize(
    ("service", "path"), [(service, path) for service, paths in BREAKABLE.items() for path in paths]
)
async def test_a_service_away_takes_only_its_part_of_the_page(
    running: Running, visitor: httpx.AsyncClient, service: str, path: str
) -> None:
    running.world.down.add(service)
    page = await visitor.get(path)
    assert page.status_code == 200, page.text
    assert BREAKABLE[service][path] in page.text


async def test_all_services_away_still_gives_every_page(running: Running, visitor: httpx.AsyncClient) -> None:
    running.world.down.update(("sales", "contact", "analytics", "ticketing", "campaign", "lead_capture"))
    for path in ("/alerts", CUSTOMER, "/contacts", "/leads", "/tickets", "/journeys", "/segments", "/watch", "/system"):
        page = await visitor.get(path)
        assert page.status_code == 200, path
        assert "is missing from this page" in page.text, path
    single = await visitor.get("/tickets/t-0")
    assert single.status_code == 503
    assert "Ticketing is away for the moment" in single.text
    assert "Nothing was lost" in single.text


async def test_what_is_not_there_is_a_page_too(visitor: httpx.AsyncClient) -> None:
    for path in ("/nothing", "/customers/c_unknown", "/tickets/t-99", "/leads/l-99"):
        page = await visitor.get(path)
        assert page.status_code == 404, path
        assert "There is nothing here" in page.text
        assert "<html" not in (await visitor.get(path, headers={"HX-Request": "true"})).text
    assert (await visitor.get("/customers/..%2f..%2fv1%2fmodels")).status_code in (404, 422)


async def test_bad_queries_are_refused_as_a_page(visitor: httpx.AsyncClient) -> None:
    for path in (
        "/alerts?status=drop%20table",
        "/alerts?kind=churn_risk2",
        "/watch?ended=maybe",
        "/models/A-B",
        f"{CUSTOMER}?kind=%3Cb%3E",
        "/leads?status=x",
        f"/contacts?q={'x' * 300}",
    ):
        page = await visitor.get(path)
        assert page.status_code == 422, path
        assert "not right" in page.text


async def test_names_are_escaped_everywhere(visitor: httpx.AsyncClient) -> None:
    last = shop.key(len(shop.NAMES) - 1)
    for path in ("/alerts?status=all", "/contacts", "/contacts?q=%3Cscript", f"/customers/{last}"):
        page = (await visitor.get(path)).text
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;" in page, path
    found = (await visitor.get("/contacts?q=%22%3E%3Cimg+src%3Dx+onerror%3D1%3E")).text
    assert "<img" not in found


async def test_every_answer_carries_a_strict_policy(running: Running, visitor: httpx.AsyncClient) -> None:
    nonces = set()
    for path in ("/alerts", CUSTOMER, "/nothing", "/contacts", "/static/console.css", "/livez"):
        answer = await visitor.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        nonce = re.search(r"script-src 'nonce-([^']+)'", policy)
        assert nonce
        nonces.add(nonce[1])
        if "text/html" in answer.headers["content-type"]:
            assert all(nonce[1] in tag for tag in re.findall(r"<script[^>]*>", answer.text))
            assert not re.search(r"\son[a-z]+=|\sstyle=|javascript:", answer.text)
            assert "https://" not in re.sub(r"http://www.w3.org\S*", "", answer.text)
    assert len(nonces) == 6


async def test_services_are_called_in_the_visitors_name(running: Running, visitor: httpx.AsyncClient) -> None:
    running.world.tokens.clear()
    await visitor.get("/alerts")
    claims = jwt.decode(running.world.tokens[0].removeprefix("Bearer "), options={"verify_signature": False})
    assert claims["name"] == "Dana Demo"
    assert claims["roles"] == ["admin", "sales", "support"]
    assert "Authorization" not in (await visitor.get("/alerts")).text


async def test_an_alert_is_dealt_with_without_script(running: Running, visitor: httpx.AsyncClient) -> None:
    csrf = token_in((await visitor.get("/alerts")).text)
    form = {"csrf": csrf, "back": "/alerts?kind=spend_deviation"}
    page = await visitor.post("/alerts/a-1/acknowledge", data=form)
    assert page.url.path == "/alerts"
    assert "Acknowledged." in page.text
    assert "/alerts/a-1/reopen" in page.text
    await visitor.post("/alerts/a-1/reopen", data=form)
    assert running.world.alerts["a-1"]["status"] == "open"
    await visitor.post("/alerts/a-1/resolve", data=form | {"outcome": "false_alarm", "note": "They moved."})
    assert running.world.alerts["a-1"]["outcome"] == "false_alarm"
    await visitor.post("/alerts/a-2/snooze", data=form | {"until": "hour"})
    assert running.world.alerts["a-2"]["snoozed_until"].endswith("Z")
    taken = await visitor.post("/alerts/a-3/take", data=form)
    assert taken.url.path == f"/customers/{shop.key(3)}"
    assert running.world.alerts["a-3"]["status"] == "acknowledged"


async def test_what_waits_is_below_the_open_alerts(running: Running, visitor: httpx.AsyncClient) -> None:
    waiting = running.world.raise_alert(5, surfaced=False, due_at=None)
    try:
        page = (await visitor.get("/alerts")).text
        assert waiting["id"] not in page
        assert '<a class="button" href="/alerts?more=1">More (1)</a>' in page
        assert "More (1)" not in (await visitor.get("/alerts?kind=churn_risk")).text
        assert "More (1)" not in (await visitor.get("/alerts?status=all")).text
        assert "More (1)" in (await visitor.get("/alerts/more")).text
        more = (await visitor.get("/alerts?more=1")).text
        assert waiting["id"] in more
        assert "Tom Okafor: 20 of 20 shown in 24 hours, 1 waiting." in more
        assert waiting["id"] in (await visitor.get("/alerts?status=all")).text
        running.world.down.add("sales")
        assert (await visitor.get("/alerts/more")).text.strip() == ""
    finally:
        del running.world.alerts[waiting["id"]]


async def test_a_change_that_a_service_cannot_take_is_said(running: Running, visitor: httpx.AsyncClient) -> None:
    csrf = token_in((await visitor.get("/alerts")).text)
    refused = await visitor.post("/leads/l-1", data={"csrf": csrf, "status": "disqualified"})
    assert refused.status_code == 422
    assert "A lead is disqualified with a reason." in refused.text
    running.world.down.add("sales")
    away = await visitor.post("/alerts/a-4/acknowledge", data={"csrf": csrf})
    assert away.status_code == 503
    assert "nothing was changed" in away.text
    scripted = await visitor.post(
        "/alerts/a-4/acknowledge", data={"csrf": csrf}, headers={"Accept": "application/json"}
    )
    assert scripted.status_code == 502
    assert scripted.json()["problem"].startswith("Sales:")


async def test_tickets_and_leads_are_worked(running: Running, visitor: httpx.AsyncClient) -> None:
    csrf = token_in((await visitor.get("/tickets/t-1")).text)
    page = await visitor.post("/tickets/t-1/replies", data={"csrf": csrf, "text": "We are <b>on</b> it."})
    assert "Reply sent." in page.text
    assert "We are &lt;b&gt;on&lt;/b&gt; it." in page.text
    await visitor.post(
        "/tickets/t-1/change", data={"csrf": csrf, "status": "solved", "priority": "high", "take": "true"}
    )
    assert running.world.tickets["t-1"]["status"] == "solved"
    assert running.world.tickets["t-1"]["assignee"]["name"] == "Dana Demo"
    opened = await visitor.post(
        "/tickets", data={"csrf": csrf, "customer": shop.key(0), "subject": "Lost", "text": "Lost."}
    )
    assert "Ticket opened." in opened.text
    await visitor.post("/leads/l-1", data={"csrf": csrf, "status": "qualified"})
    assert running.world.leads["l-1"]["status"] == "qualified"


async def test_forms_without_their_token_change_nothing(running: Running, visitor: httpx.AsyncClient) -> None:
    before = dict(running.world.alerts["a-5"])
    for form in ({}, {"csrf": ""}, {"csrf": "0" * 64}):
        refused = await visitor.post("/alerts/a-5/acknowledge", data=form)
        assert refused.status_code == 403
        assert "Nothing was changed" in refused.text
    csrf = token_in((await visitor.get("/alerts")).text)
    foreign = await visitor.post(
        "/alerts/a-5/acknowledge", data={"csrf": csrf}, headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert foreign.status_code == 403
    assert running.world.alerts["a-5"] == before


async def test_dates_are_in_the_visitors_time_zone(visitor: httpx.AsyncClient) -> None:
    csrf = token_in((await visitor.get("/preferences")).text)
    assert (await visitor.post("/preferences", data={"csrf": csrf, "time_zone": "Mars/Base"})).status_code == 422
    page = await visitor.post("/preferences", data={"csrf": csrf, "time_zone": "Asia/Tokyo"})
    assert "Saved." in page.text
    assert " JST" in (await visitor.get("/alerts")).text
    await visitor.post("/preferences", data={"csrf": csrf, "time_zone": "Europe/London"})


async def test_a_page_is_light(visitor: httpx.AsyncClient) -> None:
    for path in ("/alerts", CUSTOMER, "/system"):
        page = await visitor.get(path)
        files = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text))
        answers = [page, *[await visitor.get(file) for file in files]]
        # what crosses the wire, compressed as it is there
        assert sum(answer.num_bytes_downloaded for answer in answers) < 100_000, path
        assert all("immutable" in answer.headers["cache-control"] for answer in answers[1:])


async def test_a_page_with_charts_is_still_light(visitor: httpx.AsyncClient) -> None:
    for path in ("/models", "/segments"):
        page = await visitor.get(path)
        files = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text))
        assert any("echarts" in file for file in files)
        answers = [page, *[await visitor.get(file) for file in files]]
        assert all(answer.status_code == 200 for answer in answers)
        assert sum(answer.num_bytes_downloaded for answer in answers) < 300_000, path


async def test_of_the_libraries_only_what_pages_load_is_served(visitor: httpx.AsyncClient) -> None:
    assert (await visitor.get("/static/vendor/htmx.js")).status_code == 200
    for path in ("echarts/package.json", "axe-core/axe.min.js", "%2e%2e/package.json", ""):
        assert (await visitor.get(f"/static/vendor/{path}")).status_code == 404, path
