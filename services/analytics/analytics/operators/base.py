"""The operator protocol: the world operators may look at, and the words they answer in."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, ClassVar, Final
from zlib import crc32

from mypy_extensions import mypyc_attr

from analytics.events import Event, What
from analytics.orders import DAY
from analytics.profile import Profile
from analytics.sections import S, Sections
from analytics.wording import days_text as days_text
from analytics.wording import every_text as every_text
from analytics.wording import money_text as money_text


class Kind(IntEnum):
    """What operators are about, and the name their triggers bear. The numbers are stored; never reuse one."""

    SPEND_DEVIATION = 1
    PURCHASE_SILENCE = 2
    CHURN_RISK = 3
    SUPPORT_LOAD = 4
    PURCHASE_FREQUENCY = 5
    CHANNEL_CHANGE = 6
    BASKET_MIX = 7
    RETURN_RATE = 8
    WEB_ACTIVITY = 9
    STANDING_QUERY = 10
    LEAD_CONVERSION = 11
    CAMPAIGN_RESPONSE = 12
    PURCHASE_VALUE = 13
    PURCHASE_TIMING = 14
    LINKS = 15
    SEGMENT = 16
    PROMOTER = 17

    @property
    def slug(self) -> str:
        return self.name.lower()


SEVERAL: Final = 1_000  # episodes of a kind that may have several open at once begin here, at 1,000 × kind


def kind_of(episode: int) -> Kind:
    """The kind an episode belongs to."""
    return Kind(episode if episode < SEVERAL else episode // SEVERAL)


class Level(IntEnum):
    UNKNOWN = 0
    OK = 1
    WATCH = 2
    ALARM = 3


@dataclass(frozen=True)
class Adopted:
    """The version of a model that is scored with: a snapshot its learner published."""

    name: str
    version: int
    examples: int
    model: Any


@dataclass(frozen=True)
class Plan:
    """When customers are scored and what for, in seconds.

    Live, each customer is scored every `score_every` on a phase of its own, so that no herd runs at midnight. A replay
    sets `grid_from`: then everybody is scored at the same moments, counted from there. Until `quiet_until` everything
    only learns.
    """

    horizon: float = 56 * DAY
    score_every: float = 7 * DAY
    grid_from: float | None = None
    stop_after: float = 26 * 7 * DAY  # live: who said nothing for so long is scored no more
    quiet_until: float = 0.0

    def first_scoring(self, customer: str, at: float) -> float:
        """The first scoring moment after `at`."""
        if self.grid_from is not None:
            return self.grid_from + (math.floor((at - self.grid_from) / self.score_every) + 1) * self.score_every
        return at + DAY + crc32(customer.encode()) / 2**32 * self.score_every


class World:
    """Everything an operator may look at beside the profile and the event: what all customers of the partition have in
    common (sections, by class), the adopted models by name, and the plan.
    """

    def __init__(self, plan: Plan | None = None, sections: Sections | None = None) -> None:
        self.plan = plan or Plan()
        self.models: dict[str, Adopted] = {}
        self.sections = sections or Sections()

    def of(self, cls: type[S]) -> S:
        """The partition's own section."""
        found: S | None = self.sections.opened.get(cls)
        return self.sections.of(cls) if found is None else found


@dataclass(frozen=True)
class Reading:
    """A number with its unit and in plain words."""

    value: float | None
    unit: str
    text: str


@dataclass(frozen=True)
class Reason:
    code: str
    text: str
    weight: float


@dataclass(frozen=True)
class Finding:
    """Why something was noticed: enough to tell a person, and in `features` all it takes to compute `score` again."""

    kind: Kind
    direction: str
    severity: str
    score: float
    sentence: str
    expected: Reading
    observed: Reading
    reasons: Sequence[Reason]
    step: tuple[str, str]
    features: Mapping[str, Any]
    model_version: int | None = None
    rule: str | None = None  # the standing query it is about


@dataclass(frozen=True)
class Standing:
    """A live score as a customer's page shows it."""

    kind: Kind
    label: str
    value: float | None
    level: Level
    enough: bool
    evidence: str
    reasons: Sequence[Reason]
    computed_at: float
    model_version: int | None = None


@dataclass(frozen=True, slots=True)
class Raise:
    """This kind of noticing begins, or goes on. It is said again when its score moved, or with `again`."""

    finding: Finding
    again: bool = False
    episode: int = 0  # where one kind may have several open at once: SEVERAL * kind + which; 0 is the kind itself


@dataclass(frozen=True, slots=True)
class Clear:
    """What was noticed is over, and why."""

    kind: Kind
    why: str
    episode: int = 0


@dataclass(frozen=True, slots=True)
class Noted:
    """How far one event is from the usual; larger is further. What is `flagged` does not teach the baseline."""

    kind: Kind
    score: float
    flagged: bool


@dataclass(frozen=True, slots=True)
class Example:
    """A training example for the learner of this name. `as_of` is when its features were taken; it makes the id."""

    model: str
    as_of: float
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Scored:
    """Numbers at a scoring moment, by name: churn_risk, evidence, expected_next_at, expected_value, segment …"""

    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Said:
    """A fact about the customer for everybody, such as an entered segment. `id_parts` make its id with the customer."""

    type: str
    data: Mapping[str, Any]
    id_parts: tuple[object, ...]


Outcome = Raise | Clear | Noted | Example | Scored | Said
NOTHING: tuple[Outcome, ...] = ()


@mypyc_attr(allow_interpreted_subclasses=True)  # tests have operators of their own
class Operator:
    """One thing that is computed about customers. Pure: it changes the profile's and the world's sections and answers.

    It never reads a clock, and does the same for the same log in any engine. What it does not override costs nothing.
    """

    kind: ClassVar[Kind]
    takes: ClassVar[frozenset[What]] = frozenset()
    model: ClassVar[str | None] = None  # the name of the model it scores with

    def learn(self, profile: Profile, event: Event, world: World) -> Sequence[Outcome]:
        """One fact it `takes`: score it with what was known before, then learn from it."""
        raise NotImplementedError

    def ring(self, profile: Profile, due: float, world: World) -> Sequence[Outcome]:
        """Its timer, set by `profile.set_timer(kind, due)`, rings at `due`; it has been taken off already."""
        raise NotImplementedError

    def complete(self, profile: Profile, now: float, world: World) -> Sequence[Outcome]:
        """Before a scoring moment: the pending examples whose label is known by `now`."""
        raise NotImplementedError

    def weekly(self, profile: Profile, now: float, world: World) -> Sequence[Outcome]:
        """A scoring moment."""
        raise NotImplementedError

    def merged(self, profile: Profile, world: World) -> None:
        """Another customer's sections were just merged into this profile: put the own timer right."""

    def replaced(self, before: Profile | None, profile: Profile, now: float, world: World) -> Sequence[Outcome]:
        """A merge was undone, and this profile, folded again, stands where the other one or nobody was: put right what
        the world counts of its customers.
        """
        raise NotImplementedError

    def standing(self, profile: Profile, world: World, now: float) -> Standing | None:
        """How the customer stands, for their page; None where this says nothing about a customer."""
        del profile, world, now
        return None

    def score_again(self, features: Mapping[str, Any], model: Adopted | None) -> float:
        """The score of a stored decision from its features and, where one took part, the version of the model."""
        raise NotImplementedError


def saturating(z: float, half: float) -> float:
    """0 at z = 0, one half at z = `half`, towards 1 beyond."""
    return z * z / (z * z + half * half) if z > 0 else 0.0
