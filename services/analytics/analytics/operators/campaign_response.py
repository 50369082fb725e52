"""The probability that a customer responds to a message: opens it, follows a link or orders within 14 days.

The features are those of the moment a message is sent, before it can have had any effect; both labels come when the
14 days are over.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Final, cast

from analytics.activity import Activity, faded
from analytics.events import Event, What
from analytics.operators.base import NOTHING, Example, Kind, Level, Operator, Outcome, Standing, World
from analytics.operators.buying import recency_of
from analytics.operators.chances import CONTENDERS, enough, model_of, unlearned
from analytics.orders import DAY, Orders
from analytics.profile import Profile
from analytics.sections import Section, stored

MODEL: Final = "campaign_response"
WINDOW_DAYS: Final = 14.0
BIAS: Final = -1.0
WORDS: Mapping[str, str] = {
    "answers": "How often they answered before",
    "pressure": "Messages of the last weeks",
    "orders": "Orders so far",
    "silence": "How long ago they ordered",
    "lately": "Orders of late",
    "visits": "Their visits",
    "mail": "Mails opened of late",
    "tickets": "Questions asked of late",
}
FEATURES = tuple(WORDS)
GOOD: Final = 0.4
FAIR: Final = 0.15

_PENDING: Final = int(Kind.CAMPAIGN_RESPONSE)
_ROW: Final = Struct(f"<dB{len(CONTENDERS) + len(FEATURES)}f")  # sent at, answered, predictions, features
_ANSWERED_AT: Final = Struct("<d").size
_PRESSURE_HALF_LIFE: Final = 14 * DAY
_USUAL_ANSWERS: Final = 0.3
_USUAL_WEIGHT: Final = 3.0


@dataclass(slots=True)
class Mailing(Section):
    """Messages sent and answered; `recent` of them halves in two weeks and was right at `at`."""

    recent: float = 0.0
    at: float = 0.0
    judged: int = 0
    answered: int = 0

    def recent_now(self, now: float) -> float:
        return faded(self.recent, self.at, now, _PRESSURE_HALF_LIFE)

    def merge(self, other: "Mailing") -> None:
        latest = max(self.at, other.at)
        self.recent, self.at = self.recent_now(latest) + other.recent_now(latest), latest
        self.judged, self.answered = self.judged + other.judged, self.answered + other.answered


stored(Mailing, 42, Struct("<2d2I"))


class CampaignResponse(Operator):
    kind = Kind.CAMPAIGN_RESPONSE
    takes = frozenset({What.MESSAGE_SENT, What.MESSAGE_OPENED, What.MESSAGE_CLICKED, What.ORDER})
    model = MODEL

    def learn(self, profile: Profile, event: Event, world: World) -> Sequence[Outcome]:
        if event.what is not What.MESSAGE_SENT:
            if profile.pending.rows(_PENDING):
                _mark(profile, event.time)
            return NOTHING
        found = self.complete(profile, event.time, world)
        x, mailing = features(profile, event.time), profile.of(Mailing)
        said = model_of(world.models.get(MODEL), _UNLEARNED).chances(x)
        row = _ROW.pack(event.time, False, *(said[name] for name in CONTENDERS), *x)
        profile.pending.add(_PENDING, row)
        mailing.recent, mailing.at = mailing.recent_now(event.time) + 1.0, max(mailing.at, event.time)
        return found

    def complete(self, profile: Profile, now: float, world: World) -> Sequence[Outcome]:
        rows = profile.pending.take(_PENDING, _ROW, now - WINDOW_DAYS * DAY)
        if not rows:
            return NOTHING
        mailing = profile.of(Mailing)
        mailing.judged += len(rows)
        mailing.answered += sum(bool(row[1]) for row in rows)
        return [_example(row) for row in rows]

    def standing(self, profile: Profile, world: World, now: float) -> Standing | None:
        mailing, adopted = profile.get(Mailing), world.models.get(MODEL)
        if mailing is None:
            return None
        if adopted is None or not enough(adopted):
            known = f"{adopted.examples if adopted else 0} messages were learned from; 100 are needed"
            return Standing(self.kind, "Campaign response", None, Level.UNKNOWN, False, known, (), now)
        x, model = features(profile, now), model_of(adopted, _UNLEARNED)
        chance = model.chance(x)
        level = Level.OK if chance >= GOOD else Level.WATCH if chance >= FAIR else Level.ALARM
        evidence = f"{mailing.answered} of {mailing.judged} messages answered; {adopted.examples:,} learned examples"
        reasons = model.reasons(x, WORDS)
        return Standing(self.kind, "Campaign response", chance, level, True, evidence, reasons, now, adopted.version)


def features(profile: Profile, now: float) -> tuple[float, ...]:
    """The inputs at `now`, in the order of FEATURES."""
    orders, mailing, activity = profile.of(Orders), profile.of(Mailing), profile.of(Activity)
    answers = (mailing.answered + _USUAL_WEIGHT * _USUAL_ANSWERS) / (mailing.judged + _USUAL_WEIGHT)
    silence, lately = recency_of(profile, now)
    return (
        math.log(answers / (1.0 - answers)),
        math.log1p(mailing.recent_now(now)),
        math.log1p(orders.days),
        math.log1p(silence) - 3.0,
        math.log1p(4.0 * lately),
        math.log1p(activity.web_now(now)),
        math.log1p(activity.opens_now(now) + 2.0 * activity.clicks_now(now)),
        math.log1p(activity.tickets_now(now)),
    )


def _mark(profile: Profile, at: float) -> None:
    """What answers, answers every message of the last 14 days."""
    rows = bytearray(profile.pending.rows(_PENDING))
    for start in range(0, len(rows), _ROW.size):
        sent_at = cast(float, _ROW.unpack_from(rows, start)[0])
        if sent_at <= at < sent_at + WINDOW_DAYS * DAY:
            rows[start + _ANSWERED_AT] = 1
    profile.pending.put(_PENDING, bytes(rows))


def _example(row: tuple[float, ...]) -> Example:
    sent_at, answered, *rest = row
    predicted = dict(zip(CONTENDERS, rest, strict=False))
    return Example(MODEL, sent_at, {"label": int(answered), "predicted": predicted, "x": rest[len(CONTENDERS) :]})


_UNLEARNED = unlearned(FEATURES, BIAS)
