"""Contact: who the customers are, and one timeline of everything anybody says about each."""

from common import topics
from common.application import Application
from common.clock import SystemClock
from common.consumer import Subscription
from contact.api import router
from contact.events import UNTOLD
from contact.separating import Separations
from contact.service import Directory
from contact.settings import Settings


def build(settings: Settings) -> Application:
    app = Application("contact", settings)
    facts, identities = settings.topic(topics.CUSTOMER_FACTS), settings.topic(topics.IDENTITIES)
    clock = SystemClock()
    directory = Directory(clock, facts, identities)
    app.http.include_router(router(directory, Separations(clock, directory)))
    app.subscribe(
        Subscription(
            group=settings.group("contact"),
            topics=(facts, settings.topic(topics.TRIGGERS)),
            handle=directory.take,
            ignored=UNTOLD,
            instance=f"contact-{settings.instance}",
            linger_seconds=0.5,
        )
    )
    return app


if __name__ == "__main__":
    build(Settings.load()).run()
