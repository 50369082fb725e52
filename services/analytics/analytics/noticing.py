"""What one customer's facts and timers teach and lead to. Pure: profile in, profile changed, words out."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from analytics import episodes
from analytics.activity import Activity
from analytics.customers import Changes, CompletedExample, ScoredRow
from analytics.events import Event, What, emission, stable_id
from analytics.flows import Flows, source_number
from analytics.operators import OPERATORS
from analytics.operators.base import Clear, Example, Noted, Operator, Outcome, Raise, Said, Scored, World
from analytics.orders import Orders
from analytics.profile import WEEKLY, Profile
from analytics.visits import WEB_FACTS, Sifted, sift

_RANG_AT_MOST: Final = 400  # timers of one customer before one event: far more than half a year of weeks
_SCORED_FROM = frozenset({What.ORDER, What.LEAD})


class Noticing:
    """The operators at work on one customer at a time; what they say goes to `changes`."""

    def __init__(self, world: World, operators: Sequence[Operator] = OPERATORS) -> None:
        self._world = world
        self._learning = {what: [o.learn for o in operators if what in o.takes] for what in What}
        self._completing = [o.complete for o in operators if _overrides(o, "complete")]
        self._at_scoring = [o.weekly for o in operators if _overrides(o, "weekly")]
        self._replaced = [o.replaced for o in operators if _overrides(o, "replaced")]
        self._ringing = {int(o.kind): o.ring for o in operators if _overrides(o, "ring")}
        self.changes = Changes()
        self.quiet_until = 0

    def learn(self, profile: Profile, event: Event) -> None:
        """One fact about a customer."""
        what, sifted = event.what, sift(profile, event)
        self._keep(profile, event, sifted)
        if not sifted.teaches:
            self.changes.sifted[sifted] += 1
            return
        if sifted is Sifted.OPENS:
            self._teach(What.VISIT, profile, replace(event, what=What.VISIT))
        self._teach(what, profile, event)
        if what in _SCORED_FROM and WEEKLY not in profile.timers:
            profile.timers[WEEKLY] = self._world.plan.first_scoring(event.customer, event.time)

    def _keep(self, profile: Profile, event: Event, sifted: Sifted) -> None:
        """What all operators may ask about: money counts even if it comes twice, the web by its visits."""
        what = event.what
        if what is What.ORDER:
            orders = profile.of(Orders)
            orders.note(event)
            orders.source = source_number(event.data.get("source", ""))
            if not event.backfill:
                self._world.of(Flows).note(orders.source, event.received)
        elif what not in WEB_FACTS or sifted is Sifted.OPENS:
            if what is What.RETURN:
                profile.of(Orders).note_return(event)
            profile.of(Activity).note(event)

    def _teach(self, what: What, profile: Profile, event: Event) -> None:
        for learn in self._learning[what]:
            if outcomes := learn(profile, event, self._world):
                self._take(outcomes, profile, event.customer, event.time, event, bool(event.backfill))

    def ring(self, profile: Profile, customer: str, until: float, cause: Event, *, hushed: bool = False) -> None:
        """Fires this customer's timers due by `until`, earliest first. `hushed` ones open episodes in silence."""
        timers = profile.timers
        for _ in range(_RANG_AT_MOST):
            if not timers:
                return
            kind, due = min(timers.items(), key=_by_moment)
            if due > until:
                return
            history = hushed or bool(cause.backfill) or due < profile.backfill_until
            if kind == WEEKLY:
                self._weekly(profile, customer, due, cause, history)
            else:
                del timers[kind]
                self._take(self._ringing[kind](profile, due, self._world), profile, customer, due, cause, history)
        for kind, due in timers.items():
            timers[kind] = max(due, until + self._world.plan.score_every)

    def complete(self, profile: Profile, customer: str, now: float, cause: Event) -> None:
        """Turns into examples what has waited for its label long enough."""
        for complete in self._completing:
            if outcomes := complete(profile, now, self._world):
                self._take(outcomes, profile, customer, now, cause, False)

    def replaced(self, before: Profile | None, profile: Profile, event: Event) -> None:
        """A customer was folded again, and is not what they were before this record."""
        for replaced in self._replaced:
            if outcomes := replaced(before, profile, event.time, self._world):
                self._take(outcomes, profile, event.customer, event.time, event, False)

    def _weekly(self, profile: Profile, customer: str, now: float, cause: Event, history: bool) -> None:
        plan = self._world.plan
        if profile.pending:
            self.complete(profile, customer, now, cause)
        if now - profile.last_event_at > plan.stop_after:
            if profile.pending:
                profile.timers[WEEKLY] = now + plan.score_every
            else:
                del profile.timers[WEEKLY]
            return
        profile.timers[WEEKLY] = now + plan.score_every
        for weekly in self._at_scoring:
            if outcomes := weekly(profile, now, self._world):
                self._take(outcomes, profile, customer, now, cause, history)

    def _take(
        self, outcomes: Sequence[Outcome], profile: Profile, customer: str, now: float, cause: Event, history: bool
    ) -> None:
        """Puts what an operator answered where it belongs. In `history` nobody is told."""
        changes = self.changes
        history = history or 0 <= cause.offset < self.quiet_until or now < self._world.plan.quiet_until
        for outcome in outcomes:
            if isinstance(outcome, Noted):
                changes.noted.append((cause.id, outcome))
            elif isinstance(outcome, Scored):
                changes.scored.append(ScoredRow(customer, now, outcome.values))
            elif isinstance(outcome, Example):
                changes.examples.append(CompletedExample(customer, outcome, cause, now))
            elif isinstance(outcome, Raise):
                said = episodes.raise_or_update(profile, outcome, cause, customer, now, history=history)
                if said is not None:
                    changes.triggers.append(said)
            elif isinstance(outcome, Clear):
                said = episodes.clear(profile, outcome, cause, customer, now)
                if said is not None:
                    changes.triggers.append(said)
            elif isinstance(outcome, Said):
                id_ = stable_id(outcome.type, customer, *outcome.id_parts)
                changes.facts.append(emission(outcome.type, customer, outcome.data, cause, now, id_))


def _overrides(operator: Operator, method: str) -> bool:
    return getattr(type(operator), method) is not getattr(Operator, method)


def _by_moment(timer: tuple[int, float]) -> tuple[float, int]:
    return timer[1], timer[0]
