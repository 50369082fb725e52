"""Orders come faster or slower than this customer's own pace, though none is missing.

Each gap between days with an order is weighed by two hypotheses, twice as fast and half as fast as the own pace: the
likelihood ratio of gamma gaps, the mean being known from so many gaps only. What a gap says grows with the gamma's
shape, and a dozen gaps of somebody who buys at random often look regular; so the customer is held only as regular as
the gaps prove: the lower confidence limit of the shape (Bain and Engelhardt 1975).
Evidence adds up by Shiryaev and Roberts (`evidence`). A pace that lasts becomes the new usual.
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
    days_text,
    every_text,
)
from analytics.operators.evidence import ALARM_YEARS, certainty, grown, teaching, weighted
from analytics.operators.rhythm import log_gap
from analytics.orders import Orders
from analytics.profile import Profile
from analytics.sections import Section, stored

MIN_GAPS: Final = 10
_ALARM: Final = 2.0 * ALARM_YEARS  # the mean gap is known from few gaps only
CALM_YEARS: Final = 1.0  # evidence below which it is over
CHANGE_GAPS: Final = 8  # so many gaps and days after it was raised it is the new usual
CHANGE_DAYS: Final = 28.0
_FACTOR: Final = math.log(2.0)
_MOST: Final = 2.0  # log ratio of one gap (Huber's robust test): no single one decides, silence is another operator's
_MEMORY: Final = 60.0  # gaps; an older one fades
_FADE: Final = math.exp(-1.0 / 32.0)  # a gap
_DOUBT: Final = 1.28  # deviations that the shape is taken below its estimate: one in ten is less regular still
_CLIP: Final = 4.0  # spreads that one gap counts for at most, so that a new pace does not pass for irregularity
_LEAST_SPREAD: Final = 0.02  # nobody is more regular than shape 25


@dataclass(slots=True)
class Tempo(Section):
    """The usual gap in days and the gaps' spread about it, learned from `gaps`; the evidence for faster and slower;
    while it is remarkable, the days and gaps since it was raised.

    The spread is the mean of x/m - 1 - log(x/m), x a gap and m the usual one: 0.58 for Poisson flows, 0.02 for
    clockwork.
    """

    mean: float = 0.0
    spread: float = 0.0
    faster: float = 0.0
    slower: float = 0.0
    days: float = 0.0
    gaps: int = 0
    since: int = 0

    def merge(self, other: "Tempo") -> None:
        """Two keys of one customer, each with a part of the orders: the pace of both is to be learned anew."""
        self.mean = weighted(self.mean, self.gaps, other.mean, other.gaps)
        self.spread = weighted(self.spread, self.gaps, other.spread, other.gaps)
        self.gaps = min(self.gaps + other.gaps, MIN_GAPS - 1)
        self.faster = self.slower = 0.0


stored(Tempo, 15, Struct("<5dIH"))


class PurchaseFrequency(Operator):
    kind = Kind.PURCHASE_FREQUENCY
    takes = frozenset({What.ORDER})

    def learn(self, profile: Profile, event: Event, world: World) -> Sequence[Outcome]:
        gap = profile.of(Orders).gap
        if not gap > 0:
            return NOTHING
        pace, days = profile.of(Tempo), max(gap - 0.5, 0.5)
        if pace.gaps >= MIN_GAPS:
            _weigh(pace, days, gap)
        _teach(pace, days, gap)
        if self.kind in profile.episodes:
            return self._follow(pace, gap)
        if max(pace.faster, pace.slower) < _ALARM:
            return NOTHING
        pace.days, pace.since = gap, 1
        return (Raise(explain(pace, gap)),)

    def _follow(self, pace: Tempo, gap: float) -> Sequence[Outcome]:
        """One more gap while the alarm is open."""
        pace.days += gap
        pace.since = min(pace.since + 1, 65_535)
        if max(pace.faster, pace.slower) < CALM_YEARS:
            return (Clear(self.kind, "Orders come at the usual pace again."),)
        if pace.since < CHANGE_GAPS or pace.days < CHANGE_DAYS:
            return (Raise(explain(pace, gap)),) if max(pace.faster, pace.slower) >= _ALARM else NOTHING
        _adopt(pace)
        return (Clear(self.kind, f"An order every {every_text(pace.mean + 0.5)} is the new usual."),)

    def standing(self, profile: Profile, world: World, now: float) -> Standing | None:
        pace, label = profile.of(Tempo), "Order pace"
        if pace.gaps < MIN_GAPS:
            few = f"{pace.gaps} gaps between orders; {MIN_GAPS} are needed"
            return Standing(self.kind, label, None, Level.UNKNOWN, False, few, (), now)
        evidence = max(pace.faster, pace.slower)
        level = Level.ALARM if self.kind in profile.episodes else Level.WATCH if evidence > 20 else Level.OK
        text = f"Usually an order every {every_text(pace.mean + 0.5)}."
        known = f"{pace.gaps} gaps between orders, enough"
        return Standing(self.kind, label, certainty(evidence), level, True, known, (Reason("pace", text, 1.0),), now)

    def score_again(self, features: Mapping[str, Any], model: Adopted | None) -> float:
        return certainty(features["evidence_years"])


def _weigh(pace: Tempo, days: float, gap: float) -> None:
    """Both hypotheses against the usual: predictive densities of a gamma gap whose mean is known from n gaps."""
    n = min(float(pace.gaps), _MEMORY)
    shape = _proven_shape(pace.spread, n)
    known, power = n * pace.mean, (n + 1.0) * shape
    usual = math.log(known + days)
    faster = shape * _FACTOR + power * (usual - math.log(known + 2.0 * days))
    slower = power * (usual - math.log(known + 0.5 * days)) - shape * _FACTOR
    pace.faster = grown(pace.faster, gap, _FADE, faster if faster < _MOST else _MOST)
    pace.slower = grown(pace.slower, gap, _FADE, slower if slower < _MOST else _MOST)


def _proven_shape(spread: float, n: float) -> float:
    """The least shape that n gaps with this spread have, but for one case in ten.

    2nk times the spread is nearly chi-square with n - 1 degrees of freedom for the shape k; Wilson and Hilferty's cube.
    """
    free = n - 1.0
    part = 2.0 / (9.0 * free)
    root = 1.0 - part - _DOUBT * math.sqrt(part)
    return free * root * root * root / (2.0 * n * max(spread, _LEAST_SPREAD))


def _teach(pace: Tempo, days: float, gap: float) -> None:
    pace.gaps += 1
    rate = max(1.0 / _MEMORY, 1.0 / pace.gaps) * teaching(max(pace.faster, pace.slower))
    if pace.gaps > 1:
        off = days / pace.mean - 1.0 + math.log(pace.mean) - log_gap(gap)[0]
        if pace.gaps > MIN_GAPS:
            off = min(off, _CLIP * max(pace.spread, _LEAST_SPREAD))
        pace.spread += rate * (off - pace.spread)
    pace.mean += rate * (days - pace.mean)


def _adopt(pace: Tempo) -> None:
    """The pace since the alarm is the usual from now on, as regular as the former one."""
    pace.mean, pace.gaps = max(pace.days / pace.since - 0.5, 0.5), MIN_GAPS
    pace.faster = pace.slower = 0.0


def explain(pace: Tempo, gap: float) -> Finding:
    """The words and numbers when the pace has become remarkable."""
    fast = pace.faster > pace.slower
    usual = pace.mean + 0.5
    evidence, now = max(pace.faster, pace.slower), "faster" if fast else "more slowly"
    return Finding(
        kind=Kind.PURCHASE_FREQUENCY,
        direction="good" if fast else "bad",
        severity="low" if fast else "medium",
        score=certainty(evidence),
        sentence=f"Orders come {now} than every {every_text(usual)} as usual; the last after {days_text(gap)}.",
        expected=Reading(round(usual, 2), "days", f"an order every {every_text(usual)}"),
        observed=Reading(gap, "days", f"the last after {days_text(gap)}"),
        reasons=(
            Reason("pace", f"The last gaps fit orders twice as {'often' if fast else 'seldom'} far better.", 0.7),
            Reason("evidence", f"By chance this is seen once in {evidence:,.0f} years of a customer, at most.", 0.3),
        ),
        step=("thank", "Thank them; offer what saves them orders") if fast else ("ask", "Ask what has changed"),
        features={"evidence_years": evidence, "usual_days": pace.mean, "gaps": pace.gaps},
    )
