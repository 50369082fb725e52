"""A customer as the operators see them: what is usual, live scores, what is noticed."""

from datetime import datetime

from pydantic import Field

from console.clients.base import Answer, Money


class Reason(Answer):
    code: str = ""
    text: str
    weight: float | None = None


class Measure(Answer):
    value: float | None = None
    unit: str | None = None
    text: str = ""


class PastOrder(Answer):
    at: datetime
    total: str
    currency: str = ""


class Step(Answer):
    code: str = ""
    text: str


class Evidence(Answer):
    enough: bool = True
    text: str = ""


class Score(Answer):
    kind: str
    label: str
    value: float | None = None
    level: str = "unknown"
    evidence: Evidence = Field(default_factory=Evidence)
    reasons: list[Reason] = Field(default_factory=list)
    computed_at: datetime | None = None
    model_version: str | None = None

    @property
    def calm(self) -> bool:
        """Whether one line is enough: as usual, or not known. A model's probability is always worth its place."""
        if not self.evidence.enough:
            return True
        return self.level in ("ok", "unknown") and (self.model_version is None or self.value is None)


class Trigger(Answer):
    trigger: str = ""
    kind: str
    customer: str = ""
    direction: str = "bad"
    severity: str = "medium"
    sentence: str
    expected: Measure | None = None
    observed: Measure | None = None
    event_ids: list[str] = Field(default_factory=list)
    opened_at: datetime | None = None
    time: datetime | None = None
    recent_orders: list[PastOrder] = Field(default_factory=list)
    rule: str | None = None  # the standing query it is about
    open: bool = True
    cleared_at: datetime | None = None


class TriggerPage(Answer):
    items: list[Trigger]
    next: str | None = None


class Band(Answer):
    """Usual spend: amounts are decimal strings."""

    amount: str
    low: str | None = None
    high: str | None = None
    currency: str = ""


class Window(Answer):
    """A moment, and the range that holds eight in ten."""

    at: datetime
    low: datetime | None = None
    high: datetime | None = None
    evidence: Evidence = Field(default_factory=Evidence)


class Estimate(Answer):
    """An amount, and the range that holds eight in ten. Amounts are decimal strings."""

    amount: str
    low: str | None = None
    high: str | None = None
    currency: str = ""
    evidence: Evidence = Field(default_factory=Evidence)


class Bands(Answer):
    """Fifths of all customers, 5 the best: bought most lately, most often, most."""

    recency: int
    frequency: int
    money: int


class Membership(Answer):
    """The segment somebody is in."""

    segment: int = 0
    name: str


class Profile(Answer):
    customer: str
    orders: int = 0
    returns: int = 0
    spend: list[Money] = Field(default_factory=list)
    first_order_at: datetime | None = None
    last_order_at: datetime | None = None
    mean_gap_days: float | None = None
    usual_spend: Band | None = None
    expected_next: Window | None = None
    expected_value: Estimate | None = None
    year_value: Estimate | None = None
    segment: Membership | None = None
    rfm: Bands | None = None
    scores: list[Score] = Field(default_factory=list)
    open_triggers: list[Trigger] = Field(default_factory=list)
