"""A made-up shop with forecasts: operators, their learners, a scoring moment a week, versions adopted at each."""

import math
import random
from collections.abc import Iterable

from analytics.events import Event, What
from analytics.learners.base import Learner
from analytics.operators.base import Adopted, Example, Operator, Outcome, Scored, World
from analytics.orders import DAY, Orders
from analytics.profile import WEEKLY, Profile, pack, unpack
from tests.analytics.stories import START, order

WEEK = 7 * DAY


class Shop:
    """`scored` is what was said of each customer at the latest scoring moment."""

    def __init__(self, operator: Operator, *learners: Learner) -> None:
        self.operator, self.world = operator, World()
        self.learners = {learner.name: learner for learner in learners}
        self.profiles: dict[str, Profile] = {}
        self.examples: list[Example] = []
        self.scored: dict[str, dict[str, float]] = {}
        self.now = START

    def run(self, events: Iterable[Event], until: float) -> None:
        """Events in order of time, up to `until`, with the weeks between them."""
        for event in sorted(events, key=lambda event: event.time):
            self.wait(event.time)
            self.tell(event)
        self.wait(until)

    def tell(self, event: Event) -> None:
        profile = self.profiles.setdefault(event.customer, Profile())
        if event.what is What.RETURN:
            profile.of(Orders).note_return(event)
            return
        profile.of(Orders).note(event)
        profile.timers.setdefault(WEEKLY, self.now + WEEK)
        self._take(event.customer, self.operator.learn(profile, event, self.world))

    def wait(self, until: float) -> None:
        while self.now + WEEK <= until:
            self.now += WEEK
            if type(self.operator).complete is not Operator.complete:
                for customer, profile in self.profiles.items():
                    self._take(customer, self.operator.complete(profile, self.now, self.world))
            for name, learner in self.learners.items():
                self.world.models[name] = Adopted(name, 1, learner.examples, learner.snapshot())
            for customer, profile in self.profiles.items():
                profile.timers[WEEKLY] = self.now + WEEK
                self._take(customer, self.operator.weekly(profile, self.now, self.world))

    def reload(self) -> None:
        """Everything from its packed form, as a new owner has it."""
        self.profiles = {name: unpack(pack(p), p.pending.pack()) for name, p in self.profiles.items()}

    def _take(self, customer: str, outcomes: Iterable[Outcome]) -> None:
        for outcome in outcomes:
            if isinstance(outcome, Example):
                self.examples.append(outcome)
                if outcome.model in self.learners:
                    self.learners[outcome.model].take(outcome.data)
            elif isinstance(outcome, Scored):
                self.scored[customer] = dict(outcome.values)


def story(customer: str, gap: float, amount: float, days: float, *, spread: float = 0.5) -> list[Event]:
    """Log-normal gaps with this median in days, log-normal amounts about this one."""
    r = random.Random(customer)
    at, found = START + r.random() * gap * DAY, []
    while at < START + days * DAY:
        found.append(order(customer, at, amount * math.exp(spread * r.gauss(0, 1))))
        at += gap * math.exp(spread * r.gauss(0, 1)) * DAY
    return found
