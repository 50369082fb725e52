"""More tickets than this customer's own history and the population explain.

Recent tickets are a count that halves every 14 days (a window of about 20 days); the expected count is a
gamma-Poisson mean of the customer's own rate and the population's. Alarm: a Poisson tail below 1 %, three or more.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Any, ClassVar

from analytics.activity import TICKET_HALF_LIFE, Activity
from analytics.events import Event, What
from analytics.operators.base import (
    NOTHING,
    Adopted,
    Clear,
    Finding,
    Kind,
    Level,
    Operator,
    Outcome,
    Raise,
    Reading,
    Reason,
    Standing,
    World,
)
from analytics.orders import DAY, Orders
from analytics.profile import NEVER, Profile
from analytics.sections import Section

CALM = 1.0
_WINDOW_DAYS = 14 / math.log(2)
_ALARM_TAIL = 0.01
_LEAST_RECENT = 2.4
_PRIOR_DAYS = 60.0


@dataclass(slots=True)
class TicketPopulation(Section):
    """All tickets, and the days of customers they came in."""

    NUMBER: ClassVar[int] = 14
    LAYOUT: ClassVar[Struct] = Struct("<2d")

    tickets: float = 1.0
    days: float = 200.0


class SupportLoad(Operator):
    kind = Kind.SUPPORT_LOAD
    takes = frozenset({What.TICKET_OPENED})

    def learn(self, profile: Profile, event: Event, world: World) -> Sequence[Outcome]:
        world.of(TicketPopulation).tickets += 1
        if not alarmed(profile, world, event.time):
            return NOTHING
        profile.set_timer(self.kind, calm_at(profile, event.time))
        return (Raise(explain(profile, world, event.time), again=True),)

    def ring(self, profile: Profile, due: float, world: World) -> Sequence[Outcome]:
        return (Clear(self.kind, "Support is calm again."),)

    def weekly(self, profile: Profile, now: float, world: World) -> Sequence[Outcome]:
        world.of(TicketPopulation).days += world.plan.score_every / DAY
        return NOTHING

    def standing(self, profile: Profile, world: World, now: float) -> Standing | None:
        return standing(profile, world, now)

    def score_again(self, features: Mapping[str, Any], model: Adopted | None) -> float:
        return 1 - _tail(features["recent"], features["expected"])


def alarmed(profile: Profile, world: World, now: float) -> bool:
    """Whether the load is remarkable now."""
    recent = profile.of(Activity).tickets_now(now)
    return recent >= _LEAST_RECENT and _tail(recent, _expected(profile, world, now)) < _ALARM_TAIL


def calm_at(profile: Profile, now: float) -> float:
    """When the recent count will have fallen to one; infinity when it is calm."""
    recent = profile.of(Activity).tickets_now(now)
    return now + TICKET_HALF_LIFE * math.log2(recent / CALM) if recent > CALM else NEVER


def explain(profile: Profile, world: World, now: float) -> Finding:
    activity, expected = profile.of(Activity), _expected(profile, world, now)
    recent = activity.tickets_now(now)
    count = math.ceil(recent)
    tail = _tail(recent, expected)
    waiting = f" {activity.open_tickets} of them open." if activity.open_tickets else ""
    return Finding(
        kind=Kind.SUPPORT_LOAD,
        direction="bad",
        severity="high" if activity.open_tickets >= 2 else "medium",
        score=1 - tail,
        sentence=f"{count} tickets in three weeks; usually {_usual(expected)}.{waiting}",
        expected=Reading(round(expected, 2), "tickets", f"{_usual(expected)} in three weeks"),
        observed=Reading(round(recent, 2), "tickets", f"about {count} tickets in three weeks"),
        reasons=(Reason("rate", f"{activity.tickets_total} tickets in all, {count} of them just now.", 1.0),),
        step=("help", "Read the open tickets, then call before they write again"),
        features={"recent": recent, "expected": expected, "open": activity.open_tickets},
    )


def standing(profile: Profile, world: World, now: float) -> Standing:
    recent = profile.of(Activity).tickets_now(now)
    expected = _expected(profile, world, now)
    level = Level.ALARM if alarmed(profile, world, now) else Level.WATCH if recent >= 1.5 else Level.OK
    text = f"{recent:.1f} tickets lately; usually {_usual(expected)}."
    value = 1 - _tail(recent, expected) if recent else 0.0
    evidence = f"{profile.of(Activity).tickets_total} tickets so far"
    return Standing(Kind.SUPPORT_LOAD, "Support load", value, level, True, evidence, (Reason("rate", text, 1.0),), now)


def _usual(expected: float) -> str:
    return f"about {expected:.1f}" if expected >= 0.5 else "hardly any"


def _expected(profile: Profile, world: World, now: float) -> float:
    since = profile.of(Orders).first_at or profile.of(Activity).tickets_at
    days = max(0.0, (now - since) / DAY)
    own = max(0.0, profile.of(Activity).tickets_total - profile.of(Activity).tickets_now(now))
    population = world.of(TicketPopulation)
    rate = population.tickets / max(population.days, 1.0)
    return _WINDOW_DAYS * (own + rate * _PRIOR_DAYS) / (days + _PRIOR_DAYS)


def _tail(count: float, mean: float) -> float:
    """P(X >= count) of a Poisson with this mean."""
    k = math.ceil(count - 1e-9)
    below = sum(math.exp(i * math.log(mean) - mean - math.lgamma(i + 1)) for i in range(k)) if mean > 0 else 1.0
    return min(1.0, max(0.0, 1 - below))
