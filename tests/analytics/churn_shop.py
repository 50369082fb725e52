"""A shop half of whose customers leave, and the churn model that learned from it."""

from functools import cache

from analytics.fold import Fold
from analytics.learners.churn import ChurnLearner
from analytics.operators.base import Adopted
from analytics.operators.churn_risk import MODEL
from analytics.orders import DAY
from tests.analytics.stories import START, order, tick


def shop(customers: int = 60, days: int = 360) -> Fold:
    """Customers who buy every nine days; every second one stops at some time. Nothing was taken from the fold."""
    fold, events = Fold(0), []
    for i in range(customers):
        orders = 40 if i % 2 else 4 + i % 11
        events += [order(f"c_{i}", START + (i % 60 + 9 * n) * DAY) for n in range(orders)]
    events += [tick(START + day * DAY) for day in range(days)]
    for event in sorted((e for e in events if e.time < START + days * DAY), key=lambda e: (e.time, e.id)):
        fold.apply(event)
    return fold


@cache
def learned() -> ChurnLearner:
    """Having taken all that the shop teaches."""
    learner = ChurnLearner()
    for said in shop().take_changes().examples:
        if said.data["model"] == MODEL:
            learner.take(said.data)
    return learner


@cache
def adopted(version: int = 3) -> Adopted:
    """A version of the model."""
    return Adopted(MODEL, version, learned().examples, learned().snapshot())
