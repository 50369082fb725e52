"""Sales: leads with an owner and a deadline, alerts that arrive by themselves."""

from common import topics
from common.application import Application
from common.clock import SystemClock
from sales import api, stream
from sales.feed import Feed
from sales.handlers import fact_handlers, trigger_handlers
from sales.jobs import Jobs
from sales.sequencer import Sequencer
from sales.service.alerts import Alerts
from sales.service.budget import Budget
from sales.service.customers import Customers
from sales.service.leads import Leads
from sales.settings import Settings


def build(settings: Settings) -> Application:
    app = Application("sales", settings)
    clock, facts = SystemClock(), settings.topic(topics.CUSTOMER_FACTS)
    budget = Budget(clock, settings.alerts_per_day)
    alerts = Alerts(clock, facts, budget)
    leads = Leads(clock, facts, settings.respond_within)
    feed = Feed(app.database)
    # The stream's path would be taken for an alert's id otherwise.
    for routes in (stream.router(feed), api.alert_router(alerts), api.lead_router(leads), api.owner_router(budget)):
        app.http.include_router(routes)
    facts_taken = fact_handlers(leads, Customers(alerts, leads))
    app.consume((topics.CUSTOMER_FACTS,), facts_taken, linger_seconds=0.2)
    # A consumer of its own, so that an import's flood of facts does not hold up an alert.
    app.consume((topics.TRIGGERS,), trigger_handlers(alerts), part="triggers")
    app.background("sequencer", Sequencer(app.database).run)
    app.background("feed", feed.run)
    jobs = Jobs(app.database, clock, alerts, leads, budget)
    app.every(settings.check_seconds, jobs.attend)
    app.every(settings.check_seconds, jobs.settle)
    app.every(settings.check_seconds, jobs.let_up)
    app.every(60.0, jobs.work_out_budget)
    app.every(3600.0, jobs.compact)
    return app


if __name__ == "__main__":
    build(Settings.load()).run()
