"""A made-up shop for the tests of links: baskets in the form capture has them."""

import random
from collections.abc import Iterable, Iterator, Sequence

from analytics.events import Event
from analytics.learners.links import LinksLearner
from analytics.operators.base import Example, World
from analytics.operators.links import Links
from analytics.orders import DAY
from analytics.profile import Profile
from tests.analytics.stories import START, order

PAIRED = (("TEA", "POT"), ("INK", "PEN"), ("CUP", "JUG"))  # bought together
SEQUEL = ("CAMERA", "TRIPOD")  # bought one after the other
REST = tuple(f"P{n:02d}" for n in range(30))
NAMES = {"TEA": "Green tea", "POT": "Blue tea pot", "INK": "Black ink", "PEN": "Fountain pen"}


def basket(customer: str, at: float, skus: Sequence[str], n: int = 0) -> Event:
    event = order(customer, at, n=n)
    event.data = {"items": [{"sku": sku, "name": NAMES.get(sku, f"Product {sku}")} for sku in skus]}
    return event


def shop(customers: int = 60, weeks: int = 30, seed: int = 1) -> Iterator[Event]:
    """Everybody buys once a week on their own day: a pair that goes together, something else by chance, and in the
    middle of the time a camera, a week later the tripod.
    """
    r = random.Random(seed)
    for week in range(weeks):
        for who in range(customers):
            skus = [*(PAIRED[(week + who) % 9] if (week + who) % 9 < 3 else ()), *r.sample(REST, 2)]
            due = week - 10 - who % 10
            skus += [SEQUEL[due]] if due in (0, 1) else []
            yield basket(f"c_{who}", START + 7 * (week + who / customers) * DAY, skus)


class Counter:
    """The operator and the learner together, as one partition and the trainer are."""

    def __init__(self) -> None:
        self.operator, self.world, self.learner = Links(), World(), LinksLearner()
        self.profiles: dict[str, Profile] = {}

    def take(self, events: Iterable[Event]) -> "Counter":
        for event in events:
            profile = self.profiles.setdefault(event.customer, Profile())
            for said in self.operator.learn(profile, event, self.world):
                assert isinstance(said, Example)
                self.learner.take(said.data)
        return self
