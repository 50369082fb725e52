"""Write keys, browsers and HTML forms."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import pytest

SHOP, OTHER = "https://shop.example", "https://evil.example"
LEAD = {"email": "ada@example.com"}


def form(capture: Any, key: str, origin: str | None = None, **fields: str) -> httpx.Response:
    headers = {"origin": origin} if origin else {}
    answer: httpx.Response = capture.http.post(f"{capture.url}/v1/leads?writeKey={key}", data=fields, headers=headers)
    return answer


def test_keys_are_shown_once_and_listed_without_their_secret(capture: Any) -> None:
    key = capture.add_key("server", "shown")
    listed = capture.http.get(f"{capture.url}/v1/keys", headers=capture.admin).json()["items"]
    [mine] = [item for item in listed if item["name"] == "shown"]
    assert key.startswith("sk_")
    assert mine["prefix"] == key[:7]
    assert key not in str(listed)


def test_a_revoked_key_stops_within_seconds(capture: Any) -> None:
    name = f"revoked-{secrets.token_hex(3)}"
    headers = {"authorization": f"Bearer {capture.add_key('server', name)}"}
    assert capture.http.post(f"{capture.url}/v1/leads", json=LEAD, headers=headers).status_code == 202
    [item] = [
        i
        for i in capture.http.get(f"{capture.url}/v1/keys", headers=capture.admin).json()["items"]
        if i["name"] == name
    ]
    assert capture.http.delete(f"{capture.url}/v1/keys/{item['id']}", headers=capture.admin).status_code == 204
    capture.wait_for(
        lambda: capture.http.post(f"{capture.url}/v1/leads", json=LEAD, headers=headers).status_code == 401, 5
    )


def test_the_administration_needs_its_role(capture: Any) -> None:
    for method, path in (
        ("GET", "/v1/keys"),
        ("POST", "/v1/keys"),
        ("DELETE", f"/v1/keys/{uuid4()}"),
        ("GET", "/v1/status"),
    ):
        body = {"name": "a", "kind": "server"} if method == "POST" else None
        assert capture.http.request(method, f"{capture.url}{path}", json=body).status_code == 401
    server = {"authorization": f"Bearer {capture.add_key('server')}"}
    assert capture.http.get(f"{capture.url}/v1/keys", headers=server).status_code == 401
    assert capture.http.delete(f"{capture.url}/v1/keys/{uuid4()}", headers=capture.admin).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"name": "", "kind": "server"},
        {"name": "a\nb", "kind": "server"},
        {"name": "a", "kind": "admin"},
        {"name": "a", "kind": "public", "origins": ["shop.example"]},
        {"name": "a", "kind": "public", "origins": ["https://shop.example/path"]},
        {"name": "a", "kind": "public", "hash": "x"},
    ],
)
def test_broken_keys_are_not_made(capture: Any, body: dict[str, Any]) -> None:
    assert capture.http.post(f"{capture.url}/v1/keys", json=body, headers=capture.admin).status_code == 422


def test_a_server_key_does_not_travel_in_an_address(capture: Any) -> None:
    answers = [
        capture.http.post(f"{capture.url}/v1/leads?writeKey={capture.add_key(kind)}", json=LEAD).status_code
        for kind in ("server", "public")
    ]
    assert answers == [401, 202]


def test_segment_events_may_carry_their_key(capture: Any) -> None:
    for key, status in (
        (capture.add_key("server"), 200),
        (capture.add_key("public"), 200),
        ("wk_unknown", 401),
        (17, 401),
    ):
        body = {"userId": "u", "event": "Clicked", "writeKey": key}
        assert capture.http.post(f"{capture.url}/v1/track", json=body).status_code == status


def test_a_page_of_an_allowed_origin_may_post_and_read(capture: Any) -> None:
    key = capture.add_key("public", origins=(SHOP,))
    asked = {"origin": SHOP, "access-control-request-method": "POST"}
    preflight = capture.http.options(f"{capture.url}/v1/leads", headers=asked)
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == SHOP
    assert "authorization" in preflight.headers["access-control-allow-headers"]
    headers = {"authorization": f"Bearer {key}", "origin": SHOP}
    for body, status in ((LEAD, 202), ({}, 422)):
        answer = capture.http.post(f"{capture.url}/v1/leads", json=body, headers=headers)
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == SHOP


def test_a_page_of_another_origin_may_not(capture: Any) -> None:
    key = capture.add_key("public", origins=(SHOP,))
    answer = capture.http.post(
        f"{capture.url}/v1/leads", json=LEAD, headers={"authorization": f"Bearer {key}", "origin": OTHER}
    )
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


def test_a_form_posts_straight_from_a_page(capture: Any) -> None:
    key = capture.add_key("public", "form", (SHOP,))
    fields = {
        "email": "Ada@example.com",
        "consent": "on",
        "consent_text": "You may write.",
        "utm_source": "ads",
        "csrf": "x",
    }
    answer = form(capture, key, SHOP, **fields)
    assert answer.status_code == 202
    [fact] = capture.facts("form")
    assert fact.data["identifiers"] == {"email": "ada@example.com"}
    assert fact.data["consent"] == {"given": True, "text": "You may write."}
    assert fact.data["utm"] == {"source": "ads"}


def test_a_form_is_led_on_to_allowed_origins_only(capture: Any) -> None:
    key = capture.add_key("public", "redirect", (SHOP,))
    led = form(capture, key, SHOP, email="a@b.example", redirect=f"{SHOP}/thanks")
    assert (led.status_code, led.headers["location"]) == (303, f"{SHOP}/thanks")
    for elsewhere in (f"{OTHER}/", f"{SHOP}@evil.example/", "//evil.example", "javascript:alert(1)"):
        answer = form(capture, key, SHOP, email="a@b.example", redirect=elsewhere)
        assert (answer.status_code, answer.headers.get("location")) == (202, None)


def test_the_honeypot_answers_as_usual_and_drops(capture: Any) -> None:
    key = capture.add_key("public", "honeypot", (SHOP,))
    answer = form(capture, key, SHOP, email="a@b.example", website="https://spam.example", redirect=f"{SHOP}/thanks")
    assert answer.status_code == 303
    answer = capture.http.post(f"{capture.url}/v1/leads?writeKey={key}", json={**LEAD, "website": "x"})
    assert answer.status_code == 202
    assert set(answer.json()) == {"id"}
    assert capture.facts("honeypot") == []
    assert 'heed_capture_honeypot_total{source="honeypot"} 2.0' in capture.http.get(f"{capture.url}/metrics").text


def test_markup_in_a_name_is_kept_as_text(capture: Any) -> None:
    key = capture.add_key("server", "markup")
    body = {**LEAD, "name": "<script>alert(1)</script>"}
    answer = capture.http.post(f"{capture.url}/v1/leads", json=body, headers={"authorization": f"Bearer {key}"})
    assert answer.status_code == 202


def test_too_much_at_once_is_429_with_the_time_to_wait(capture: Any) -> None:
    headers = {"authorization": f"Bearer {capture.add_key('public')}"}
    batch = {"batch": [{"type": "page", "anonymousId": "a"}] * 2_500}

    def post(_: int) -> httpx.Response:
        answer: httpx.Response = capture.http.post(f"{capture.url}/v1/batch", json=batch, headers=headers, timeout=60)
        return answer

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(post, range(4)))
    assert {answer.status_code for answer in answers} == {200, 429}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers if answer.status_code == 429)


def test_health_and_metrics_are_open(capture: Any) -> None:
    for path in ("/livez", "/readyz", "/metrics", "/openapi.json", "/docs"):
        assert capture.http.get(f"{capture.url}{path}").status_code == 200
    found = capture.http.get(f"{capture.url}/metrics").text
    for name in (
        "heed_capture_facts_total",
        "heed_http_requests_total",
        "heed_capture_durable_seconds",
        "heed_outbox_rows",
    ):
        assert name in found
