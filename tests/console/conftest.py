"""The console on its own database, in front of made-up services, both on real sockets."""

import re
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from playwright.async_api import Browser, Page, async_playwright
from pydantic import SecretStr

from common.migrate import upgrade
from common.tokens import generate_keys, mint
from console.main import build
from console.settings import Settings
from tests.console import upstreams
from tests.console.upstreams import World

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
EMAIL, PASSWORD, NAME = "dana@example.com", "a long pass phrase", "Dana Demo"


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """Runs an application in a thread; the address where it listens."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=1, lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.02)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)
    listener.close()


class Running:
    """A console that runs, what it talks to, and an administrator's token."""

    def __init__(self, url: str, world: World, token: str, settings: Settings) -> None:
        self.url, self.world, self.token, self.settings = url, world, token, settings

    def add_user(self, email: str, roles: list[str]) -> httpx.Response:
        body = {"email": email, "name": NAME, "roles": roles, "password": PASSWORD}
        return httpx.post(f"{self.url}/v1/users", json=body, headers={"Authorization": f"Bearer {self.token}"})


@pytest.fixture(scope="module")
def running(database_url: str) -> Iterator[Running]:
    with ThreadPoolExecutor(1) as pool:  # migrations run a loop of their own
        pool.submit(upgrade, "console", database_url).result()
    world = World()
    private, public = generate_keys()
    with served(upstreams.build(world)) as behind:
        settings = Settings(
            database_url=database_url,
            token_private_key=SecretStr(private),
            token_public_key=public,
            announce_seconds=0.1,
            **{f"{service}_url": f"{behind}/{service}" for service in upstreams.SERVICES},  # type: ignore[arg-type]
        )
        with served(build(settings)) as url:
            token = mint(private, "admin", "Admin", frozenset({"admin"}), timedelta(minutes=30))
            made = Running(url, world, token, settings)
            assert made.add_user(EMAIL, ["admin", "sales", "support"]).status_code == 201
            yield made


def token_in(page: str) -> str:
    """The form token of a page."""
    found = re.search(r'name="csrf" value="([0-9a-f]+)"', page)
    assert found
    return found[1]


@pytest.fixture(scope="module")
async def visitor(running: Running) -> AsyncIterator[httpx.AsyncClient]:
    """A browser without script, signed in."""
    async with httpx.AsyncClient(base_url=running.url, follow_redirects=True, trust_env=False) as client:
        page = await client.get("/sign-in")
        form = {"csrf": token_in(page.text), "email": EMAIL, "password": PASSWORD, "next": "/alerts"}
        answer = await client.post("/sign-in", data=form)
        assert answer.status_code == 200
        assert "Alerts" in answer.text
        yield client


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield browser
        await browser.close()


@pytest.fixture(scope="module")
async def signed_in(browser: Browser, running: Running) -> Any:
    """Cookies of a signed-in browser."""
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(f"{running.url}/sign-in")
    await page.fill("#email", EMAIL)
    await page.fill("#password", PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/alerts")
    state = await context.storage_state()
    await context.close()
    return state


@pytest.fixture
async def page(browser: Browser, running: Running, signed_in: Any) -> AsyncIterator[Page]:
    """A page of a signed-in visitor, on which nothing may go wrong."""
    context = await browser.new_context(
        base_url=running.url, storage_state=signed_in, viewport={"width": 1280, "height": 800}
    )
    page = await context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if "Content Security" in message.text else None)
    yield page
    await context.close()
    assert wrong == []


@pytest.fixture(autouse=True)
def healthy(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each test leaves the made-up services in order."""
    yield
    if "running" in request.fixturenames:
        request.getfixturevalue("running").world.down.clear()
