"""History that ends so that customers are missed at given moments.

How long a customer is given depends on how everybody else on their partition buys, so what the system has folded is
folded here as well.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from analytics.events import What, decode
from analytics.fold import Fold
from analytics.operators.rhythm import Rhythm
from analytics.orders import DAY, Orders
from analytics.profile import pack
from common.keys import entity_key
from heed.platform.stack import Stack
from tests.analytics.stories import order
from tests.chaos.folding import records
from tests.chaos.ledger import USUAL, email_of

SOON_SECONDS = 45.0  # time to import the last orders in


async def last_orders(stack: Stack, history: int, customers: Sequence[int]) -> dict[int, datetime]:
    """When each customer has to order once more, in this order, to be missed one after the other, from soon on.

    Waits until all `history` orders are on the log. Leaves out whom no whole number of days suits.
    """
    folds = await _folded(stack, history)
    found, moment = {}, time.time() + SOON_SECONDS
    for customer in customers:
        key = entity_key("c", "email", email_of(customer))
        (fold,) = (fold for fold in folds if fold.profile(key) is not None)
        if at := _last_order(fold, key, moment):
            fold.apply(order(key, at, USUAL))
            found[customer] = datetime.fromtimestamp(at, UTC)
            moment += 4.0
    return found


async def _folded(stack: Stack, history: int) -> list[Fold]:
    settings = stack.installation.settings
    topic = f"{settings.heed_topic_prefix}.customer-facts"
    async with asyncio.timeout(60):
        while True:
            folds: dict[int, Fold] = {}
            orders = 0
            async for record in records(stack.installation.services.bootstrap, topic):
                event = decode(record)
                if event is not None:
                    orders += event.what is What.ORDER
                    folds.setdefault(record.partition, Fold(record.partition)).apply(event)
            if orders >= history:
                return list(folds.values())
            await asyncio.sleep(0.5)


def _last_order(fold: Fold, customer: str, missed_at: float) -> float | None:
    """The time given hangs on the whole days since the order before; so each number of days is tried."""
    profile = fold.profile(customer)
    assert profile is not None
    last_day = profile.of(Orders).last_day
    for gap in range(5, 15):
        trial = Fold(0, fold.state())
        trial.load([(customer, pack(profile), None)])
        trial.apply(order(customer, (last_day + gap) * DAY, USUAL))
        tried = trial.profile(customer)
        assert tried is not None
        at = missed_at - tried.of(Rhythm).alarm * DAY
        if at // DAY == last_day + gap:
            return at
    return None
