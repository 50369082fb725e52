"""Campaign: journeys that triggers start, their messages, and what customers do with them."""

from datetime import timedelta

from campaign import api, handlers, journeys, metrics, tracking
from campaign.composer import Composer
from campaign.courier import Courier, Pace
from campaign.domain import Status
from campaign.mail import Sender
from campaign.repository import messages
from campaign.service import Contacts, Enrolments, Letterbox, Responses
from campaign.settings import Settings
from campaign.smtp import Server
from common import topics
from common.application import Application
from common.clock import SystemClock
from common.consumer import Subscription
from common.database import Database


def build(settings: Settings) -> Application:
    app = Application("campaign", settings)
    topic = settings.topic(topics.CUSTOMER_FACTS)
    shop = str(settings.shop_url)
    plans = journeys.load(settings.journeys_directory, shop_url=shop, wait_scale=settings.wait_scale)
    composer = Composer(str(settings.public_url), settings.sender_name)
    enrolments = Enrolments(SystemClock(), plans, composer, topic)
    responses = Responses(SystemClock(), enrolments, topic)
    app.http.include_router(api.router(plans, composer))
    app.http.include_router(tracking.router(responses))
    app.subscribe(
        Subscription(
            group=settings.group("campaign"),
            topics=(topic, settings.topic(topics.TRIGGERS)),
            handle=handlers.handler(enrolments, Contacts(enrolments), responses),
            types=handlers.TYPES,
            instance=f"campaign-{settings.instance}",
            linger_seconds=0.2,
        )
    )
    app.background("courier", courier(settings, app.database, composer, enrolments).run)

    async def fire() -> None:
        looked_at = 1
        while looked_at:
            async with app.database.transaction() as session:
                looked_at = await enrolments.fire_due(session)

    async def measure() -> None:
        async with app.database.transaction() as session:
            counts = await messages.count_by_status(session)
        for status in (Status.QUEUED, Status.SENDING, Status.UNKNOWN):
            metrics.WAITING.labels(status).set(counts.get(status, 0))

    app.every(settings.timer_seconds, fire)
    app.every(5.0, measure)
    return app


def courier(settings: Settings, database: Database, composer: Composer, enrolments: Enrolments) -> Courier:
    """The part that talks to the mail server."""
    retry = timedelta(seconds=settings.retry_seconds)
    letterbox = Letterbox(SystemClock(), enrolments, settings.topic(topics.CUSTOMER_FACTS), retry)
    pace = Pace(settings.smtp_connections, settings.sends_per_second, settings.smtp_timeout_seconds)
    sender = Sender(settings.sender_address, settings.sender_name)
    server = Server.parse(settings.smtp_url.get_secret_value())
    return Courier(database, letterbox, composer, server, sender, pace)


if __name__ == "__main__":
    build(Settings.load()).run()
