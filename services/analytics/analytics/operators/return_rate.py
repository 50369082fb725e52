"""Goods come back more, or less, often than this customer sends things back.

Returns are Poisson in the number of orders, one a day at most (a parcel is one return); the own rate leans on
everybody's as on ten orders. Weighed against it are a rate three times as high, though higher by four in ten orders at
least, and a third of it (likelihood ratios); evidence adds up by Shiryaev and Roberts (`evidence`).
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
from analytics.operators.evidence import ALARM_YEARS, certainty, grown, shrunk, teaching
from analytics.orders import DAY, Orders
from analytics.profile import Profile
from analytics.sections import Section, stored

MIN_ORDERS: Final = 5.0
CALM_YEARS: Final = 1.0
CHANGE_ORDERS: Final = 12  # orders after an alarm until what is then seen is the new usual
_PRIOR_ORDERS: Final = 10.0
_KEPT: Final = 0.99  # of a faded count, an order
_FADE: Final = math.exp(-1.0 / 12.0)  # an order
_FACTOR: Final = 3.0
_MORE_AT_LEAST: Final = 0.4


@dataclass(slots=True)
class Returns(Section):
    """Faded counts of orders and returns, the evidence for more and for fewer, the moments of the last return and of
    the last fact; since an alarm, the orders and returns.
    """

    orders: float = 0.0
    returns: float = 0.0
    more: float = 0.0
    fewer: float = 0.0
    returned_at: float = 0.0
    at: float = 0.0
    orders_since: int = 0
    returns_since: int = 0

    def merge(self, other: "Returns") -> None:
        self.orders += other.orders
        self.returns += other.returns
        self.more = self.fewer = 0.0
        self.returned_at = max(self.returned_at, other.returned_at)
        self.at = max(self.at, other.at)


stored(Returns, 20, Struct("<6d2H"))


@dataclass(slots=True)
class ReturnPopulation(Section):
    """Orders of those who ever returned something, and their returns."""

    orders: float = 20.0
    returns: float = 2.0


stored(ReturnPopulation, 21, Struct("<2d"))


class ReturnRate(Operator):
    kind = Kind.RETURN_RATE
    takes = frozenset({What.ORDER, What.RETURN})

    def learn(self, profile: Profile, event: Event, world: World) -> Sequence[Outcome]:
        own = profile.get(Returns)
        if own is None:
            if event.what is What.ORDER:
                return NOTHING
            own = profile.of(Returns)
            own.orders, own.at = float(max(profile.of(Orders).count, 1)), event.time
            world.of(ReturnPopulation).orders += own.orders
        if event.what is What.ORDER:
            return self._ordered(profile, event, own, world)
        return self._returned(profile, event, own, world)

    def _ordered(self, profile: Profile, event: Event, own: Returns, world: World) -> Sequence[Outcome]:
        everybody, rate = world.of(ReturnPopulation), _rate(own, world)
        days, own.at = (event.time - own.at) / DAY, max(own.at, event.time)
        own.more = grown(own.more, days, _FADE, rate - _more(rate))
        own.fewer = grown(own.fewer, days, _FADE, (1.0 - 1.0 / _FACTOR) * rate)
        everybody.orders += 1.0
        teaches = teaching(max(own.more, own.fewer))
        own.orders = own.orders * _KEPT + teaches
        own.returns *= _KEPT
        own.orders_since = min(own.orders_since + 1, 65_535)
        return self._say(profile, own, world)

    def _returned(self, profile: Profile, event: Event, own: Returns, world: World) -> Sequence[Outcome]:
        if event.time // DAY <= own.returned_at // DAY:
            return NOTHING
        own.returned_at, own.at = event.time, max(own.at, event.time)
        if own.orders >= MIN_ORDERS:
            rate = _rate(own, world)
            own.more = grown(own.more, 0.0, 1.0, math.log(_more(rate) / rate))
            own.fewer = grown(own.fewer, 0.0, 1.0, -math.log(_FACTOR))
        world.of(ReturnPopulation).returns += 1.0
        said = self._say(profile, own, world)
        own.returns += teaching(max(own.more, own.fewer))
        own.returns_since = min(own.returns_since + 1, 65_535)
        return said

    def _say(self, profile: Profile, own: Returns, world: World) -> Sequence[Outcome]:
        evidence = max(own.more, own.fewer)
        if self.kind not in profile.episodes:
            if evidence < ALARM_YEARS or own.orders < MIN_ORDERS:
                return NOTHING
            own.orders_since = own.returns_since = 0
            return (Raise(explain(profile, own, _rate(own, world))),)
        if evidence < CALM_YEARS:
            return (Clear(self.kind, "Returns are as usual again."),)
        if own.orders_since < CHANGE_ORDERS:
            return (Raise(explain(profile, own, _rate(own, world))),) if evidence >= ALARM_YEARS else NOTHING
        own.orders, own.returns = float(own.orders_since), float(own.returns_since)
        own.more = own.fewer = 0.0
        return (Clear(self.kind, "So many returns are the new usual."),)

    def standing(self, profile: Profile, world: World, now: float) -> Standing | None:
        own = profile.get(Returns)
        if own is None:
            return None
        orders, evidence = profile.of(Orders), max(own.more, own.fewer)
        level = Level.ALARM if self.kind in profile.episodes else Level.WATCH if evidence > 20 else Level.OK
        enough, text = own.orders >= MIN_ORDERS, f"{orders.returns} returns, {orders.count} orders."
        known = f"{orders.count} orders, {'enough' if enough else f'{MIN_ORDERS:.0f} are needed'}"
        value = certainty(evidence) if enough else None
        reasons = (Reason("rate", text, 1.0),)
        return Standing(self.kind, "Returns", value, level if enough else Level.UNKNOWN, enough, known, reasons, now)

    def score_again(self, features: Mapping[str, Any], model: Adopted | None) -> float:
        return certainty(features["evidence_years"])


def _rate(own: Returns, world: World) -> float:
    """Returns an order."""
    everybody = world.of(ReturnPopulation)
    shared = everybody.returns / everybody.orders
    return shrunk(own.returns / max(own.orders, 1.0), own.orders, shared, _PRIOR_ORDERS)


def _more(rate: float) -> float:
    """The rate that would be remarkably more."""
    return max(_FACTOR * rate, rate + _MORE_AT_LEAST)


def explain(profile: Profile, own: Returns, rate: float) -> Finding:
    """The words and numbers when returns have become remarkable."""
    orders, more = profile.of(Orders), own.more > own.fewer
    evidence = max(own.more, own.fewer)
    usual = f"{rate * 10:.1f} of 10 orders"
    return Finding(
        kind=Kind.RETURN_RATE,
        direction="bad" if more else "good",
        severity="medium" if more else "low",
        score=certainty(evidence),
        sentence=f"Sends {'more' if more else 'less'} back than usual; usually {usual}.",
        expected=Reading(round(rate, 4), "returns an order", usual),
        observed=Reading(None, "returns an order", "far more of the last orders" if more else "hardly any of the last"),
        reasons=(
            Reason("rate", f"{orders.returns} returns of {orders.count} orders in all.", 0.7),
            Reason("evidence", f"By chance this is seen once in {evidence:,.0f} years of a customer, at most.", 0.3),
        ),
        step=("help", "Ask what does not fit before the next order") if more else ("note", "Note what they like now"),
        features={"evidence_years": evidence, "usual_rate": rate, "orders": own.orders},
    )
