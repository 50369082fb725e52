"""More tickets than this customer's own history and the population explain.

Recent tickets are a count that halves every 14 days (a window of about 20 days). The own rate is gamma distributed:
the tickets before the recent ones in the days so far, leaning on everybody's rate as on 60 days; so the count is
negative binomial. Alarm where so many would be reached by chance once in 200 years of this customer, three at least.
Calm again when the count has fallen to one: each ticket in between only updates the alarm.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Any, Final

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
from analytics.operators.evidence import FALSE_ALARMS, YEAR_DAYS
from analytics.orders import DAY, Orders
from analytics.profile import NEVER, Profile
from analytics.sections import Section, stored

CALM: Final = 1.0
_WINDOW_DAYS: Final = 14 / math.log(2)
_LEAST_RECENT: Final = 2.4
_PRIOR_DAYS: Final = 60.0
_MOST_TERMS: Final = 10_000
_LEAST_A_YEAR: Final = 0.5  # tickets; each is a test


@dataclass(slots=True)
class TicketPopulation(Section):
    """The tickets that came one by one, and the days of customers they came in."""

    tickets: float = 1.0
    days: float = 200.0


stored(TicketPopulation, 14, Struct("<2d"))


class SupportLoad(Operator):
    kind = Kind.SUPPORT_LOAD
    takes = frozenset({What.TICKET_OPENED})

    def learn(self, profile: Profile, event: Event, world: World) -> Sequence[Outcome]:
        if not alarmed(profile, world, event.time):
            if profile.of(Activity).tickets_now(event.time) < _LEAST_RECENT:
                world.of(TicketPopulation).tickets += 1
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
        return 1 - _tail(features["recent"], features["expected"], features["weight"])


def alarmed(profile: Profile, world: World, now: float) -> bool:
    """Whether the load is remarkable now."""
    recent = profile.of(Activity).tickets_now(now)
    if recent < _LEAST_RECENT:
        return False
    expected, weight = _expected(profile, world, now)
    tickets_a_year = expected / _WINDOW_DAYS * YEAR_DAYS
    return _tail(recent, expected, weight) * max(tickets_a_year, _LEAST_A_YEAR) < FALSE_ALARMS


def calm_at(profile: Profile, now: float) -> float:
    """When the recent count will have fallen to one; infinity when it is calm."""
    recent = profile.of(Activity).tickets_now(now)
    return now + TICKET_HALF_LIFE * math.log2(recent / CALM) if recent > CALM else NEVER


def explain(profile: Profile, world: World, now: float) -> Finding:
    activity, (expected, weight) = profile.of(Activity), _expected(profile, world, now)
    recent = activity.tickets_now(now)
    count = math.ceil(recent)
    waiting = f" {activity.open_tickets} of them open." if activity.open_tickets else ""
    return Finding(
        kind=Kind.SUPPORT_LOAD,
        direction="bad",
        severity="high" if activity.open_tickets >= 2 else "medium",
        score=1 - _tail(recent, expected, weight),
        sentence=f"{count} tickets in three weeks; usually {_usual(expected)}.{waiting}",
        expected=Reading(round(expected, 2), "tickets", f"{_usual(expected)} in three weeks"),
        observed=Reading(round(recent, 2), "tickets", f"about {count} tickets in three weeks"),
        reasons=(Reason("rate", f"{activity.tickets_total} tickets in all, {count} of them just now.", 1.0),),
        step=("help", "Read the open tickets, then call before they write again"),
        features={"recent": recent, "expected": expected, "weight": weight, "open": activity.open_tickets},
    )


def standing(profile: Profile, world: World, now: float) -> Standing:
    recent = profile.of(Activity).tickets_now(now)
    expected, weight = _expected(profile, world, now)
    level = Level.ALARM if alarmed(profile, world, now) else Level.WATCH if recent >= 1.5 else Level.OK
    text = f"{recent:.1f} tickets lately; usually {_usual(expected)}."
    value = 1 - _tail(recent, expected, weight) if recent else 0.0
    evidence = f"{profile.of(Activity).tickets_total} tickets so far"
    return Standing(Kind.SUPPORT_LOAD, "Support load", value, level, True, evidence, (Reason("rate", text, 1.0),), now)


def _usual(expected: float) -> str:
    return f"about {expected:.1f}" if expected >= 0.5 else "hardly any"


def _expected(profile: Profile, world: World, now: float) -> tuple[float, float]:
    """The tickets expected in a window, and the tickets that this is known from (the shape of the gamma)."""
    activity = profile.of(Activity)
    since = profile.of(Orders).first_at or activity.tickets_at
    days = max(0.0, (now - since) / DAY)
    own = max(0.0, activity.tickets_total - activity.tickets_now(now))
    population = world.of(TicketPopulation)
    weight = own + population.tickets / max(population.days, 1.0) * _PRIOR_DAYS
    return _WINDOW_DAYS * weight / (days + _PRIOR_DAYS), weight


def _tail(count: float, mean: float, weight: float) -> float:
    """P(X >= count) of a negative binomial with this mean and shape."""
    k = math.ceil(count - 1e-9)
    if mean <= 0 or weight <= 0:
        return float(k <= 0)
    hit = mean / (mean + weight)
    term = below = math.exp(weight * math.log1p(-hit)) if k > 0 else 0.0
    for i in range(1, min(k, _MOST_TERMS)):
        term *= hit * (weight + i - 1) / i
        below += term
    return min(1.0, max(0.0, 1 - below))
