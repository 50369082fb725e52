"""`python -m heed.demo`: 90 days of history once, then live traffic until stopped."""

import asyncio
import os
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import structlog

from heed.demo.client import Shop, completed, identify
from heed.demo.live import Day
from heed.demo.mail import Inboxes
from heed.demo.people import Person, history, people

log = structlog.get_logger()

SEED, CUSTOMERS, DAYS = 7, 300, 90
QUIET_EVERY = timedelta(seconds=75)


async def main() -> None:
    state = Path(os.environ["DEMO_STATE"])
    state.mkdir(parents=True, exist_ok=True)
    shop, crowd = Shop(), people(SEED, CUSTOMERS)
    await post_history(shop, crowd, state / "state.json")
    run = datetime.now(UTC).strftime("%m%d%H%M%S")
    r = random.Random(run)
    inboxes = Inboxes(Path(os.environ.get("DEMO_MAILDIR", state.parent / "mail")), shop, r)
    log.info("the shop is open")
    await Day(shop, crowd, inboxes, r, run).run()


async def post_history(shop: Shop, crowd: list[Person], state: Path) -> None:
    """Once; a start that was cut short posts the same again, and what had arrived collapses by its ids."""
    kept = orjson.loads(state.read_bytes()) if state.exists() else {}
    if kept.get("done"):
        return
    began = datetime.fromisoformat(kept["began"]) if kept else datetime.now(UTC)
    state.write_bytes(orjson.dumps({"began": began.isoformat(), "done": False}))
    import_id = await shop.begin_import()
    await shop.batch(_events(crowd, began), import_id)
    await shop.end_import(import_id)
    state.write_bytes(orjson.dumps({"began": began.isoformat(), "done": True}))
    log.info("history posted", customers=len(crowd))


def _events(crowd: list[Person], began: datetime) -> list[dict[str, object]]:
    start = began - timedelta(days=DAYS)
    fading = 0
    orders = []
    for person in crowd:
        fading += person.fate.value == "fading"
        r = random.Random(f"{SEED}:{person.user_id}")
        orders += history(r, person, start, began, timedelta(seconds=30) + QUIET_EVERY * fading)
    orders.sort(key=lambda order: (order.at, order.order_id))
    return [identify(person, start) for person in crowd] + [completed(order) for order in orders if order.at < began]


if __name__ == "__main__":
    asyncio.run(main())
