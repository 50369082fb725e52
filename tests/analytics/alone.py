"""One operator at work without the fold, for the tests of what it notices."""

import random
from collections.abc import Iterator

from analytics.activity import Activity
from analytics.events import Event, What
from analytics.operators.base import Clear, Noted, Operator, Outcome, Raise, World
from analytics.orders import DAY, Orders
from analytics.profile import Episode, Profile, pack, unpack
from analytics.sections import Sections
from tests.analytics.stories import START

ACTIVE = frozenset({What.VISIT, What.TICKET_OPENED})


class Alone:
    """Keeps profiles and the population; remembers what was said as (customer, what, moment in days from START)."""

    def __init__(self, operator: Operator) -> None:
        self.operator, self.world = operator, World()
        self.profiles: dict[str, Profile] = {}
        self.said: list[tuple[str, Outcome, float]] = []

    def tell(self, event: Event) -> list[Outcome]:
        """Timers due before it, then the event; what it led to."""
        before = len(self.said)
        profile = self.profiles.setdefault(event.customer, Profile())
        self.wait(event.customer, event.time)
        if event.what is What.ORDER:
            profile.of(Orders).note(event)
        elif event.what is What.RETURN:
            profile.of(Orders).note_return(event)
        elif event.what in ACTIVE:
            profile.of(Activity).note(event)
        if event.what in self.operator.takes:
            self._take(profile, event.customer, event.time, self.operator.learn(profile, event, self.world))
        return [outcome for _, outcome, _ in self.said[before:]]

    def wait(self, customer: str, until: float) -> None:
        """Lets the operator's timers ring."""
        profile, kind = self.profiles[customer], int(self.operator.kind)
        while (due := profile.timers.get(kind, until + 1)) <= until:
            del profile.timers[kind]
            self._take(profile, customer, due, self.operator.ring(profile, due, self.world))

    def week(self, customer: str, now: float) -> list[Outcome]:
        """A scoring moment."""
        before, profile = len(self.said), self.profiles.setdefault(customer, Profile())
        self._take(profile, customer, now, self.operator.weekly(profile, now, self.world))
        return [outcome for _, outcome, _ in self.said[before:]]

    def reload(self) -> None:
        """Everything from its packed form, as a new owner has it."""
        self.profiles = {customer: unpack(pack(profile)) for customer, profile in self.profiles.items()}
        self.world.sections = Sections.unpack(self.world.sections.pack())

    def _take(self, profile: Profile, customer: str, at: float, outcomes: object) -> None:
        for outcome in outcomes:  # type: ignore[attr-defined]
            self.said.append((customer, outcome, (at - START) / DAY))
            kind = int(self.operator.kind)
            if isinstance(outcome, Raise):
                finding = outcome.finding
                if kind in profile.episodes:
                    profile.episodes[kind].updates += 1
                else:
                    profile.episodes[kind] = Episode(kind, bytes(16), at, at, finding.score)
                assert self.operator.score_again(dict(finding.features), None) == finding.score
            elif isinstance(outcome, Clear):
                profile.episodes.pop(kind, None)

    def raised(self, customer: str | None = None) -> list[tuple[str, Raise, float]]:
        """The steps that began an episode."""
        found, open_ = [], set()
        for who, outcome, at in self.said:
            if isinstance(outcome, Clear):
                open_.discard(who)
            elif isinstance(outcome, Raise) and who not in open_:
                open_.add(who)
                if customer in (None, who):
                    found.append((who, outcome, at))
        return found

    def cleared(self) -> list[str]:
        """Why, of each episode that ended."""
        return [outcome.why for _, outcome, _ in self.said if isinstance(outcome, Clear)]

    def noted(self) -> list[Noted]:
        return [outcome for _, outcome, _ in self.said if isinstance(outcome, Noted)]


def moments(r: random.Random, mean_days: float, days: float, shape: float) -> Iterator[float]:
    """Days with an order: gamma gaps of this mean and shape (1 is a Poisson process, 25 is clockwork)."""
    at = r.random() * mean_days
    while at < days:
        yield at
        at += r.gammavariate(shape, mean_days / shape)
