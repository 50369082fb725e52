"""The wire forms of the HTTP API."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel


class Money(BaseModel):
    amount: str
    currency: str


class UsualSpend(BaseModel):
    amount: str
    low: str
    high: str
    currency: str


class ExpectedNext(BaseModel):
    at: datetime
    low: datetime
    high: datetime


class Evidence(BaseModel):
    enough: bool
    text: str


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
    scores: list[Score]
    open_triggers: list[dict[str, Any]]


class TriggerPage(BaseModel):
    items: list[dict[str, Any]]
    next: str | None


class ModelVersion(BaseModel):
    model: str
    version: int
    adopted_at: datetime
    examples: int
    auc: float
    brier: float
    log_loss: float
    base_rate: float
    calibration: list[dict[str, float]]


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
