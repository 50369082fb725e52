"""A rule tried on one partition of the log in a scratch state, with all that sifts, merges and rings as it is live."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analytics.events import RAISED, Event, What
from analytics.fold import Fold
from analytics.operators import OPERATORS
from analytics.operators.base import Adopted, Kind, Operator
from analytics.operators.standing_query import StandingQuery
from analytics.queries.book import MOST_RULES
from analytics.queries.checking import Plan
from analytics.queries.history import Histories

TRIED = MOST_RULES  # the number of a rule that is tried; those that run have smaller ones
_FIRST_TRACK = 60_000
_NAME = "trial"
NOT_TRIED = frozenset({What.QUERY_ACTIVATED, What.QUERY_PRIMED, What.QUERY_RETIRED, What.MODEL_ADOPTED})
# These are computed by other operators, which then have to take part.
_COMPUTED = frozenset({"churn.risk", "spend.usual", "segment"})


@dataclass(frozen=True)
class Firing:
    """The rule would have spoken of a customer."""

    customer: str
    time: float
    sentence: str


def needed(plan: Plan) -> Sequence[Operator]:
    """The operators without which a rule has nothing to look at."""
    return OPERATORS if plan.states & _COMPUTED else (StandingQuery(),)


def announcement(what: What, data: Mapping[str, object]) -> Event:
    """A record about a rule as a scratch state is told it, before everything else."""
    return Event(what, f"{_NAME} {what.name}", "", 1.0, 1.0, data=data)


class Trial:
    """Takes events of one partition in the order of the log; imported ones count as if they came when they happened.

    `since`: all that happened from then on is among the events. Firings before `count_from` are not kept.
    """

    def __init__(
        self, partition: int, plan: Plan, since: float, count_from: float, models: Mapping[str, Adopted]
    ) -> None:
        self.firings: list[Firing] = []
        self.holding: set[str] = set()
        self._count_from, self._seen = count_from, set[int]()
        self._fold = Fold(partition, operators=needed(plan))
        self._fold.world.models.update(models)
        tracks = {track.text: _FIRST_TRACK + n for n, track in enumerate(plan.tracks)}
        data = {"query": _NAME, "number": TRIED, "name": "It", "rule": plan.text, "tracks": tracks}
        self._fold.apply(announcement(What.QUERY_ACTIVATED, {**data, "severity": "medium", "direction": "bad"}))
        self._fold.prime(announcement(What.QUERY_PRIMED, data), Histories(since))

    def take(self, event: Event) -> None:
        """Folds an event; repeats and what is said about other rules change nothing."""
        if event.what in NOT_TRIED or (event.customer and self._is_repeat(event)):
            return
        event.backfill = 0.0
        self._fold.apply(event)
        for said in self._fold.take_said().triggers:
            if said.data.get("kind") != Kind.STANDING_QUERY.slug:
                continue
            if said.type == RAISED:
                self._fired(Firing(said.key, said.time.timestamp(), said.data["sentence"]))
            else:
                self.holding.discard(said.key)

    def _is_repeat(self, event: Event) -> bool:
        id_ = hash(event.id)
        if id_ in self._seen:
            return True
        self._seen.add(id_)
        return False

    def _fired(self, firing: Firing) -> None:
        self.holding.add(firing.customer)
        if firing.time >= self._count_from:
            self.firings.append(firing)
