"""Composition of lead_capture."""

from common import topics
from common.application import Application
from common.clock import SystemClock
from lead_capture import repository
from lead_capture.aliases import Aliases
from lead_capture.api import admin, router
from lead_capture.handlers import HANDLERS
from lead_capture.hot.app import HotPath
from lead_capture.hot.intake import Desk
from lead_capture.hot.openapi import describe
from lead_capture.idempotency import Idempotency
from lead_capture.keyring import Keyring
from lead_capture.pipeline import Pipeline
from lead_capture.sender import Sender
from lead_capture.service import Imports
from lead_capture.settings import Settings
from lead_capture.ticks import Ticker


def build(settings: Settings) -> Application:
    """Everything wired, nothing started."""
    app = Application("lead_capture", settings)
    clock, database = SystemClock(), app.database
    facts = settings.topic(topics.CUSTOMER_FACTS)
    sender = Sender(
        settings.kafka_bootstrap_servers, (facts, settings.topic(topics.DEAD_LETTERS)), settings.send_timeout_seconds
    )
    pipeline = Pipeline(database, sender, settings.spool_timeout_seconds)
    aliases = Aliases(database)
    keyring = Keyring(database, public_rate=settings.rate_limit_public, server_rate=settings.rate_limit_server)
    imports = Imports(database, pipeline, sender, clock, facts)
    ticker = Ticker(
        database, pipeline, sender, clock, topic=facts, instance=settings.instance, lag=settings.tick_lag_seconds
    )

    async def forget_answers() -> None:
        async with database.transaction() as session:
            await repository.forget_answers(session)

    app.checks["database"] = pipeline.ready
    app.background("pipeline", pipeline.run)
    app.background("connection to the bus", pipeline.keep_connected)
    app.every(1.0, ticker.beat)
    app.every(1.0, aliases.refresh)
    app.every(2.0, keyring.refresh)
    app.every(3600.0, forget_answers)
    app.consume((topics.IDENTITIES,), HANDLERS, linger_seconds=0.2)

    desk = Desk(settings, clock, keyring, aliases, imports, Idempotency(database), pipeline)
    app.asgi = HotPath(app.http, desk)
    app.http.include_router(router)
    app.http.include_router(admin)
    describe(app.http)
    state = app.http.state
    state.pipeline, state.ticker, state.aliases = pipeline, ticker, aliases
    state.keyring, state.imports = keyring, imports
    return app


if __name__ == "__main__":
    build(Settings.load()).run()
