"""The HTTP application: limits, problem documents, request ids, health, metrics."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated

import httpx
import pytest
from fastapi import Depends, FastAPI, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from common.auth import Caller, require
from common.failures import BusyError, InvalidError, TransientError
from common.http import create_app
from common.problems import Problem, not_found
from common.settings import ServiceSettings
from common.tokens import generate_keys, mint

PRIVATE, PUBLIC = generate_keys()
LIMIT = 1_000
SECONDS = 0.2


class Thing(BaseModel):
    amount: int


def _add_routes(app: FastAPI) -> None:
    @app.post("/things/{thing_id}")
    async def put(thing_id: str, thing: Thing, q: Annotated[int, Query(ge=1)] = 1) -> Thing:
        return thing

    @app.post("/bare")
    async def bare() -> str:
        return "done"

    @app.get("/raise/{what}")
    async def fail(what: str) -> None:
        errors = {
            "problem": not_found("thing"),
            "transient": TransientError("away"),
            "busy": BusyError(3.2),
            "invalid": InvalidError("a NUL"),
            "bug": ValueError("secret"),
        }
        raise errors[what]

    @app.get("/slow")
    async def slow() -> None:
        await asyncio.sleep(30)

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def parts() -> AsyncIterator[str]:
            yield "a"
            await asyncio.sleep(SECONDS * 2)
            yield "b"

        return StreamingResponse(parts())

    @app.get("/me")
    async def me(caller: Caller) -> str:
        return caller.name

    @app.get("/desk", dependencies=[Depends(require("support"))])
    async def desk() -> str:
        return "open"


async def _broken() -> None:
    raise RuntimeError("no disk")


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    settings = ServiceSettings(database_url="postgresql+asyncpg://nowhere/x", request_timeout_seconds=SECONDS)
    settings = settings.model_copy(update={"body_limit_bytes": LIMIT, "token_public_key": PUBLIC})
    app = create_app("test", settings, checks={"disk": _broken})
    _add_routes(app)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://heed") as client:
        yield client


def _problem(response: httpx.Response, status: int) -> dict[str, object]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, object] = response.json()
    assert body["status"] == status
    assert body["type"] == "about:blank"
    assert body["request_id"] == response.headers["x-request-id"]
    assert body["detail"]
    return body


JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"", JSON, 400),
        (b"{", JSON, 400),
        (b"\xff", JSON, 400),
        (b'\xef\xbb\xbf{"amount": 1}', JSON, 400),
        ('{"amount": 1}'.encode("utf-16"), {"content-type": "application/json; charset=utf-16"}, 400),
        (b"[1]", JSON, 422),
        (b"null", JSON, 422),
        (b'{"amount": 1e999}', JSON, 422),
        (b'{"amount": "\\ud800"}', JSON, 422),
        (b'{"amount": ' + b"[" * 400 + b"]" * 400 + b"}", JSON, 422),
        (b'{"amount": 1.5}', JSON, 422),
        (b'{"amount": 1}' + b" " * LIMIT, JSON, 413),
        (b'{"amount": 1}', {"content-type": "text/plain"}, 415),
        (b'{"amount": 1}', {}, 415),
        (b"amount=1", {"content-type": "application/x-www-form-urlencoded"}, 422),
    ],
)
async def test_bad_bodies(client: httpx.AsyncClient, content: bytes, headers: dict[str, str], status: int) -> None:
    _problem(await client.post("/things/1", content=content, headers=headers), status)


async def test_good_bodies(client: httpx.AsyncClient) -> None:
    assert (await client.post("/things/1", json={"amount": 3})).json() == {"amount": 3}
    more = {"content-type": "application/merge-patch+json"}
    assert (await client.post("/things/1", content=b'{"amount": 3}', headers=more)).status_code == 200
    assert (await client.post("/bare")).status_code == 200


async def test_a_body_that_grows_while_it_is_sent_is_cut(client: httpx.AsyncClient) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 100 * LIMIT:
            sent += 100
            yield b" " * 100

    _problem(await client.post("/things/1", content=endless(), headers=JSON), 413)
    assert sent <= LIMIT + 200


async def test_a_body_that_does_not_come_is_given_up(client: httpx.AsyncClient) -> None:
    async def trickle() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(30)

    _problem(await client.post("/things/1", content=trickle(), headers=JSON), 408)


async def test_errors_point_at_their_place(client: httpx.AsyncClient) -> None:
    body = _problem(await client.post("/things/1?q=0", json={"amount": "x"}), 422)
    errors = body["errors"]
    assert isinstance(errors, list)
    assert {error["pointer"] for error in errors} == {"/amount", "/q"}


@pytest.mark.parametrize(
    ("what", "status", "header"),
    [
        ("problem", 404, None),
        ("transient", 503, ("retry-after", "2")),
        ("busy", 429, ("retry-after", "3")),
        ("invalid", 422, None),
        ("bug", 500, None),
    ],
)
async def test_failures(client: httpx.AsyncClient, what: str, status: int, header: tuple[str, str] | None) -> None:
    response = await client.get(f"/raise/{what}")
    body = _problem(response, status)
    assert body["instance"] == f"/raise/{what}"
    assert "secret" not in response.text
    assert header is None or response.headers[header[0]] == header[1]


async def test_no_such_route_and_method(client: httpx.AsyncClient) -> None:
    _problem(await client.get("/nowhere"), 404)
    _problem(await client.delete("/bare"), 405)


async def test_an_answer_that_does_not_begin_is_given_up(client: httpx.AsyncClient) -> None:
    _problem(await client.get("/slow"), 503)


async def test_an_answer_that_has_begun_may_take_longer(client: httpx.AsyncClient) -> None:
    assert (await client.get("/stream")).text == "ab"


async def test_request_ids(client: httpx.AsyncClient) -> None:
    given = await client.post("/bare", headers={"x-request-id": "abc-1.2_3"})
    assert given.headers["x-request-id"] == "abc-1.2_3"
    for strange in ("a" * 65, "a b", '"', ""):
        answer = await client.post("/bare", headers={"x-request-id": strange})
        assert answer.headers["x-request-id"] not in (strange, "")


async def test_health(client: httpx.AsyncClient) -> None:
    assert (await client.get("/livez")).status_code == 200
    assert "disk: no disk" in str(_problem(await client.get("/readyz"), 503)["detail"])


async def test_metric_labels_do_not_grow_with_what_callers_make_up(client: httpx.AsyncClient) -> None:
    for number in range(3):
        await client.post(f"/things/{number}", json={"amount": 1})
        await client.get(f"/nowhere/{number}")
        await client.request(f"MADEUP{number}", "/bare")
    text = (await client.get("/metrics")).text
    assert 'route="/things/{thing_id}"' in text
    assert "nowhere" not in text
    assert "MADEUP" not in text


async def test_tokens(client: httpx.AsyncClient) -> None:
    def bearer(*roles: str) -> dict[str, str]:
        return {"authorization": f"Bearer {mint(PRIVATE, 'u1', 'Ada', frozenset(roles), timedelta(minutes=1))}"}

    assert (await client.get("/me", headers=bearer("sales"))).json() == "Ada"
    assert (await client.get("/desk", headers=bearer("support"))).status_code == 200
    assert (await client.get("/desk", headers=bearer("admin"))).status_code == 200
    _problem(await client.get("/desk", headers=bearer("sales")), 403)
    for headers in ({}, {"authorization": "Basic eA=="}, {"authorization": "Bearer"}, {"authorization": "Bearer x"}):
        assert (await client.get("/me", headers=headers)).headers["www-authenticate"] == "Bearer"
        _problem(await client.get("/me", headers=headers), 401)


async def test_without_a_key_nobody_passes() -> None:
    app = create_app("test", ServiceSettings(database_url="x"), checks={})
    _add_routes(app)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://heed") as client:
        token = mint(PRIVATE, "u1", "Ada", frozenset({"admin"}), timedelta(minutes=1))
        _problem(await client.get("/me", headers={"authorization": f"Bearer {token}"}), 401)


def test_a_problem_is_json_whatever_its_text() -> None:
    from common.problems import problem_body

    assert json.loads(problem_body(422, 'a "quoted" é', errors=[{"pointer": "/a", "detail": "x"}]))["errors"]
    assert str(Problem(409, "both")) == "both"
