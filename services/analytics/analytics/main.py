"""Analytics: learns each customer's rhythm as events come, notices deviations, says why."""

import time
from collections.abc import Sequence

import structlog

from analytics import compiled, metrics, repository
from analytics.api import router
from analytics.events import RAISED
from analytics.model_store import ModelStore
from analytics.priming import Primer
from analytics.query_service import Queries
from analytics.runtime import Runtime
from analytics.settings import Settings
from analytics.task import Topics
from analytics.trainer import Trainer
from common import topics
from common.application import Application
from common.bus import Message
from common.clock import SystemClock, parse_rfc3339
from common.deadletters import DeadLetters

log = structlog.get_logger()

# More objects than what is folded at a time comes to, or the collector looks at it again and again (a sixth of the
# processor); few enough that it is done in a tenth of a second, in which no alert is told.
_COLLECT_AFTER = 200_000


def build(settings: Settings) -> Application:
    if compiled.out_of_date():
        log.warning("what was compiled is of other sources; `make compile` makes it anew")
    app = Application("analytics", settings, _measure_freshness, relay_linger_seconds=0, collect_after=_COLLECT_AFTER)
    clock, group = SystemClock(), settings.group("analytics")
    facts, triggers = settings.topic(topics.CUSTOMER_FACTS), settings.topic(topics.TRIGGERS)
    examples, models = settings.topic(topics.TRAINING_EXAMPLES), settings.topic(topics.MODELS)
    dead_letters = DeadLetters(app.publisher, settings.topic(topics.DEAD_LETTERS), group)
    runtime = Runtime(
        settings.kafka_bootstrap_servers,
        group,
        Topics(facts, triggers, examples),
        app.database,
        dead_letters,
        instance=f"analytics-{settings.instance}",
        linger_seconds=settings.linger_seconds,
    )
    trainer = Trainer(
        settings.kafka_bootstrap_servers,
        app.database,
        dead_letters,
        clock,
        examples_topic=examples,
        facts_topic=facts,
        models_topic=models,
        publish_examples=settings.publish_examples,
    )
    store = ModelStore(app.database)
    primer = Primer(
        settings.kafka_bootstrap_servers,
        app.database,
        clock,
        facts_topic=facts,
        most_records=settings.priming_records,
    )
    queries = Queries(
        settings.kafka_bootstrap_servers,
        store,
        clock,
        facts_topic=facts,
        most_records=settings.dry_run_records,
        seconds=settings.dry_run_seconds,
        created=primer.wake,
    )
    app.http.include_router(router(runtime, store, queries, clock, facts))
    app.background("runtime", runtime.run)
    app.background("trainer", trainer.run)
    app.background("primer", primer.run)

    async def forget_ids() -> None:
        async with app.database.transaction() as session:
            await repository.forget_ids(session)

    app.every(3600.0, forget_ids)
    return app


def _measure_freshness(messages: Sequence[Message]) -> None:
    now = time.time()
    for message in messages:
        headers = dict(message.headers)
        if headers.get("ce_type") == RAISED.encode():
            accepted = parse_rfc3339(headers["ce_heedreceived"].decode()).timestamp()
            metrics.FRESHNESS.observe(max(0.0, now - accepted))


if __name__ == "__main__":
    build(Settings.load()).run()
