"""Baskets of things this customer does not usually buy.

A customer's own articles are a sketch of 512 bits in two generations (a Bloom filter with one hash; the older half is
dropped when the younger is full), so the familiar share of a basket is known, less what the sketch would say of any
article. It is weighed against the customer's own familiar share, leaning on everybody's, by the hypothesis that it has
fallen to a quarter. The weights are those of one Bernoulli trial a basket: for any distribution with the same mean
the likelihood ratio then has a mean of at most one, so evidence (`evidence`) stays honest however lumpy baskets are.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Any, Final
from zlib import crc32

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
from analytics.operators.spend_words import main_baseline
from analytics.orders import DAY
from analytics.profile import Profile
from analytics.sections import Section, stored

MIN_BASKETS: Final = 6
_FIRST: Final = 2  # baskets, which are unfamiliar to nobody's surprise
HABIT: Final = 0.5  # familiar share from which on something is to be noticed
CALM_YEARS: Final = 1.0
CHANGE_BASKETS: Final = 4
CHANGE_DAYS: Final = 20.0
_BITS: Final = 256
_SHIFT: Final = 24
_MIX: Final = 0x9E3779B1  # Knuth's multiplicative hashing
_FULL: Final = 96
_MAX_LINES: Final = 24  # of a basket that are looked at
_MEMORY: Final = 20.0
_PRIOR_BASKETS: Final = 4.0
_FADE: Final = math.exp(-1.0 / 8.0)
_FALLS_TO: Final = 0.25
_LOG_FALL: Final = math.log(_FALLS_TO)
_EACH: Final = 4  # basket of a customer teaches everybody's share
_EDGE: Final = 0.02


@dataclass(slots=True)
class Articles(Section):
    """The sketch (`young`, `old`), the usual familiar share and the baskets it was learned from, the evidence, the
    moment of the last basket; since an alarm, when it was raised and the unfamiliar baskets.
    """

    young: int = 0
    old: int = 0
    share: float = 0.0
    evidence: float = 0.0
    at: float = 0.0
    since: float = 0.0
    baskets: int = 0
    unfamiliar: int = 0

    def keep(self, bits: int) -> None:
        """Takes a basket's articles into the sketch."""
        young = self.young | bits
        if young != self.young:
            self.young = young
            if young.bit_count() > _FULL:
                self.old, self.young = young, bits

    def pack(self) -> bytes:
        young, old = self.young.to_bytes(32, "little"), self.old.to_bytes(32, "little")
        rest = (self.share, self.evidence, self.at, self.since, self.baskets, self.unfamiliar)
        return self.LAYOUT.pack(young, old, *rest)

    @classmethod
    def unpack(cls, packed: bytes) -> "Articles":
        young, old, *rest = cls.LAYOUT.unpack(packed)
        return cls(int.from_bytes(young, "little"), int.from_bytes(old, "little"), *rest)

    def merge(self, other: "Articles") -> None:
        self.young |= other.young
        self.old |= other.old
        self.share = weighted(self.share, self.baskets, other.share, other.baskets)
        self.baskets += other.baskets
        self.at = max(self.at, other.at)
        self.evidence = 0.0


stored(Articles, 18, Struct("<32s32s4dIH"))


@dataclass(slots=True)
class ArticlePopulation(Section):
    """The mean familiar share of everybody's baskets."""

    share: float = 0.5
    baskets: int = 0

    def note(self, share: float) -> None:
        self.baskets += 1
        self.share += max(0.001, 1.0 / (20.0 + self.baskets)) * (share - self.share)


stored(ArticlePopulation, 19, Struct("<dI"))


class BasketMix(Operator):
    kind = Kind.BASKET_MIX
    takes = frozenset({What.ORDER})

    def learn(self, profile: Profile, event: Event, world: World) -> Sequence[Outcome]:
        items = event.data.get("items")
        if not items or not isinstance(items, list):
            return NOTHING
        own = profile.get(Articles)
        bits, known, lines = _look(own, items)
        if not lines:
            return NOTHING
        own = own or profile.of(Articles)
        share = 1.0 if known == lines else _familiar(own, known, lines)
        days = (event.time - own.at) / DAY
        said: Sequence[Outcome] = NOTHING
        if days > 0.0:
            own.at = event.time
        if own.baskets >= MIN_BASKETS:
            if share == 1.0 and self.kind not in profile.episodes:
                own.evidence = grown(own.evidence, days, _FADE, _LOG_FALL)
            else:
                said = self._weigh(profile, event, own, world, share, days, bits)
            if own.baskets % _EACH == 0:
                world.of(ArticlePopulation).note(share)
        _teach(own, share, bits)
        return said

    def _weigh(
        self, profile: Profile, event: Event, own: Articles, world: World, share: float, days: float, bits: int
    ) -> Sequence[Outcome]:
        """A basket that is not all familiar, or one while the alarm is open."""
        usual = _usual(own, world.of(ArticlePopulation))
        if usual < HABIT and self.kind not in profile.episodes:
            return NOTHING
        own.evidence = grown(own.evidence, days, _FADE, _ratio(share, usual))
        return self._say(profile, event, own, share, usual, bits)

    def _say(
        self, profile: Profile, event: Event, own: Articles, share: float, usual: float, bits: int
    ) -> Sequence[Outcome]:
        if self.kind not in profile.episodes:
            if own.evidence < ALARM_YEARS:
                return NOTHING
            own.since, own.unfamiliar = event.time, 1
            return (Raise(explain(profile, own, share, usual)),)
        own.unfamiliar = min(own.unfamiliar + (share < HABIT), 65_535)
        if own.evidence < CALM_YEARS:
            return (Clear(self.kind, "They buy their usual things again."),)
        if own.unfamiliar < CHANGE_BASKETS or event.time - own.since < CHANGE_DAYS * DAY:
            return (Raise(explain(profile, own, share, usual)),) if own.evidence >= ALARM_YEARS else NOTHING
        own.young, own.old, own.evidence, own.baskets = bits, 0, 0.0, 1
        return (Clear(self.kind, "What they buy now is the new usual."),)

    def standing(self, profile: Profile, world: World, now: float) -> Standing | None:
        own, label = profile.get(Articles), "Basket"
        if own is None:
            return None
        if own.baskets < MIN_BASKETS:
            evidence = f"{own.baskets} baskets; {MIN_BASKETS} are needed"
            return Standing(self.kind, label, None, Level.UNKNOWN, False, evidence, (), now)
        usual = _usual(own, world.of(ArticlePopulation))
        level = Level.ALARM if self.kind in profile.episodes else Level.WATCH if own.evidence > 20 else Level.OK
        reason = Reason("familiar", f"{usual:.0%} of a basket are usually things bought before.", 1.0)
        known = f"{own.baskets} baskets, enough"
        return Standing(self.kind, label, certainty(own.evidence), level, True, known, (reason,), now)

    def score_again(self, features: Mapping[str, Any], model: Adopted | None) -> float:
        return certainty(features["evidence_years"])


def _look(own: Articles | None, items: Sequence[Any]) -> tuple[int, int, int]:
    """The articles of a basket as bits of the sketch, how many of its lines are familiar, and the lines."""
    sketch, bits, known, lines = own.young | own.old if own else 0, 0, 0, 0
    for item in items[:_MAX_LINES]:
        sku = item.get("sku") if isinstance(item, dict) else None
        if sku and isinstance(sku, str):
            mixed = crc32(sku.encode(errors="replace")) * _MIX & 0xFFFFFFFF  # a checksum alone keeps series together
            bit = 1 << (mixed >> _SHIFT)
            bits |= bit
            lines += 1
            if bit & sketch:
                known += 1
    return bits, known, lines


def _familiar(own: Articles, known: int, lines: int) -> float:
    """The familiar share, less what the sketch would say of any article."""
    by_chance = (own.young | own.old).bit_count() / _BITS
    return max(0.0, (known / lines - by_chance) / (1.0 - by_chance)) if by_chance < 1.0 else 0.0


def _usual(own: Articles, everybody: ArticlePopulation) -> float:
    usual = shrunk(own.share, min(float(own.baskets), _MEMORY), everybody.share, _PRIOR_BASKETS)
    return min(max(usual, _EDGE), 1.0 - _EDGE)


def _ratio(share: float, usual: float) -> float:
    """The log likelihood ratio of "the familiar share has fallen" against the usual one."""
    fallen = usual * _FALLS_TO
    return share * _LOG_FALL + (1.0 - share) * math.log((1.0 - fallen) / (1.0 - usual))


def _teach(own: Articles, share: float, bits: int) -> None:
    """An unfamiliar basket of a customer with habits is not taken for a habit at once."""
    own.baskets += 1
    if own.baskets > _FIRST:
        rate = max(1.0 / _MEMORY, 1.0 / (own.baskets - _FIRST)) * teaching(own.evidence)
        own.share += rate * (share - own.share)
    if share >= HABIT or own.share < HABIT or own.baskets < MIN_BASKETS:
        own.keep(bits)


def explain(profile: Profile, own: Articles, share: float, usual: float) -> Finding:
    """The words and numbers; good where they spend as they used to."""
    baseline = main_baseline(profile)
    good = baseline is not None and baseline.odds < 1.0
    return Finding(
        kind=Kind.BASKET_MIX,
        direction="good" if good else "bad",
        severity="low",
        score=certainty(own.evidence),
        sentence=f"Buys other things than before: {share:.0%} of the last basket were familiar, usually {usual:.0%}.",
        expected=Reading(round(usual, 4), "share", f"{usual:.0%} of a basket familiar"),
        observed=Reading(round(share, 4), "share", f"{share:.0%} of the last basket familiar"),
        reasons=(
            Reason("familiar", f"In {own.baskets} baskets before, {usual:.0%} were things bought before.", 0.7),
            Reason(
                "evidence", f"By chance this is seen once in {own.evidence:,.0f} years of a customer, at most.", 0.3
            ),
        ),
        step=("ask", "Ask what they buy this for, and what they no longer need"),
        features={"evidence_years": own.evidence, "share": share, "usual_share": usual, "baskets": own.baskets},
    )
