"""More tickets than this customer's own history and the population explain.

Recent tickets are a count that halves every 14 days (a window of about 20 days); the expected count is a
gamma-Poisson mean of the customer's own rate and the population's. Alarm: a Poisson tail below 1 %, three or more.
"""

import math

from analytics.operators.base import Finding, Kind, Level, Population, Reading, Reason, Standing, World
from analytics.profile import DAY, NEVER, Profile

HALF_LIFE = 14 * DAY
CALM = 1.0
_WINDOW_DAYS = 14 / math.log(2)
_ALARM_TAIL = 0.01
_LEAST_RECENT = 2.4
_PRIOR_DAYS = 60.0


def learn_ticket(profile: Profile, at: float, population: Population) -> None:
    """Counts an opened ticket."""
    profile.tickets.add(at, HALF_LIFE)
    profile.tickets_total += 1
    profile.open_tickets = min(profile.open_tickets + 1, 65_535)
    population.tickets += 1


def learn_solved(profile: Profile) -> None:
    profile.open_tickets = max(0, profile.open_tickets - 1)


def alarmed(profile: Profile, population: Population, now: float) -> bool:
    """Whether the load is remarkable now."""
    recent = profile.tickets.read(now, HALF_LIFE)
    return recent >= _LEAST_RECENT and _tail(recent, _expected(profile, population, now)) < _ALARM_TAIL


def calm_at(profile: Profile, now: float) -> float:
    """When the recent count will have fallen to one; infinity when it is calm."""
    recent = profile.tickets.read(now, HALF_LIFE)
    return now + HALF_LIFE * math.log2(recent / CALM) if recent > CALM else NEVER


def explain(profile: Profile, population: Population, now: float) -> Finding:
    recent, expected = profile.tickets.read(now, HALF_LIFE), _expected(profile, population, now)
    count = math.ceil(recent)
    tail = _tail(recent, expected)
    waiting = f" {profile.open_tickets} of them open." if profile.open_tickets else ""
    return Finding(
        kind=Kind.SUPPORT_LOAD,
        direction="bad",
        severity="high" if profile.open_tickets >= 2 else "medium",
        score=1 - tail,
        sentence=f"{count} tickets in three weeks; usually {_usual(expected)}.{waiting}",
        expected=Reading(round(expected, 2), "tickets", f"{_usual(expected)} in three weeks"),
        observed=Reading(round(recent, 2), "tickets", f"about {count} tickets in three weeks"),
        reasons=(Reason("rate", f"{profile.tickets_total} tickets in all, {count} of them just now.", 1.0),),
        step=("help", "Read the open tickets, then call before they write again"),
        features={"recent": recent, "expected": expected, "open": profile.open_tickets},
    )


def standing(profile: Profile, world: World, now: float) -> Standing:
    recent = profile.tickets.read(now, HALF_LIFE)
    expected = _expected(profile, world.population, now)
    level = Level.ALARM if alarmed(profile, world.population, now) else Level.WATCH if recent >= 1.5 else Level.OK
    text = f"{recent:.1f} tickets lately; usually {_usual(expected)}."
    value = 1 - _tail(recent, expected) if recent else 0.0
    evidence = f"{profile.tickets_total} tickets so far"
    return Standing(Kind.SUPPORT_LOAD, "Support load", value, level, True, evidence, (Reason("rate", text, 1.0),), now)


def _usual(expected: float) -> str:
    return f"about {expected:.1f}" if expected >= 0.5 else "hardly any"


def _expected(profile: Profile, population: Population, now: float) -> float:
    since = profile.first_order_at or profile.tickets.at
    days = max(0.0, (now - since) / DAY)
    own = max(0.0, profile.tickets_total - profile.tickets.read(now, HALF_LIFE))
    rate = population.tickets / max(population.ticket_days, 1.0)
    return _WINDOW_DAYS * (own + rate * _PRIOR_DAYS) / (days + _PRIOR_DAYS)


def _tail(count: float, mean: float) -> float:
    """P(X >= count) of a Poisson with this mean."""
    k = math.ceil(count - 1e-9)
    below = sum(math.exp(i * math.log(mean) - mean - math.lgamma(i + 1)) for i in range(k)) if mean > 0 else 1.0
    return min(1.0, max(0.0, 1 - below))
