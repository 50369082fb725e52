"""Every process is killed under load; an outside ledger then finds every effect once.

The short form is part of the tests; `make chaos` (HEED_CHAOS=full) posts 20,000 facts and kills each process three
times.
"""

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from heed.platform.stack import Stack
from heed.platform.testing import own_stack
from heed.provision import provision
from tests.chaos.effects import Effects, differences, silences
from tests.chaos.ledger import GAP_DAYS, HISTORY_ORDERS, Client, Outcome, Plan, history, passers_by, past_order, plan
from tests.chaos.silences import last_orders

FULL = os.environ.get("HEED_CHAOS") == "full"
FACTS, CUSTOMERS, ROUNDS, PER_SECOND = (20_000, 400, 3, 60.0) if FULL else (2_000, 80, 1, 25.0)
PATIENCE_SECONDS = 180.0
PASSING_PER_SECOND = 10.0
MISSED_AFTER_DAYS = 18  # about; the end of their history makes it exact
VICTIMS = ("lead_capture", "contact", "analytics", "sales", "campaign", "ticketing", "console", "kafka", "postgres")
SERVICES = ("lead_capture", "contact", "campaign", "sales", "ticketing", "analytics")


@pytest.fixture
def fragile(platform_directory: Path, kafka_lib: Path) -> Iterator[Stack]:
    """A system of its own, to be broken."""
    del kafka_lib
    with own_stack(platform_directory / "chaos", {"CAMPAIGN_WAIT_SCALE": "0.0005"}) as running:
        yield running


@pytest.mark.timeout(1500)
async def test_every_acknowledged_fact_has_its_effects_once(fragile: Stack) -> None:
    r = random.Random(11)
    access = await asyncio.to_thread(provision, fragile, fragile.url("console"))
    planned = plan(r, FACTS, CUSTOMERS)
    client = Client(fragile.url("lead_capture"), access.server_key)
    await client.import_history(_history(planned, datetime.now(UTC)))
    await _end_history(fragile, client, planned)

    posting = asyncio.create_task(client.post_all(planned.posts, PER_SECOND, again=0.1, r=r))
    for victim in VICTIMS * ROUNDS:
        await asyncio.to_thread(_kill_and_wait, fragile, victim)
    await posting

    outcomes = Counter(post.outcome for post in planned.posts)
    assert outcomes[Outcome.AMBIGUOUS] == 0, outcomes
    assert all((post.outcome is Outcome.REFUSED) == post.mark.startswith("broken") for post in planned.posts), outcomes
    urls = {service: fragile.url(service) for service in SERVICES}
    effects = Effects(urls, access.api_token, fragile.installation.layout.maildir)
    passing = asyncio.create_task(client.post_all(passers_by(), PASSING_PER_SECOND, again=0.0, r=r))
    await asyncio.to_thread(_wait_until, lambda: not list(silences(planned, effects)))
    passing.cancel()
    await asyncio.wait([passing])
    await client.close()
    await asyncio.to_thread(_wait_until, lambda: not differences(planned, effects))
    assert differences(planned, effects) == []


def _history(planned: Plan, now: datetime) -> list[dict[str, object]]:
    events = [e for customer in planned.usual | planned.surprised for e in history(customer, now)]
    for customer in planned.quiet:
        events += history(customer, now, HISTORY_ORDERS - 1, MISSED_AFTER_DAYS + GAP_DAYS)
    return sorted(events, key=lambda event: str(event["timestamp"]))


async def _end_history(stack: Stack, client: Client, planned: Plan) -> None:
    """The quiet ones order a last time so long ago that they are missed while processes die."""
    whole, short = planned.usual | planned.surprised, planned.quiet
    imported = len(whole) * HISTORY_ORDERS + len(short) * (HISTORY_ORDERS - 1)
    last = await last_orders(stack, imported, sorted(planned.quiet))
    assert last
    await client.import_history([past_order(customer, HISTORY_ORDERS - 1, at) for customer, at in last.items()])
    planned.quiet = set(last)


def _kill_and_wait(stack: Stack, victim: str) -> None:
    stack.kill(victim)
    time.sleep(0.5)  # the supervisor has to notice before readiness means the new process
    stack.wait_ready(patience=90)


def _wait_until(holds: Callable[[], bool]) -> None:
    """Or until the patience is over."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not holds() and time.monotonic() < until:
        time.sleep(2)
