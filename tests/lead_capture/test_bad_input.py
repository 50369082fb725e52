"""What is refused, and how: against the running service."""

import gzip
from typing import Any

import httpx
import orjson
import pytest

JSON = {"content-type": "application/json"}
LEAD = b'{"email": "ada@example.com"}'
ORDER = {"order_id": "1", "customer": {"user_id": "u"}, "currency": "GBP", "total": "1.00"}


@pytest.fixture(scope="module")
def key(capture: Any) -> str:
    return str(capture.add_key("server", "bad-input"))


def post(capture: Any, key: str, path: str, body: bytes, headers: dict[str, str] | None = None) -> httpx.Response:
    sent = {"authorization": f"Bearer {key}", **JSON, **(headers or {})}
    answer: httpx.Response = capture.http.post(f"{capture.url}{path}", content=body, headers=sent, timeout=30)
    return answer


def lead(**fields: Any) -> bytes:
    return orjson.dumps({"email": "ada@example.com", **fields})


def order(**fields: Any) -> bytes:
    return orjson.dumps({**ORDER, **fields})


def nested(depth: int) -> bytes:
    return b'{"email": "ada@example.com", "message": ' + b"[" * depth + b"]" * depth + b"}"


ITEM = {"sku": "a", "quantity": 1, "unit_price": "1"}
NATIVE: list[tuple[str, str, bytes, int]] = [
    ("empty", "/v1/leads", b"", 400),
    ("truncated", "/v1/leads", LEAD[:-3], 400),
    ("bad UTF-8", "/v1/leads", b'{"email": "\xff\xfe@example.com"}', 400),
    ("UTF-16", "/v1/leads", LEAD.decode().encode("utf-16"), 400),
    ("UTF-16 without its mark", "/v1/leads", LEAD.decode().encode("utf-16-le"), 400),
    ("byte order mark", "/v1/leads", b"\xef\xbb\xbf" + LEAD, 400),
    ("array", "/v1/leads", b"[]", 422),
    ("null", "/v1/leads", b"null", 422),
    ("NaN", "/v1/orders", b'{"total": NaN}', 422),
    ("Infinity", "/v1/orders", b'{"total": Infinity}', 422),
    ("1e999", "/v1/orders", b'{"total": 1e999}', 422),
    ("lone surrogate", "/v1/leads", b'{"email": "ada@example.com", "name": "\\ud800"}', 422),
    ("NUL", "/v1/leads", b'{"email": "ada@example.com", "name": "a\\u0000b"}', 422),
    ("NUL in a key", "/v1/leads", b'{"email": "ada@example.com", "a\\u0000b": 1}', 422),
    ("depth 33", "/v1/leads", nested(33), 422),
    ("depth 1,000", "/v1/leads", nested(1_000), 422),
    ("depth 10,000", "/v1/leads", nested(10_000), 422),
    ("5,000 digits", "/v1/orders", b'{"total": ' + b"9" * 5_000 + b"}", 422),
    ("5,000 digits in a text", "/v1/orders", order(total="9" * 5_000), 422),
    ("key of 256 characters", "/v1/leads", lead(**{"k" * 256: 1}), 422),
    ("naive time", "/v1/orders", order(time="2026-03-01T09:30:00"), 422),
    ("time before 1970", "/v1/orders", order(time="0001-01-01T00:00:00Z"), 422),
    ("unknown field", "/v1/leads", lead(source="forged"), 422),
    ("unknown field of a customer", "/v1/orders", order(customer={"user_id": "u", "role": "admin"}), 422),
    ("mark of an import in the body", "/v1/orders", order(heedbackfill="2026-03-01T09:30:00Z"), 422),
    ("nobody", "/v1/leads", b'{"name": "Ada"}', 422),
    ("no e-mail", "/v1/leads", b'{"email": "ada"}', 422),
    ("no phone", "/v1/leads", b'{"phone": "17"}', 422),
    ("no customer", "/v1/orders", order(customer={}), 422),
    ("no order id", "/v1/orders", order(order_id=""), 422),
    ("order id null", "/v1/orders", order(order_id=None), 422),
    ("neither total nor items", "/v1/orders", order(total=None), 422),
    ("total too large", "/v1/orders", order(total="1000000000000"), 422),
    ("total no number", "/v1/orders", order(total="12,50"), 422),
    ("total true", "/v1/orders", order(total=True), 422),
    ("currency", "/v1/orders", order(currency="pounds"), 422),
    ("quantity no number", "/v1/orders", order(items=[{**ITEM, "quantity": "NaN"}]), 422),
    ("2,501 items", "/v1/orders", order(items=[ITEM] * 2_501), 422),
    ("lead of 33 KB", "/v1/leads", lead(message="x" * 33_000), 413),
    ("order of 600 KB", "/v1/orders", order(items=[{**ITEM, "name": "x" * 240}] * 2_500), 413),
]


@pytest.mark.parametrize(("path", "body", "status"), [case[1:] for case in NATIVE], ids=[case[0] for case in NATIVE])
def test_native_routes_say_what_is_wrong(capture: Any, key: str, path: str, body: bytes, status: int) -> None:
    answer = post(capture, key, path, body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert problem["instance"] == path


def test_each_wrong_field_is_named(capture: Any, key: str) -> None:
    answer = post(capture, key, "/v1/orders", order(total="x", items=[{"sku": "a"}]))
    pointers = {error["pointer"] for error in answer.json()["errors"]}
    assert pointers == {"/total", "/items/0/quantity", "/items/0/unit_price"}


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "multipart/form-data; boundary=x", ""])
def test_a_wrong_content_type_is_415(capture: Any, key: str, kind: str) -> None:
    assert post(capture, key, "/v1/leads", LEAD, {"content-type": kind}).status_code == 415
    assert post(capture, key, "/v1/orders", order(), {"content-type": kind}).status_code == 415


def test_a_form_is_no_order(capture: Any, key: str) -> None:
    answer = post(capture, key, "/v1/orders", b"a=1", {"content-type": "application/x-www-form-urlencoded"})
    assert answer.status_code == 415


SEGMENT: list[tuple[str, bytes, int]] = [
    ("empty", b"", 400),
    ("truncated", b'{"batch": [', 400),
    ("bad UTF-8", b'{"batch": ["\xff"]}', 400),
    ("byte order mark", b'\xef\xbb\xbf{"batch": []}', 400),
    ("array", b"[]", 400),
    ("null", b"null", 400),
    ("batch is no list", b'{"batch": {}}', 400),
    ("no batch", b"{}", 400),
    ("1e999", b'{"batch": [{"userId": "u", "type": "page", "properties": {"a": 1e999}}]}', 400),
    ("lone surrogate", b'{"batch": [{"userId": "\\udfff", "type": "page"}]}', 400),
    ("2,501 events", orjson.dumps({"batch": [{}] * 2_501}), 413),
    ("more than 500 KB", orjson.dumps({"batch": [{"type": "page", "userId": "u", "name": "x" * 600}] * 900}), 413),
    ("more than 1 MB", orjson.dumps({"batch": ["x" * 1_000_001]}), 413),
]


@pytest.mark.parametrize(("body", "status"), [case[1:] for case in SEGMENT], ids=[case[0] for case in SEGMENT])
def test_segment_routes_refuse_what_is_malformed(capture: Any, key: str, body: bytes, status: int) -> None:
    assert post(capture, key, "/v1/batch", body).status_code == status


def event(**fields: Any) -> dict[str, Any]:
    return {"type": "track", "event": "Clicked", "userId": "u1", **fields}


def purchase(**properties: Any) -> dict[str, Any]:
    return event(event="Order Completed", properties={"order_id": "1", "total": 1, **properties})


def deep(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


BAD_EVENTS: list[tuple[str, Any]] = [
    ("no object", "track"),
    ("null", None),
    ("unknown type", event(type="import")),
    ("type is a list", event(type=["track"])),
    ("nobody", event(userId=None)),
    ("userId is an object", event(userId={"a": 1})),
    ("userId too long", event(userId="u" * 256)),
    ("no event name", event(event="")),
    ("event name is a list", event(event=["Order Completed"])),
    ("naive time", event(timestamp="2026-03-01T09:30:00")),
    ("no time", event(timestamp="yesterday")),
    ("NUL", event(properties={"a": "b\x00"})),
    ("depth 40", event(properties={"a": deep(40)})),
    ("properties no object", event(properties=[1])),
    ("context no object", event(context="x")),
    ("larger than 32 KiB", event(properties={"a": "x" * 33_000})),
    ("alias without previousId", event(type="alias")),
    ("group without groupId", event(type="group")),
    ("messageId is a number", event(messageId=17)),
    ("order without total", event(event="Order Completed", properties={"order_id": "1"})),
    ("order with a total that is none", purchase(total="NaN")),
    ("order with a bad product", purchase(products=["a"])),
    ("order with a currency that is none", purchase(currency="pounds")),
    ("order with a product without a name", purchase(products=[{"price": 1}])),
]


@pytest.mark.parametrize("bad", [case[1] for case in BAD_EVENTS], ids=[case[0] for case in BAD_EVENTS])
def test_a_bad_event_is_set_aside_and_the_others_pass(capture: Any, bad: Any, request: Any) -> None:
    source = request.node.callspec.id.replace(" ", "-").replace(",", "")[:60]
    key = capture.add_key("server", source)
    good = [event(messageId=f"{source}-{n}", properties={"n": n}) for n in range(2)]
    answer = post(capture, key, "/v1/batch", orjson.dumps({"batch": [good[0], bad, good[1]]}))
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    assert [fact.data["properties"]["n"] for fact in capture.facts(source)] == [0, 1]
    [(reason, set_aside)] = capture.dead_letters(source)
    assert reason
    assert set_aside == bad or "larger" in reason


def test_an_event_too_deep_to_be_kept_is_named_all_the_same(capture: Any) -> None:
    key = capture.add_key("server", "abyss")
    deepest = b'{"type": "page", "userId": "u", "properties": {"a": ' + b"[" * 900 + b"]" * 900 + b"}}"
    large = b'{"type": "page", "userId": "u", "name": "' + b"x" * 600_000 + b'"}'
    assert post(capture, key, "/v1/batch", b'{"batch": [' + deepest + b"]}").status_code == 200
    assert post(capture, key, "/v1/batch", b'{"batch": [' + deepest + b"," + large + b"]}").status_code == 413
    assert post(capture, key, "/v1/batch", b'{"batch": 17, "a": "' + b"x" * 600_000 + b'"}').status_code in (400, 413)
    [(reason, event)] = capture.dead_letters("abyss")
    assert "nested" in reason
    assert event is None


def test_segment_routes_parse_whatever_the_label_says(capture: Any) -> None:
    key = capture.add_key("server", "labels")
    for number, kind in enumerate(["text/plain", "application/x-www-form-urlencoded", "", "text/plain;charset=UTF-8"]):
        body = orjson.dumps(event(messageId=f"label-{number}"))
        assert post(capture, key, "/v1/track", body, {"content-type": kind}).json() == {"success": True}
    assert len(capture.facts("labels")) == 4


def test_gzip_is_unpacked(capture: Any) -> None:
    key = capture.add_key("server", "gzip")
    body = gzip.compress(orjson.dumps({"batch": [event()]}))
    assert post(capture, key, "/v1/batch", body, {"content-encoding": "gzip"}).json() == {"success": True}
    assert len(capture.facts("gzip")) == 1


def test_a_gzip_bomb_is_413(capture: Any, key: str) -> None:
    bomb = gzip.compress(b'{"batch": ["' + b"0" * 200_000_000 + b'"]}', 1)
    assert len(bomb) < 1_000_000
    assert post(capture, key, "/v1/batch", bomb, {"content-encoding": "gzip"}).status_code == 413


@pytest.mark.parametrize("body", [b"no gzip", gzip.compress(b"{}")[:-4], gzip.compress(b"{}") + b"more"])
def test_broken_gzip_is_400(capture: Any, key: str, body: bytes) -> None:
    assert post(capture, key, "/v1/batch", body, {"content-encoding": "gzip"}).status_code == 400


def test_another_encoding_is_415(capture: Any, key: str) -> None:
    assert post(capture, key, "/v1/batch", b"x", {"content-encoding": "br"}).status_code == 415


def test_a_form_with_too_many_fields_or_a_nul_is_refused(capture: Any, key: str) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert post(capture, key, "/v1/leads", b"&".join(b"a=1" for _ in range(200)), form).status_code == 400
    assert post(capture, key, "/v1/leads", b"email=a%40b.example&name=%00", form).status_code == 422
    assert post(capture, key, "/v1/leads", b"email=a%40b.example&name=%ff", form).status_code == 400


@pytest.mark.parametrize("path", ["/v1/leads", "/v1/orders", "/v1/track", "/v1/batch"])
def test_other_methods_are_405(capture: Any, path: str) -> None:
    answer = capture.http.get(f"{capture.url}{path}")
    assert answer.status_code == 405
    assert "POST" in answer.headers["allow"]


def test_the_far_future_becomes_the_receipt_and_the_past_stays(capture: Any) -> None:
    key = capture.add_key("server", "times")
    times = ["9999-12-31T23:59:59Z", "2999-01-01T00:00:00Z", "1999-01-01T00:00:00Z"]
    for number, time in enumerate(times):
        assert post(capture, key, "/v1/orders", order(order_id=str(number), time=time)).status_code == 202
    facts = {fact.data["order_id"]: fact for fact in capture.facts("times")}
    assert [facts[n].data.get("time_adjusted", False) for n in "012"] == [True, True, False]
    assert facts["0"].time == facts["0"].received
    assert facts["2"].time.year == 1999


def test_an_order_of_2500_lines_is_taken_alone_and_in_a_batch(capture: Any) -> None:
    key = capture.add_key("server", "large")
    assert post(capture, key, "/v1/orders", order(items=[ITEM] * 2_500)).status_code == 202
    products = [{"sku": f"sku-{n}", "name": "x" * 100, "price": 1, "quantity": 1} for n in range(2_500)]
    large = {"order_id": "large", "total": 2_500, "currency": "GBP", "products": products}
    batch = {"batch": [event(event="Order Completed", properties=large)] + [event(n=n) for n in range(1_000)]}
    assert post(capture, key, "/v1/batch", orjson.dumps(batch)).status_code == 200
    facts = capture.facts("large")
    assert len(facts) == 1_002
    assert not capture.dead_letters("large")


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer sk_wrong", "Basic !!!", "Basic c2tfd3Jvbmc6", "Digest x"])
def test_no_or_a_wrong_key_is_401(capture: Any, header: str) -> None:
    for path, body in (("/v1/leads", LEAD), ("/v1/batch", b'{"batch": []}')):
        answer = capture.http.post(f"{capture.url}{path}", content=body, headers={**JSON, "authorization": header})
        assert answer.status_code == 401
        assert "www-authenticate" in answer.headers
