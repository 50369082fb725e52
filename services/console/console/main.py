"""The console: pages for people, over the other services' HTTP APIs."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog
import uvicorn
from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware

from common import telemetry
from common.clock import SystemClock
from common.database import Database
from common.failures import TransientError
from common.http import create_app
from console import api, pages
from console.announcer import announce_owners
from console.assets import add_assets
from console.clients import new_http
from console.domain import SessionRules
from console.pages.errors import add_error_pages
from console.security import PageSecurity
from console.service import Accounts
from console.settings import Settings
from console.site import Site
from console.stream import Pulse
from console.templating import environment

log = structlog.get_logger()

CLEAN_SECONDS = 3600.0


def build(settings: Settings) -> FastAPI:
    if settings.token_private_key is None:
        raise SystemExit("cannot start, check these settings: CONSOLE_TOKEN_PRIVATE_KEY (Field required)")
    telemetry.configure_logs("console", settings.log_level)
    telemetry.configure_traces("console", settings.otlp_endpoint)
    database, clock = Database(settings.database_url), SystemClock()
    http = new_http(settings.upstream_timeout_seconds)
    accounts = Accounts(database, clock, SessionRules(settings.session_idle, settings.session_lifetime))
    site = Site(
        settings=settings,
        accounts=accounts,
        http=http,
        templates=environment(settings.assets),
        clock=clock,
        pulse=Pulse(http, settings.sales_url),
        private_key=settings.token_private_key.get_secret_value(),
    )

    async def announce() -> None:
        await announce_owners(database, site.clients_as_service().sales, clock)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        jobs = [_every(settings.announce_seconds, announce), _every(CLEAN_SECONDS, accounts.clean)]
        tasks = [asyncio.create_task(job) for job in jobs]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await http.aclose()
        await database.close()

    app = create_app("console", settings, checks={"database": database.ready}, lifespan=lifespan)
    app.state.database, app.state.site = database, site
    app.include_router(api.router(accounts))
    app.include_router(pages.router())
    add_assets(app, settings.assets)
    add_error_pages(app)
    app.add_middleware(GZipMiddleware, minimum_size=800)
    app.add_middleware(PageSecurity)
    return app


async def _every(seconds: float, job: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await job()
        except TransientError as error:
            log.warning("job put off", error=str(error))
        except Exception:
            log.exception("a job failed; it is tried again")
        await asyncio.sleep(seconds)


def main() -> None:
    settings = Settings.load()
    uvicorn.run(
        build(settings),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=2,
        server_header=False,
    )


if __name__ == "__main__":
    main()
