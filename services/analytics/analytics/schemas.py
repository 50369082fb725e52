"""The wire forms of the HTTP API."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Money(BaseModel):
    amount: str
    currency: str


class UsualSpend(BaseModel):
    amount: str
    low: str
    high: str
    currency: str


class Evidence(BaseModel):
    enough: bool
    text: str


class ExpectedNext(BaseModel):
    at: datetime
    low: datetime
    high: datetime
    evidence: Evidence


class Estimate(BaseModel):
    """An amount and the bounds that hold eight in ten, as decimal strings."""

    amount: str
    low: str
    high: str
    currency: str
    evidence: Evidence


class Reason(BaseModel):
    code: str
    text: str
    weight: float


class Score(BaseModel):
    kind: str
    label: str
    value: float | None
    level: str
    evidence: Evidence
    reasons: list[Reason]
    computed_at: datetime
    model_version: str | None


class SegmentName(BaseModel):
    segment: int
    name: str


class Bands(BaseModel):
    """Fifths of all customers, 5 the best: bought most lately, most often, most."""

    recency: int
    frequency: int
    money: int


class Customer(BaseModel):
    customer: str
    orders: int
    returns: int
    spend: list[Money]
    first_order_at: datetime | None
    last_order_at: datetime | None
    mean_gap_days: float | None
    usual_spend: UsualSpend | None
    expected_next: ExpectedNext | None
    expected_value: Estimate | None
    year_value: Estimate | None
    segment: SegmentName | None
    rfm: Bands | None
    scores: list[Score]
    open_triggers: list[dict[str, Any]]


class TriggerPage(BaseModel):
    items: list[dict[str, Any]]
    next: str | None


class Decision(BaseModel):
    """A step of a trigger. `log` is the record of the log that led to it."""

    id: str
    trigger: str
    action: str
    kind: str
    customer: str
    time: datetime
    sentence: str
    score: float
    direction: str | None = None
    severity: str | None = None
    expected: dict[str, Any] | None = None
    observed: dict[str, Any] | None = None
    reasons: list[dict[str, Any]] = []
    features: dict[str, Any] = {}
    event_ids: list[str] = []
    model: str | None = None
    model_version: int | None = None
    log: dict[str, int]


class Check(BaseModel):
    """The score computed once more from what was stored. `same` is null where nothing was scored."""

    score: float | None
    same: bool | None
    text: str


class ExplainedDecision(Decision):
    check: Check


class DecisionPage(BaseModel):
    items: list[Decision]
    next: str | None


class Pin(BaseModel):
    version: Annotated[int, Field(ge=1)]


CLASSIFICATION = ("auc", "brier", "log_loss", "base_rate", "calibration")


class ModelVersion(BaseModel):
    """A version and its progressive figures. What classifiers have in common stands apart as well."""

    model: str
    version: int
    adopted_at: datetime
    examples: int
    in_use: bool
    pinned: bool
    figures: dict[str, Any]
    auc: float | None = None
    brier: float | None = None
    log_loss: float | None = None
    base_rate: float | None = None
    calibration: list[dict[str, float]] = []


class Models(BaseModel):
    items: list[ModelVersion]


class Partition(BaseModel):
    partition: int
    next_offset: int
    lag: int
    event_time: datetime | None
    customers: int


class RuntimeState(BaseModel):
    owner: str
    partitions: list[Partition]


class QueryWanted(BaseModel):
    """A rule to be saved."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=120)]
    rule: Annotated[str, Field(max_length=4_000)]
    severity: Literal["high", "medium", "low"] = "medium"
    direction: Literal["bad", "good"] = "bad"


class RuleText(BaseModel):
    """A rule to be looked at."""

    model_config = ConfigDict(extra="forbid")

    rule: Annotated[str, Field(max_length=4_000)]


class RuleToTry(RuleText):
    """A rule to be tried on the last days."""

    days: Annotated[int, Field(ge=1, le=400)] = 30


class Cost(BaseModel):
    """`bytes`: the most it takes of each customer's memory; `days`: how far it looks back; `aggregates`: how many."""

    bytes: int
    days: float
    aggregates: int


class RuleCheck(BaseModel):
    """`rule`: the same in its one way of being written; `reading`: in plain words."""

    ok: bool
    rule: str | None
    reading: str | None
    cost: Cost | None
    errors: list[dict[str, Any]]


class StandingQuery(BaseModel):
    """`status`: starting (it remembers), running (it speaks), ended. `covered_from`: windows that reach back further
    are unknown; null: everything is known.
    """

    id: str
    name: str
    rule: str
    reading: str
    severity: str
    direction: str
    status: str
    cost: Cost
    raised: int
    open: int
    created_at: datetime
    created_by: str
    started_at: datetime | None
    covered_from: datetime | None
    ended_at: datetime | None


class StandingQueries(BaseModel):
    items: list[StandingQuery]
    next: str | None


class FiringShown(BaseModel):
    customer: str
    time: datetime
    sentence: str


class DryRun(BaseModel):
    """`fired` times for `customers` customers; `items` are the latest of them. `holding`: of how many the rule is true
    at the end. Not `complete`: `since` is later than asked for, or fewer `records` were read than there are.
    """

    rule: str
    reading: str
    days: int
    since: datetime
    until: datetime
    complete: bool
    fired: int
    customers: int
    holding: int
    items: list[FiringShown]
    records: int
    of_records: int
    text: str


class Product(BaseModel):
    """`orders` fade: those of 90 days ago count half."""

    sku: str
    name: str
    orders: float


class BoughtWith(BaseModel):
    """`count` baskets with both (fading), their share of all baskets and of those with the product, and how much more
    often that is than by chance.
    """

    sku: str
    name: str
    support: float
    confidence: float
    lift: float
    count: float
    reason: str


class BoughtWithList(BaseModel):
    product: Product | None
    evidence: Evidence
    items: list[BoughtWith]
    model_version: int | None
    learned_until: datetime | None


class Because(BaseModel):
    """What speaks for an offer: a product the customer bought, in how many of its baskets the offer is, how often it
    was bought next; and how many bought the offer for the first time lately.
    """

    sku: str | None
    name: str
    confidence: float
    together: float
    after: float
    popular: float


class NextOffer(BaseModel):
    """`score` compares the offers to one customer: 1 is the best."""

    sku: str
    name: str
    score: float
    reason: str
    evidence: Because


class NextOffers(BaseModel):
    customer: str
    evidence: Evidence
    items: list[NextOffer]
    model_version: int | None
    learned_until: datetime | None


class SegmentMoney(Money):
    share: float


class SegmentCentre(BaseModel):
    """The middle of a segment. `silent_gaps`: how many of their own gaps the customers are silent for, 1 for within."""

    orders: float
    spent: Money
    gap_days: float
    silent_gaps: float
    tenure_days: float


class SegmentShown(SegmentName):
    """`customers` and `spent` are exact, as of everybody's last weekly scoring; returns are taken off."""

    description: str
    customers: int
    share: float
    spent: list[SegmentMoney]
    centre: SegmentCentre


class TopShare(BaseModel):
    """Those who spent most, this share of the customers, hold this share of the money."""

    currency: str
    customers: float
    money: float


class Repeat(BaseModel):
    """Of `customers` who bought an n-th time, how many bought again within the horizon."""

    purchase: int
    customers: int
    again: int
    rate: float


class LoyaltyShown(BaseModel):
    hooked_after: int | None
    text: str
    purchases: list[Repeat]


class Segments(BaseModel):
    evidence: Evidence
    items: list[SegmentShown]
    top: list[TopShare]
    loyalty: LoyaltyShown
    model_version: int | None
