"""The probability that a lead becomes a customer: a first order within 28 days after the details were left.

Learned from the moment a lead is captured and from every scoring moment after it while it is open; all labels come
when the 28 days are over, so quick buyers do not bias them. Somebody who bought before is a customer and no lead.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Any, Final

from analytics.activity import Activity
from analytics.events import Event, What
from analytics.operators.base import (
    NOTHING,
    Example,
    Kind,
    Level,
    Operator,
    Outcome,
    Standing,
    World,
    days_text,
)
from analytics.operators.chances import CONTENDERS, enough, model_of, unlearned
from analytics.orders import DAY, Orders
from analytics.profile import Profile
from analytics.sections import Section, stored

MODEL: Final = "lead_conversion"
WINDOW_DAYS: Final = 28.0
BIAS: Final = -1.5
WORDS: Mapping[str, str] = {
    "age": "How long ago they left their details",
    "visits": "Their visits",
    "mail": "Mails opened",
    "tickets": "Questions asked",
    "again": "Left their details more than once",
    "company": "Named a company",
    "phone": "Left a phone number",
    "message": "Wrote a message",
    "consent": "May be written to",
    "campaign": "Came by a campaign",
}
FEATURES = tuple(WORDS)
GOOD: Final = 0.5
FAIR: Final = 0.25

_PENDING: Final = int(Kind.LEAD_CONVERSION)
_ROW: Final = Struct(f"<dd{len(CONTENDERS) + len(FEATURES)}f")  # as of, captured at, predictions, features
_FLAGS = ("company", "phone", "message", "consent", "campaign")


@dataclass(slots=True)
class Lead(Section):
    """When the details were left first, how often, and what was among them (one bit for each of _FLAGS)."""

    captured_at: float = 0.0
    times: int = 0
    told: int = 0

    def merge(self, other: "Lead") -> None:
        moments = [at for at in (self.captured_at, other.captured_at) if at]
        self.captured_at = min(moments, default=0.0)
        self.times, self.told = min(0xFFFF, self.times + other.times), self.told | other.told


stored(Lead, 41, Struct("<dHB"))


class LeadConversion(Operator):
    kind = Kind.LEAD_CONVERSION
    takes = frozenset({What.LEAD})
    model = MODEL

    def learn(self, profile: Profile, event: Event, world: World) -> Sequence[Outcome]:
        lead = profile.of(Lead)
        lead.times, lead.told = min(0xFFFF, lead.times + 1), lead.told | _told(event.data)
        if not lead.captured_at:
            lead.captured_at = event.time
            if not profile.of(Orders).days:
                _keep(profile, lead, event.time, world)
        return NOTHING

    def weekly(self, profile: Profile, now: float, world: World) -> Sequence[Outcome]:
        lead = profile.get(Lead)
        if lead is not None and is_open(profile, lead, now):
            _keep(profile, lead, now, world)
        return NOTHING

    def complete(self, profile: Profile, now: float, world: World) -> Sequence[Outcome]:
        rows = profile.pending.take(_PENDING, _ROW, now - WINDOW_DAYS * DAY)
        first = profile.of(Orders).first_at if rows else 0.0
        return [_example(row, first) for row in rows]

    def standing(self, profile: Profile, world: World, now: float) -> Standing | None:
        lead, adopted = profile.get(Lead), world.models.get(MODEL)
        if lead is None or not is_open(profile, lead, now):
            return None
        if adopted is None or not enough(adopted):
            known = f"{adopted.examples if adopted else 0} leads were learned from; 100 are needed"
            return Standing(self.kind, "Lead conversion", None, Level.UNKNOWN, False, known, (), now)
        x, model = features(profile, lead, now), model_of(adopted, _UNLEARNED)
        chance = model.chance(x)
        level = Level.OK if chance >= GOOD else Level.WATCH if chance >= FAIR else Level.ALARM
        evidence = f"{adopted.examples:,} learned examples; {days_text(WINDOW_DAYS)} after the details were left count"
        reasons = model.reasons(x, WORDS)
        return Standing(self.kind, "Lead conversion", chance, level, True, evidence, reasons, now, adopted.version)


def is_open(profile: Profile, lead: Lead, now: float) -> bool:
    """Whether it can still be won: no order yet, and the days are not over."""
    return not profile.of(Orders).days and 0.0 < lead.captured_at > now - WINDOW_DAYS * DAY


def features(profile: Profile, lead: Lead, now: float) -> tuple[float, ...]:
    """The inputs at `now`, in the order of FEATURES."""
    activity = profile.of(Activity)
    return (
        math.log1p(max(0.0, now - lead.captured_at) / DAY),
        math.log1p(activity.web_now(now)),
        math.log1p(activity.opens_now(now) + 2.0 * activity.clicks_now(now)),
        math.log1p(activity.tickets_now(now)),
        math.log(max(1, lead.times)),
        *(float(lead.told >> bit & 1) for bit in range(len(_FLAGS))),
    )


def _keep(profile: Profile, lead: Lead, now: float, world: World) -> None:
    x = features(profile, lead, now)
    said = model_of(world.models.get(MODEL), _UNLEARNED).chances(x)
    profile.pending.add(_PENDING, _ROW.pack(now, lead.captured_at, *(said[name] for name in CONTENDERS), *x))


def _example(row: tuple[float, ...], first_order_at: float) -> Example:
    as_of, captured_at, *rest = row
    won = as_of <= first_order_at < captured_at + WINDOW_DAYS * DAY
    predicted = dict(zip(CONTENDERS, rest, strict=False))
    return Example(MODEL, as_of, {"label": int(won), "predicted": predicted, "x": rest[len(CONTENDERS) :]})


def _told(data: Mapping[str, Any]) -> int:
    """What of _FLAGS a lead says."""
    identifiers, consent, utm = (data.get(name) for name in ("identifiers", "consent", "utm"))
    said = (
        bool(data.get("company")),
        isinstance(identifiers, dict) and bool(identifiers.get("phone")),
        bool(data.get("message")),
        isinstance(consent, dict) and bool(consent.get("given")),
        isinstance(utm, dict) and bool(utm),
    )
    return sum(1 << bit for bit, yes in enumerate(said) if yes)


_UNLEARNED = unlearned(FEATURES, BIAS)
