"""Users, signing in and out, sessions, and telling sales of its people."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sqlalchemy import select, text

from common.clock import FakeClock
from common.database import Database
from common.tokens import generate_keys, mint
from console import repository
from console.domain import ATTEMPTS_PER_PERSON_AND_ADDRESS, SessionRules, local_path
from console.models import SessionRow
from console.service import Accounts, TooManyAttempts, WrongPassword
from tests.console.conftest import EMAIL, PASSWORD, Running, token_in

RULES = SessionRules(idle=timedelta(hours=12), lifetime=timedelta(days=7))


@pytest.fixture
async def browser(running: Running) -> AsyncIterator[httpx.AsyncClient]:
    """Nobody signed in."""
    async with httpx.AsyncClient(base_url=running.url, trust_env=False) as client:
        yield client


@pytest.fixture
async def database(running: Running) -> AsyncIterator[Database]:
    database = Database(running.settings.database_url)
    yield database
    async with database.transaction() as session:
        await session.execute(text("DELETE FROM sign_in_attempts"))
    await database.close()


async def sign_in(client: httpx.AsyncClient, password: str = PASSWORD, target: str = "") -> httpx.Response:
    page = await client.get("/sign-in")
    form = {"csrf": token_in(page.text), "email": EMAIL.upper(), "password": password, "next": target}
    return await client.post("/sign-in", data=form)


async def test_every_page_asks_to_sign_in_first(browser: httpx.AsyncClient) -> None:
    for path in ("/alerts", "/contacts?q=a", "/customers/c_1", "/leads/x", "/tickets", "/journeys", "/system"):
        answer = await browser.get(path)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/sign-in")
    assert (await browser.get("/alerts/stream")).status_code == 401
    assert (
        (await browser.get("/contacts", headers={"HX-Request": "true"})).headers["hx-redirect"].startswith("/sign-in")
    )
    assert (await browser.post("/alerts/a-1/acknowledge")).status_code == 303


async def test_signing_in_leads_where_one_wanted_to_go(browser: httpx.AsyncClient) -> None:
    asked = await browser.get("/tickets?status=open")
    assert asked.headers["location"] == "/sign-in?next=%2Ftickets%3Fstatus%3Dopen"
    answer = await sign_in(browser, target="/tickets?status=open")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/tickets?status=open"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "secure" not in cookie  # it is http here


FOREIGN = ("https://evil.example", "//evil.example", "/\\evil.example", "/a\nb", "", None, "/sign-in")


@pytest.mark.parametrize("target", FOREIGN)
def test_signing_in_never_leads_away(target: str | None) -> None:
    assert local_path(target) == "/alerts"


async def test_cookies_are_secure_behind_https(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/sign-in", headers={"X-Forwarded-Proto": "https"})
    assert "secure" in answer.headers["set-cookie"].lower()


async def test_signing_out_ends_the_session(browser: httpx.AsyncClient) -> None:
    await sign_in(browser)
    page = await browser.get("/alerts")
    assert page.status_code == 200
    stolen = dict(browser.cookies)
    assert (await browser.post("/sign-out")).status_code == 403
    assert (await browser.post("/sign-out", data={"csrf": token_in(page.text)})).status_code == 303
    browser.cookies.update(stolen)
    assert (await browser.get("/alerts")).status_code == 303


async def test_a_wrong_password_and_an_unknown_person_look_the_same(
    browser: httpx.AsyncClient, database: Database
) -> None:
    wrong = await sign_in(browser, "not this one")
    page = await browser.get("/sign-in")
    form = {"csrf": token_in(page.text), "email": "nobody@example.com", "password": "x"}
    unknown = await browser.post("/sign-in", data=form)
    assert wrong.status_code == unknown.status_code == 401
    said = "This e-mail address and password do not belong together."
    assert said in wrong.text
    assert said in unknown.text
    assert "set-cookie" not in wrong.headers or "heed_session" not in wrong.headers["set-cookie"]


async def test_guessing_is_stopped(browser: httpx.AsyncClient, database: Database) -> None:
    for _ in range(ATTEMPTS_PER_PERSON_AND_ADDRESS):
        assert (await sign_in(browser, "guess")).status_code == 401
    closed = await sign_in(browser)  # even with the right one
    assert closed.status_code == 429
    assert int(closed.headers["retry-after"]) > 60


async def test_tries_at_the_same_time_count_each_other(database: Database) -> None:
    accounts = Accounts(database, FakeClock(datetime.now(UTC)), RULES)
    tries = [accounts.sign_in(EMAIL, "guess", "10.0.0.1") for _ in range(12)]
    ended = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(error, WrongPassword) for error in ended) <= ATTEMPTS_PER_PERSON_AND_ADDRESS
    assert any(isinstance(error, TooManyAttempts) for error in ended)


async def test_sessions_end_by_themselves(database: Database) -> None:
    clock = FakeClock(datetime.now(UTC))
    accounts = Accounts(database, clock, RULES)
    token = await accounts.sign_in(EMAIL, PASSWORD, "10.0.0.2")
    for _ in range(15):  # used all the time, it still ends after a week
        clock.advance(timedelta(hours=11))
        assert await accounts.visitor(token)
    clock.advance(timedelta(hours=6))
    assert await accounts.visitor(token) is None
    idle = await accounts.sign_in(EMAIL, PASSWORD, "10.0.0.2")
    clock.advance(timedelta(hours=13))
    assert await accounts.visitor(idle) is None
    await accounts.clean()
    async with database.transaction() as session:
        left = (await session.scalars(select(SessionRow).where(SessionRow.seen_at < clock.now()))).all()
    assert all(RULES.idle > clock.now() - row.seen_at for row in left)


async def test_neither_passwords_nor_sessions_are_stored(database: Database) -> None:
    accounts = Accounts(database, FakeClock(datetime.now(UTC)), RULES)
    token = await accounts.sign_in(EMAIL, PASSWORD, "10.0.0.3")
    async with database.transaction() as session:
        user = await repository.user_by_email(session, EMAIL)
        sessions = (await session.scalars(select(SessionRow.token_hash))).all()
    assert user
    assert user.password_hash.startswith("$argon2id$")
    assert token.encode() not in sessions


async def test_users_are_added_by_administrators_only(running: Running, browser: httpx.AsyncClient) -> None:
    body = {"email": "new@example.com", "name": "New", "roles": ["support"], "password": PASSWORD}
    assert (await browser.post("/v1/users", json=body)).status_code == 401
    private = running.settings.token_private_key
    assert private
    sales = mint(private.get_secret_value(), "s", "S", frozenset({"sales"}), timedelta(minutes=1))
    assert (await browser.get("/v1/users", headers={"Authorization": f"Bearer {sales}"})).status_code == 403
    forged = mint(generate_keys()[0], "a", "A", frozenset({"admin"}), timedelta(minutes=1))
    assert (await browser.get("/v1/users", headers={"Authorization": f"Bearer {forged}"})).status_code == 401


@pytest.mark.parametrize(
    "change",
    [
        {"email": "no address"},
        {"name": "  "},
        {"roles": []},
        {"roles": ["king"]},
        {"roles": ["service"]},
        {"password": "short"},
        {"time_zone": "Mars/Base"},
        {"is_admin": True},
    ],
)
async def test_users_that_make_no_sense_are_refused(
    running: Running, browser: httpx.AsyncClient, change: dict[str, object]
) -> None:
    body = {"email": "odd@example.com", "name": "Odd", "roles": ["support"], "password": PASSWORD} | change
    answer = await browser.post("/v1/users", json=body, headers={"Authorization": f"Bearer {running.token}"})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"]


async def test_an_address_has_one_user(running: Running, browser: httpx.AsyncClient) -> None:
    again = running.add_user(EMAIL.upper(), ["support"])
    assert again.status_code == 409
    listed = await browser.get("/v1/users?limit=1", headers={"Authorization": f"Bearer {running.token}"})
    page = listed.json()
    assert len(page["items"]) == 1
    assert "password" not in listed.text


async def test_sales_is_told_of_its_people_once_it_is_back(running: Running, database: Database) -> None:
    running.world.down.add("sales")
    assert running.add_user("seller@example.com", ["sales"]).status_code == 201  # not held up by it
    assert running.add_user("helper@example.com", ["support"]).status_code == 201
    await asyncio.sleep(0.4)
    assert all(owner["email"] != "seller@example.com" for owner in running.world.owners.values())
    running.world.down.clear()
    async with asyncio.timeout(10):
        while not any(owner["email"] == "seller@example.com" for owner in running.world.owners.values()):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.3)
    calls = [call for call in running.world.calls if call[1] == "PUT"]
    async with database.transaction() as session:
        seller = await repository.user_by_email(session, "seller@example.com")
        helper = await repository.user_by_email(session, "helper@example.com")
        waiting = await repository.unannounced(session)
    assert seller
    assert seller.announced_at
    assert helper
    assert helper.announced_at is None
    assert waiting == []
    assert f"/v1/owners/{seller.id}" in {path for _, _, path in calls}


async def test_health_says_whether_the_database_is_there(browser: httpx.AsyncClient) -> None:
    assert (await browser.get("/livez")).json() == {"status": "alive"}
    assert (await browser.get("/readyz")).status_code == 200
    assert "heed_http" in (await browser.get("/metrics")).text
    assert (await browser.get("/openapi.json")).json()["paths"].keys() == {"/v1/users"}
