"""The probability that a customer who is asked how likely they are to recommend the shop says 9 or 10: a promoter.

The answers are touchpoints. Each teaches with the features of the moment before it; its label is known at once, so
nothing waits. Detractors say 0 to 6 (Reichheld, "The One Number You Need to Grow", Harvard Business Review, 2003).
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Any, Final

from analytics.activity import Activity
from analytics.events import Event, What
from analytics.operators.base import NOTHING, Adopted, Example, Kind, Level, Operator, Outcome, Standing, World
from analytics.operators.buying import recency_of
from analytics.operators.chances import MIN_EXAMPLES, enough, model_of, unlearned
from analytics.operators.lead_conversion import Lead
from analytics.orders import DAY, Orders
from analytics.profile import Profile
from analytics.sections import Section, stored

MODEL: Final = "promoter"
SURVEY_ANSWERED: Final = "Survey Answered"  # the name of the touchpoint, in the manner of the Segment spec
PROMOTER: Final = 9.0  # at least, at most, and the end of the scale that begins with 0
DETRACTOR: Final = 6.0
HIGHEST: Final = 10.0
BIAS: Final = -0.5
WORDS: Mapping[str, str] = {
    "score": "Their earlier answers, or that there are none",
    "answers": "How often they answered",
    "orders": "Orders so far",
    "silence": "How long ago they ordered",
    "lately": "Orders of late",
    "returns": "Goods sent back of late",
    "tickets": "Questions asked of late",
    "mail": "Mails opened of late",
    "visits": "Their visits",
}
FEATURES = tuple(WORDS)
SELDOM: Final = 0.2
AGAIN_SECONDS = DAY  # within which of another answer one teaches nothing: it is foretold by that, or is that, changed

_USUAL_SCORE: Final = 8.0
_USUAL_WEIGHT: Final = 1.0
_TENTHS: Final = 10
_MOST_ANSWERS: Final = 0xFF  # what is stored
_LATEST: Final = 0xFFFF_FFFF
_NUMERIC = re.compile(r"\s*[0-9]{1,2}(\.[0-9]+)?\s*").fullmatch


@dataclass(slots=True)
class Answers(Section):
    """The latest answer and when it was given (whole seconds), the sum of all, how many there are, and of promoters and
    detractors. Scores are kept in tenths; after 255 answers only the latest moves.
    """

    at: int = 0
    last: int = 0
    total: int = 0
    count: int = 0
    promoters: int = 0
    detractors: int = 0

    def note(self, score: float, at: float) -> None:
        """Takes an answer in, 0 to 10. One that comes late counts, and the latest stays the latest."""
        moment, tenths = min(max(0, int(at)), _LATEST), round(score * _TENTHS)
        self.merge(Answers(moment, tenths, tenths, 1, score >= PROMOTER, score <= DETRACTOR))

    def merge(self, other: "Answers") -> None:
        if other.at >= self.at:
            self.at, self.last = other.at, other.last
        if self.count + other.count > _MOST_ANSWERS:
            return
        self.total, self.count = self.total + other.total, self.count + other.count
        self.promoters, self.detractors = self.promoters + other.promoters, self.detractors + other.detractors


stored(Answers, 43, Struct("<IBH3B"))


class Promoter(Operator):
    kind = Kind.PROMOTER
    takes = frozenset({What.TOUCHPOINT})
    model = MODEL

    def learn(self, profile: Profile, event: Event, world: World) -> Sequence[Outcome]:
        if event.data.get("name") != SURVEY_ANSWERED:
            return NOTHING
        score = score_of(event.data)
        if score is None or _is_anonymous(profile, event.data):
            return NOTHING
        before = profile.get(Answers)
        again = before is not None and abs(event.time - before.at) < AGAIN_SECONDS
        taught = NOTHING if again else (_example(profile, event.time, score, world),)
        profile.of(Answers).note(score, event.time)
        return taught

    def standing(self, profile: Profile, world: World, now: float) -> Standing | None:
        answers, adopted = profile.get(Answers), world.models.get(MODEL)
        if adopted is None or not enough(adopted):
            return self._unknown(adopted, now) if answers else None
        if answers is None and not profile.of(Orders).days:
            return None  # those who answer have ordered, nearly all: of others nothing was learned
        x, model = features(profile, now), model_of(adopted, _UNLEARNED)
        chance = model.chance(x)
        level = Level.OK if chance >= SELDOM else Level.WATCH
        evidence = f"{_told(answers)}; {adopted.examples:,} learned answers, of those only who chose to answer"
        return Standing(
            self.kind, "Promoter", chance, level, True, evidence, model.reasons(x, WORDS), now, adopted.version
        )

    def _unknown(self, adopted: Adopted | None, now: float) -> Standing:
        known = f"{adopted.examples if adopted else 0} learned answers; {MIN_EXAMPLES} are needed"
        return Standing(self.kind, "Promoter", None, Level.UNKNOWN, False, known, (), now)


def _example(profile: Profile, at: float, score: float, world: World) -> Example:
    """What was known and said before this answer, and whether it is a promoter's."""
    x = features(profile, at, answering=True)
    said = model_of(world.models.get(MODEL), _UNLEARNED).chances(x)
    return Example(MODEL, at, {"label": int(score >= PROMOTER), "predicted": said, "x": list(x)})


def score_of(data: Mapping[str, Any]) -> float | None:
    """The answer from 0 to 10 that a touchpoint carries; None where it is none."""
    properties = data.get("properties")
    if data.get("kind") != "track" or not isinstance(properties, dict):
        return None
    score = properties.get("score")
    if isinstance(score, str) and _NUMERIC(score):
        score = float(score)
    if isinstance(score, bool) or not isinstance(score, int | float):
        return None
    return float(score) if 0 <= score <= HIGHEST else None


def features(profile: Profile, now: float, *, answering: bool = False) -> tuple[float, ...]:
    """The inputs at `now`, in the order of FEATURES; `answering`: as they were before the fact that came just now."""
    orders, activity, answers = profile.of(Orders), profile.of(Activity), profile.get(Answers) or Answers()
    silence, lately = recency_of(profile, now)
    mean = (answers.total / _TENTHS + _USUAL_WEIGHT * _USUAL_SCORE) / (answers.count + _USUAL_WEIGHT)
    opened = answering and activity.web_at == now  # an answer that opens a visit has been counted as one already
    return (
        mean - _USUAL_SCORE,
        math.log1p(answers.count),
        math.log1p(orders.days),
        math.log1p(silence) - 3.0,
        math.log1p(4.0 * lately),
        math.log1p(activity.returned_now(now)),
        math.log1p(activity.tickets_now(now)),
        math.log1p(activity.opens_now(now) + 2.0 * activity.clicks_now(now)),
        math.log1p(activity.web_now(now) - opened),
    )


def _is_anonymous(profile: Profile, data: Mapping[str, Any]) -> bool:
    """Whether an answer names a browser only, and neither an order nor details were ever left there."""
    identifiers, orders = data.get("identifiers"), profile.get(Orders)
    if not isinstance(identifiers, dict) or identifiers.keys() != {"anonymous_id"}:
        return False
    return not (orders and orders.days) and profile.get(Lead) is None


def _told(answers: Answers | None) -> str:
    """`No answer yet`, `1 answer: 9`, `3 answers, the last: 9`."""
    if answers is None:
        return "No answer yet"
    last = f"{answers.last / _TENTHS:g}"
    return f"1 answer: {last}" if answers.count == 1 else f"{answers.count} answers, the last: {last}"


_UNLEARNED = unlearned(FEATURES, BIAS)
