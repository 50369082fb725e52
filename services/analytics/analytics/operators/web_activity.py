"""Visits rise or fall against this customer's own weeks.

Visits a week are negative binomial about the customer's own mean; how weeks scatter beyond Poisson is learned from
everybody. Three times as many and a quarter are weighed against the usual once a week (likelihood ratios); evidence
adds up by Shiryaev and Roberts (`evidence`).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Any, Final

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
from analytics.operators.evidence import ALARM_YEARS, certainty, grown, shrunk, teaching, weighted
from analytics.orders import DAY
from analytics.profile import Profile
from analytics.sections import Section, stored

MIN_WEEKS: Final = 5
CALM_YEARS: Final = 0.5
_ALARM: Final = 2.0 * ALARM_YEARS  # the mean is known from few weeks only
CHANGE_WEEKS: Final = 6
_LEAST_USUAL: Final = 2.0  # visits a week from which on fewer are to be noticed
_MEMORY: Final = 16.0
_PRIOR_WEEKS: Final = 1.0
_FADE: Final = math.exp(-1.0 / 8.0)
_UP: Final = 3.0
_DOWN: Final = 0.25


@dataclass(slots=True)
class WebWeeks(Section):
    """The usual visits a week and the whole weeks it was learned from, the evidence for more and for fewer; the visits
    since the last scoring moment, and since an alarm the weeks and visits.
    """

    usual: float = 0.0
    more: float = 0.0
    fewer: float = 0.0
    now: int = 0
    weeks: int = 0
    visits_since: int = 0
    weeks_since: int = 0

    def merge(self, other: "WebWeeks") -> None:
        self.usual = weighted(self.usual, self.weeks, other.usual, other.weeks)
        self.weeks = max(self.weeks, other.weeks)
        self.now += other.now
        self.more = self.fewer = 0.0


stored(WebWeeks, 22, Struct("<3d3IH"))


@dataclass(slots=True)
class VisitPopulation(Section):
    """Everybody's mean visits a week, and by how much weeks scatter beyond Poisson: the variance of a customer's rate
    as a share of its square.
    """

    usual: float = 1.0
    excess: float = 0.5
    weeks: int = 0

    def note(self, visits: int, usual: float, known: float) -> None:
        """A week of a customer whose mean was `usual`, from so many weeks."""
        self.weeks += 1
        rate = max(0.001, 1.0 / (20.0 + self.weeks))
        self.usual += rate * (visits - self.usual)
        if usual >= 0.5:
            beyond = (visits - usual) ** 2 * known / (known + 1.0) - usual
            self.excess += rate * (min(max(beyond / (usual * usual), -2.0), 6.0) - self.excess)


stored(VisitPopulation, 23, Struct("<2dI"))


class WebActivity(Operator):
    kind = Kind.WEB_ACTIVITY
    takes = frozenset({What.VISIT})

    def learn(self, profile: Profile, event: Event, world: World) -> Sequence[Outcome]:
        profile.of(WebWeeks).now += 1
        return NOTHING

    def weekly(self, profile: Profile, now: float, world: World) -> Sequence[Outcome]:
        own = profile.get(WebWeeks)
        if own is None:
            return NOTHING
        visits, own.now = own.now, 0
        own.weeks += 1
        if own.weeks == 1:
            return NOTHING  # the first was a part of a week only
        days = world.plan.score_every / DAY
        everybody, known = world.of(VisitPopulation), min(own.weeks - 2.0, _MEMORY)
        usual = shrunk(own.usual, known, everybody.usual, _PRIOR_WEEKS)
        if own.weeks > MIN_WEEKS:
            _weigh(own, visits, usual, known, everybody.excess, days)
            everybody.note(visits, usual, known + _PRIOR_WEEKS)
        rate = max(1.0 / _MEMORY, 1.0 / (known + 1.0)) * teaching(max(own.more, own.fewer))
        own.usual += rate * (visits - own.usual)
        return self._say(profile, own, visits, usual)

    def _say(self, profile: Profile, own: WebWeeks, visits: int, usual: float) -> Sequence[Outcome]:
        evidence = max(own.more, own.fewer)
        if self.kind not in profile.episodes:
            if evidence < _ALARM:
                return NOTHING
            own.weeks_since, own.visits_since = 1, visits
            return (Raise(explain(own, visits, usual)),)
        own.weeks_since = min(own.weeks_since + 1, 65_535)
        own.visits_since += visits
        if evidence < CALM_YEARS:
            return (Clear(self.kind, "Visits are as usual again."),)
        if own.weeks_since < CHANGE_WEEKS:
            return (Raise(explain(own, visits, usual)),) if evidence >= _ALARM else NOTHING
        own.usual, own.weeks = own.visits_since / own.weeks_since, MIN_WEEKS
        own.more = own.fewer = 0.0
        return (Clear(self.kind, f"{own.usual:.1f} visits a week are the new usual."),)

    def standing(self, profile: Profile, world: World, now: float) -> Standing | None:
        own, label = profile.get(WebWeeks), "Web activity"
        if own is None:
            return None
        if own.weeks <= MIN_WEEKS:
            few = f"{own.weeks} weeks; {MIN_WEEKS} are needed"
            return Standing(self.kind, label, None, Level.UNKNOWN, False, few, (), now)
        evidence = max(own.more, own.fewer)
        level = Level.ALARM if self.kind in profile.episodes else Level.WATCH if evidence > 20 else Level.OK
        reason = Reason("rate", f"Usually {own.usual:.1f} visits a week; {own.now} since the last count.", 1.0)
        known = f"{own.weeks} weeks, enough"
        return Standing(self.kind, label, certainty(evidence), level, True, known, (reason,), now)

    def score_again(self, features: Mapping[str, Any], model: Adopted | None) -> float:
        return certainty(features["evidence_years"])


def _weigh(own: WebWeeks, visits: int, usual: float, known: float, excess: float, days: float) -> None:
    """Both hypotheses against the usual. What is not known of the mean scatters as weeks do."""
    mean = max(usual, 0.02)
    size = 1.0 / (max(excess, 0.02) + 1.0 / (1.0 + (known + _PRIOR_WEEKS) * mean))
    own.more = grown(own.more, days, _FADE, _ratio(visits, mean, size, _UP))
    if mean >= _LEAST_USUAL or own.fewer >= _ALARM:
        own.fewer = grown(own.fewer, days, _FADE, _ratio(visits, mean, size, _DOWN))


def _ratio(count: int, mean: float, size: float, factor: float) -> float:
    """The log likelihood ratio of `factor` times the mean, both negative binomial of this size."""
    return count * math.log(factor) + (count + size) * math.log((size + mean) / (size + factor * mean))


def explain(own: WebWeeks, visits: int, usual: float) -> Finding:
    """The words and numbers when visits have become remarkable."""
    more, evidence = own.more > own.fewer, max(own.more, own.fewer)
    return Finding(
        kind=Kind.WEB_ACTIVITY,
        direction="good" if more else "bad",
        severity="low",
        score=certainty(evidence),
        sentence=f"{visits} visits in the last week; usually {usual:.1f}.",
        expected=Reading(round(usual, 2), "visits", f"{usual:.1f} visits a week"),
        observed=Reading(float(visits), "visits", f"{visits} visits in the last week"),
        reasons=(
            Reason("rate", f"Known from {own.weeks} weeks.", 0.5),
            Reason("evidence", f"By chance this is seen once in {evidence:,.0f} years of a customer, at most.", 0.5),
        ),
        step=("offer", "Ask what they are looking for") if more else ("call", "Ask whether they still need you"),
        features={"evidence_years": evidence, "visits": visits, "usual": usual},
    )
