"""Ticketing: tickets against deadlines, their facts on the customer's timeline."""

from common import topics
from common.application import Application
from common.clock import Clock, SystemClock
from ticketing.api import router
from ticketing.handlers import handlers
from ticketing.service import Desk
from ticketing.settings import Settings


def build(settings: Settings, clock: Clock | None = None) -> Application:
    app = Application("ticketing", settings)
    desk = Desk(clock or SystemClock(), settings.topic(topics.CUSTOMER_FACTS))
    app.http.include_router(router(desk))
    app.consume((topics.CUSTOMER_FACTS,), handlers(desk), linger_seconds=0.5)

    async def escalate() -> None:
        async with app.database.transaction() as session:
            await desk.escalate_overdue(session)

    async def clean() -> None:
        async with app.database.transaction() as session:
            await desk.forget_requests(session)

    app.every(settings.check_seconds, escalate)
    app.every(settings.clean_seconds, clean)
    return app


if __name__ == "__main__":
    build(Settings.load()).run()
