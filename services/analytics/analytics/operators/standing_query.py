"""Standing queries: rules that people wrote, looked at as facts and timers arrive.

A rule speaks when it becomes true of a customer and is over when it is so no longer: one episode. Of whom it is true
already when it begins, it says nothing until it has been untrue once. What time alone can change, an absence or a
fact that falls out of a window, is looked at by the timer at the earliest moment at which it can change.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from analytics.events import Event, What
from analytics.operators.base import (
    NOTHING,
    SEVERAL,
    Adopted,
    Clear,
    Finding,
    Kind,
    Operator,
    Outcome,
    Raise,
    Reading,
    Reason,
    World,
)
from analytics.operators.state_values import reader
from analytics.orders import DAY, Orders
from analytics.profile import NEVER, Episode, Profile
from analytics.queries.book import Active, RulesPopulation
from analytics.queries.checking import Plan, check
from analytics.queries.conditions import Clause
from analytics.queries.remembered import Remembered
from analytics.queries.values import Operand
from analytics.queries.view import Now, Recorded
from analytics.queries.vocabulary import Type

SCORES = {"high": 0.95, "medium": 0.8, "low": 0.65}
_KIND: Final = int(Kind.STANDING_QUERY)
_FIRST_EPISODE: Final = SEVERAL * int(Kind.STANDING_QUERY)
_AGAIN_SECONDS: Final = 1.0  # a moment that rounding put into the past


class StandingQuery(Operator):
    kind = Kind.STANDING_QUERY
    takes = frozenset(
        {
            What.ORDER,
            What.RETURN,
            What.TOUCHPOINT,
            What.VISIT,
            What.LEAD,
            What.TICKET_OPENED,
            What.TICKET_STATUS,
            What.MESSAGE_OPENED,
            What.MESSAGE_CLICKED,
        }
    )

    def learn(self, profile: Profile, event: Event, world: World) -> Sequence[Outcome]:
        book = world.of(RulesPopulation)
        if not book.rules:
            return _forgotten(profile)
        remembered = profile.of(Remembered)
        known = remembered.since
        remember(profile, remembered, event, book)
        # Of somebody who was not heard of before, nothing has been looked at.
        rules = book.looking[event.what] if remembered.since == known else book.running
        return _look(profile, remembered, book, rules, event.time, world, bool(event.backfill))

    def ring(self, profile: Profile, due: float, world: World) -> Sequence[Outcome]:
        book = world.of(RulesPopulation)
        history = due < profile.backfill_until
        return _look(profile, profile.of(Remembered), book, book.running, due, world, history)

    def weekly(self, profile: Profile, now: float, world: World) -> Sequence[Outcome]:
        book = world.of(RulesPopulation)
        of_states = [rule for rule in book.running if rule.plan and rule.plan.states]
        if not of_states:
            return NOTHING
        return _look(profile, profile.of(Remembered), book, of_states, now, world, now < profile.backfill_until)

    def merged(self, profile: Profile, world: World) -> None:
        """Memories of both become one; what that makes true or untrue is looked at as soon as time goes on."""
        book, remembered = world.of(RulesPopulation), profile.get(Remembered)
        if remembered is None:
            return
        remembered.recall(book.tracks)
        if book.running:
            profile.set_timer(self.kind, max(profile.last_event_at, remembered.checked))

    def score_again(self, features: Mapping[str, Any], model: Adopted | None) -> float:
        """Reckons the rule out of the values that were stored."""
        holds = check(features["rule"]).condition.value(Recorded(features["values"]))
        return SCORES[features["severity"]] if holds else 0.0


def remember(profile: Profile, remembered: Remembered, event: Event, book: RulesPopulation) -> None:
    """Adds a fact to the memories of its tracks."""
    memory = remembered.recall(book.tracks)
    if remembered.since == NEVER:
        know(profile, remembered)
    remembered.since = min(remembered.since, event.time)
    for track in book.feeding[event.what]:
        track.add(memory, event)


def know(profile: Profile, remembered: Remembered) -> None:
    """Since when this customer is known at least, from what others keep of them."""
    orders = profile.get(Orders)
    first = orders.first_at if orders is not None and orders.count else NEVER
    remembered.since = min(remembered.since, first, profile.last_event_at or NEVER)


@dataclass(frozen=True, slots=True)
class Begun:
    """What a rule changes of a customer when it begins: it may be true already, which opens an episode silently."""

    holds: bool
    due: float

    def keep(self, profile: Profile, rule: Active, now: float) -> None:
        """Writes it into the profile."""
        know(profile, profile.of(Remembered))
        if self.holds:
            key = episode_of(rule)
            profile.episodes[key] = Episode(key, bytes(16), now, now, SCORES[rule.severity], silent=True)
        _wake(profile, now, self.due)


def begin(profile: Profile, rule: Active, now: float, world: World) -> Begun | None:
    """Looks at a rule for the first time, on a copy of the customer. None when that changes nothing."""
    plan, book, remembered = rule.plan, world.of(RulesPopulation), profile.of(Remembered)
    if plan is None:
        return None
    know(profile, remembered)
    view = _view(profile, remembered, book, now, world)
    holds = plan.condition.value(view) is True
    due = plan.condition.lapse(view, True) if holds else plan.condition.reach(view, True)
    return Begun(holds, due) if holds or due < NEVER else None


def episode_of(rule: Active) -> int:
    """The key of a rule's episodes."""
    return _FIRST_EPISODE + rule.number


def _look(
    profile: Profile,
    remembered: Remembered,
    book: RulesPopulation,
    rules: Iterable[Active],
    at: float,
    world: World,
    history: bool,
) -> Sequence[Outcome]:
    """What these rules have to say at `at`, or at the last moment they were looked at if that is later."""
    now = remembered.checked = max(at, profile.last_event_at, remembered.checked)
    if remembered.since == NEVER:
        know(profile, remembered)
    view = _view(profile, remembered, book, now, world)
    outcomes: list[Outcome] = []
    due = NEVER
    for rule in rules:
        plan = rule.plan
        if plan is None:
            continue
        holds, key = plan.condition.value(view) is True, _FIRST_EPISODE + rule.number
        turns = plan.condition.lapse(view, True) if holds else plan.condition.reach(view, True)
        if turns < due:
            due = turns
        if holds and key not in profile.episodes:
            if (until := remembered.quiet.get(rule.number, now)) > now:
                due = min(due, until)
                continue
            outcomes.append(Raise(_finding(rule, plan, view), episode=key))
            if plan.quiet and not history:
                remembered.quiet[rule.number] = now + plan.quiet
        elif not holds and key in profile.episodes:
            outcomes.append(Clear(Kind.STANDING_QUERY, f"“{rule.name}” is over.", key))
    if due < NEVER:
        _wake(profile, now, due)
    return outcomes or NOTHING


def _view(profile: Profile, remembered: Remembered, book: RulesPopulation, now: float, world: World) -> Now:
    memory = remembered.recall(book.tracks)
    return Now(now, remembered.since, memory, book.covered, reader(profile, world, now))


def _wake(profile: Profile, now: float, due: float) -> None:
    """Sets the timer where it would ring too late. One that rings too early is set anew then."""
    if due < profile.timers.get(_KIND, NEVER):
        profile.set_timer(_KIND, due if due > now else now + _AGAIN_SECONDS)


def _forgotten(profile: Profile) -> Sequence[Outcome]:
    remembered = profile.get(Remembered)
    if remembered is not None:
        remembered.forget()
    return NOTHING


# -- words ------------------------------------------------------------------------------------------


def _finding(rule: Active, plan: Plan, view: Now) -> Finding:
    true = [clause for clause in plan.condition.clauses() if clause.value(view)]
    sides = next((sides for clause in true if len(sides := clause.sides()) == 2), ())
    words = plan.condition.words(view)
    values = {leaf.key: view.read(leaf) for clause in plan.condition.clauses() for leaf in clause.leaves()}
    return Finding(
        kind=Kind.STANDING_QUERY,
        direction=rule.direction,
        severity=rule.severity,
        score=SCORES[rule.severity],
        sentence=f"{rule.name}: {words}.",
        expected=_reading(sides[1], view) if sides else Reading(None, "", plan.reading()),
        observed=_reading(sides[0], view) if sides else Reading(None, "", words),
        reasons=[_reason(clause, view, len(true)) for clause in true],
        step=("look", "Look at the customer's page: a rule of yours asked to be told"),
        features={"rule": plan.text, "severity": rule.severity, "values": values},
        rule=rule.query,
    )


def _reading(side: Operand, view: Now) -> Reading:
    value, words = side.value(view), side.words(view)
    if not isinstance(value, float | int):
        return Reading(None, "", words)
    if side.type is Type.DURATION:
        return Reading(round(value / DAY, 2), "days", words)
    return Reading(round(value, 4), side.currency(view) if side.type is Type.MONEY else "", words)


def _reason(clause: Clause, view: Now, of: int) -> Reason:
    words = clause.words(view)
    return Reason("clause", f"{words[0].upper()}{words[1:]}.", round(1 / of, 4))
