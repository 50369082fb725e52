"""History that ends so that customers are missed at given moments.

How long a customer is given depends on how everybody else on their partition buys, so what the system has folded is
folded here as well.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from analytics.fold import Fold
from analytics.operators.rhythm import Rhythm
from analytics.orders import DAY, Orders
from analytics.profile import pack
from common.keys import entity_key
from heed.platform.stack import Stack
from tests.analytics.stories import order
from tests.chaos.folding import folds
from tests.chaos.ledger import USUAL, email_of

SOON_SECONDS = 45.0  # time to import the last orders in


async def last_orders(stack: Stack, history: int, customers: Sequence[int]) -> dict[int, datetime]:
    """When each customer has to order once more, in this order, to be missed one after the other, from soon on.

    Waits until all `history` orders are on the log. Leaves out whom no whole number of days suits, and all but the
    first of a partition: how long the second is given hangs on the segment that the first is in by then.
    """
    folded = await _folded(stack, history)
    found, taken, moment = dict[int, datetime](), set[int](), time.time() + SOON_SECONDS
    for customer in customers:
        key = entity_key("c", "email", email_of(customer))
        (fold,) = (fold for fold in folded.values() if fold.profile(key) is not None)
        if fold.partition not in taken and (at := _last_order(fold, key, moment)):
            taken.add(fold.partition)
            found[customer] = datetime.fromtimestamp(at, UTC)
            moment += 4.0
    return found


async def _folded(stack: Stack, history: int) -> dict[int, Fold]:
    services, prefix = stack.installation.services, stack.installation.settings.heed_topic_prefix
    async with asyncio.timeout(60):
        while True:
            found = await folds(services.bootstrap, prefix, services.database_url("analytics"))
            if _orders(found) >= history:
                return found
            await asyncio.sleep(0.5)


def _orders(folded: Mapping[int, Fold]) -> int:
    profiles = (fold.profile(customer) for fold in folded.values() for customer in fold.customers())
    return sum(profile.of(Orders).count for profile in profiles if profile is not None)


def _last_order(fold: Fold, customer: str, missed_at: float) -> float | None:
    """The time given hangs on the whole days since the order before; so each number of days is tried."""
    profile = fold.profile(customer)
    assert profile is not None
    last_day = profile.of(Orders).last_day
    for gap in range(5, 15):
        trial = fold.scratch()
        trial.load([(customer, pack(profile), None)])
        trial.apply(order(customer, (last_day + gap) * DAY, USUAL))
        tried = trial.profile(customer)
        assert tried is not None
        at = missed_at - tried.of(Rhythm).alarm * DAY
        if at // DAY == last_day + gap:
            return at
    return None
