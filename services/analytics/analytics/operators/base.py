"""What operators share: the world they may look at, and the words they answer in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Protocol


class Kind(IntEnum):
    """What can be noticed. The numbers are stored; never reuse one."""

    SPEND_DEVIATION = 1
    PURCHASE_SILENCE = 2
    CHURN_RISK = 3
    SUPPORT_LOAD = 4

    @property
    def slug(self) -> str:
        return self.name.lower()


class Level(IntEnum):
    UNKNOWN = 0
    OK = 1
    WATCH = 2
    ALARM = 3


class Classifier(Protocol):
    """The part of River's classifier that scoring needs."""

    def predict_proba_one(self, x: dict[str, float]) -> Mapping[Any, float]: ...


@dataclass(frozen=True)
class Adopted:
    """The version of a model this task scores with."""

    name: str
    version: int
    examples: int
    model: Classifier
    weights: Mapping[str, float] = field(default_factory=dict)


@dataclass
class Population:
    """What all customers of a partition have in common; small histories lean on it. `orders` and `gaps` count
    what was learned.

    `within` is the mean squared deviation of a log amount from its own customer's mean, by currency; `gap_var`
    the same for log days between orders. `ticket_days` and `tickets` give the tickets of a customer's day.
    """

    within: dict[str, float] = field(default_factory=dict)
    orders: int = 0
    gap_var: float = 0.35
    gaps: int = 0
    tickets: float = 1.0
    ticket_days: float = 200.0


@dataclass
class World:
    """Everything an operator may look at beside the profile and the event."""

    population: Population = field(default_factory=Population)
    models: dict[str, Adopted] = field(default_factory=dict)


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
    """Why something was noticed: enough to tell a person and to compute it again."""

    kind: Kind
    direction: str
    severity: str
    score: float
    sentence: str
    expected: Reading
    observed: Reading
    reasons: Sequence[Reason]
    step: tuple[str, str]
    features: Mapping[str, float]
    model_version: int | None = None


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


_SYMBOLS = {"GBP": "£", "USD": "$", "EUR": "€", "JPY": "¥"}


def money_text(amount: float, currency: str) -> str:
    """`£42`, `£4.20`, `CHF 1,200`: whole units from ten on."""
    number = f"{amount:,.0f}" if abs(amount) >= 10 else f"{amount:,.2f}"
    symbol = _SYMBOLS.get(currency)
    return f"{symbol}{number}" if symbol else f"{currency} {number}"


def days_text(days: float) -> str:
    """`1 day`, `9 days`, `2.5 days`."""
    number = f"{days:.0f}" if days >= 3 or days == round(days) else f"{days:.1f}"
    return f"{number} day" if number == "1" else f"{number} days"


def saturating(z: float, half: float) -> float:
    """0 at z = 0, one half at z = `half`, towards 1 beyond."""
    return z * z / (z * z + half * half) if z > 0 else 0.0
