"""What customers did before a rule was activated, in the memories of its new tracks. Pure: events in, memories out."""

import base64
from collections.abc import Callable, Mapping

from analytics.events import PROFILE_MERGED, Event, What
from analytics.fold import Fold
from analytics.operators.standing_query import StandingQuery
from analytics.profile import unpack
from analytics.queries.history import Histories
from analytics.queries.remembered import Remembered
from analytics.trial import NOT_TRIED, announcement

_WHO_MAY_BE = 1_000  # merges are followed through chains; no longer ones than this


class Collector:
    """Takes the events of one partition in the order of the log, and remembers what the tracks ask for.

    `query` is the record that activated the rule as the log has it; `wanted` the numbers of its tracks without a past.
    """

    def __init__(self, partition: int, query: Mapping[str, object], wanted: frozenset[int]) -> None:
        self.partition = partition
        self.moved: dict[str, str] = {}
        self.lost: dict[str, Remembered] = {}
        self._wanted, self._seen = wanted, set[int]()
        self._fold = Fold(partition, operators=(StandingQuery(),))
        self._fold.apply(announcement(What.QUERY_ACTIVATED, query))

    def take(self, event: Event) -> None:
        """Folds an event; repeats change nothing."""
        if event.what in NOT_TRIED:
            return
        if event.customer:
            id_ = hash(event.id)
            if id_ in self._seen:
                return
            self._seen.add(id_)
        self._fold.apply(event)
        for fact in self._fold.take_said().facts:
            if fact.type == PROFILE_MERGED:
                losing = str(fact.data["losing"])
                self.moved[losing] = fact.key
                self._keep(self.lost, losing, unpack(base64.b64decode(fact.data["profile"])).get(Remembered))

    def memories(self) -> dict[str, Remembered]:
        """By customer, as far as there is anything to remember."""
        found: dict[str, Remembered] = {}
        for customer in self._fold.customers():
            profile = self._fold.profile(customer)
            self._keep(found, customer, profile.get(Remembered) if profile else None)
        return found

    def _keep(self, into: dict[str, Remembered], customer: str, remembered: Remembered | None) -> None:
        if remembered is None:
            return
        wanted = [(number, packed) for number, packed in remembered.parts() if number in self._wanted]
        if wanted:
            into[customer] = Remembered(since=remembered.since, packed=wanted)


class Past:
    """What all partitions came to. Who turned out to be somebody else takes their past to that one's partition."""

    def __init__(self, since: float) -> None:
        self._since = since
        self._histories: dict[int, bytes] = {}
        self._moved: dict[str, str] = {}
        self._lost: dict[str, Remembered] = {}

    def keep(self, collected: Collector) -> None:
        """One partition is read; it is kept packed."""
        self._moved.update(collected.moved)
        self._lost.update(collected.lost)
        self._histories[collected.partition] = Histories(self._since, collected.memories()).pack()

    def histories(self, partition_of: Callable[[str], int]) -> dict[int, bytes]:
        """By partition."""
        for customer, remembered in sorted(self._lost.items()):
            survivor = self._survivor(customer)
            partition = partition_of(survivor)
            of_customers = dict(Histories.unpack(self._histories[partition]).of_customers)
            of_customers.setdefault(survivor, Remembered()).merge(remembered)
            self._histories[partition] = Histories(self._since, of_customers).pack()
        return self._histories

    def _survivor(self, customer: str) -> str:
        for _ in range(_WHO_MAY_BE):
            if customer not in self._moved:
                break
            customer = self._moved[customer]
        return customer
