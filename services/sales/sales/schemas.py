"""The wire forms of the HTTP API and of the stream."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, EmailStr, StringConstraints

from sales.domain import AlertStatus, LeadStatus, Outcome, Severity
from sales.domain.budget import Policy
from sales.events import Measure, PastOrder, Reason, Step
from sales.models import AlertRow, LeadRow, OwnerRow
from sales.repository.budget import Used

Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Note = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=5_000)]
AlertFilter = Literal["open", "acknowledged", "snoozed", "resolved", "active", "all"]
Surfaced = Literal["true", "false", "all"]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class OwnerChange(Strict):
    name: Line
    email: EmailStr
    active: bool = True


class LeadChange(Strict):
    status: LeadStatus
    reason: Note | None = None


class Snooze(Strict):
    until: AwareDatetime


class Resolution(Strict):
    outcome: Outcome
    note: Note | None = None


class Person(BaseModel):
    id: str
    name: str

    @classmethod
    def of(cls, owner: OwnerRow | None) -> Self | None:
        return cls(id=owner.id, name=owner.name) if owner else None


class Owner(BaseModel):
    id: str
    name: str
    email: str
    active: bool


class OwnerPage(BaseModel):
    items: list[Owner]
    next: None = None


class Touch(BaseModel):
    id: str
    at: datetime
    source: str
    form: str | None
    message: str | None
    page_url: str | None


class Lead(BaseModel):
    id: str
    customer: str
    name: str | None
    email: str | None
    phone: str | None
    company: str | None
    message: str | None
    source: str
    status: LeadStatus
    reason: str | None
    owner: Person | None
    created_at: datetime
    respond_by: datetime | None
    responded_at: datetime | None
    touches: list[Touch]

    @classmethod
    def of(cls, row: LeadRow) -> Self:
        fields = {name: getattr(row, name) for name in cls.model_fields if name not in ("owner", "touches")}
        touches = [Touch.model_validate(touch, from_attributes=True) for touch in row.touches]
        return cls(**fields, owner=Person.of(row.owner), touches=touches)


class LeadPage(BaseModel):
    items: list[Lead]
    next: str | None


class Customer(BaseModel):
    id: str
    name: str | None


class Alert(BaseModel):
    """An alert; `seq` is its newest place in the stream (None: not there yet).

    Not surfaced, it waits for room in its owner's day and has no deadline. `worth` is what the budget goes by.
    """

    id: str
    seq: int | None
    status: AlertStatus
    kind: str
    direction: str
    severity: Severity
    customer: Customer
    sentence: str
    expected: Measure | None
    observed: Measure | None
    score: float | None
    reasons: list[Reason]
    recent_orders: list[PastOrder]
    suggested_step: Step | None
    owner: Person | None
    created_at: datetime
    surfaced: bool
    surfaced_at: datetime | None
    worth: float
    due_at: datetime | None
    overdue: bool
    acknowledged_at: datetime | None
    snoozed_until: datetime | None
    resolved_at: datetime | None
    outcome: Outcome | None
    note: str | None
    event_ids: list[str]
    model_version: str | None
    trigger_id: str
    cleared_at: datetime | None

    @classmethod
    def of(cls, row: AlertRow, seq: int | None = None) -> Self:
        own = cls.model_fields.keys() & set(AlertRow.__table__.columns.keys()) - {"customer"}
        return cls(
            **{name: getattr(row, name) for name in own},
            **row.evidence,
            seq=seq,
            surfaced=row.surfaced_at is not None,
            worth=round(Policy.of(row.owner.policy if row.owner else {}).worth(row.kind, row.merit), 4),
            customer=Customer(id=row.customer, name=row.customer_name),
            owner=Person.of(row.owner),
        )


class AlertPage(BaseModel):
    """`seq` is where a stream that misses nothing of what this page shows has to resume.

    `waiting` counts what waits for room in its owner's day, of this owner, kind and customer.
    """

    items: list[Alert]
    next: str | None
    seq: int
    waiting: int


class KindPrecision(BaseModel):
    """How often alerts of a kind are right; `right` and `wrong` are what this owner said of them."""

    kind: str
    precision: float
    right: int
    wrong: int


class OwnerBudget(BaseModel):
    """An owner's day: `admitted_today` of `budget` places were taken within 24 hours, so many alerts wait."""

    owner: Person
    budget: int
    admitted_today: int
    waiting: int
    threshold: float
    reserve: int
    by_kind: list[KindPrecision]

    @classmethod
    def of(cls, owner: OwnerRow, budget: int, used: Used) -> Self:
        policy = Policy.of(owner.policy)
        return cls(
            owner=Person(id=owner.id, name=owner.name),
            budget=budget,
            admitted_today=used.taken,
            waiting=used.waiting,
            threshold=round(policy.threshold, 4),
            reserve=policy.reserve,
            by_kind=[
                KindPrecision(kind=kind, precision=round(p.value, 4), right=p.right, wrong=p.wrong)
                for kind, p in sorted(policy.precisions.items())
            ],
        )


class BudgetPage(BaseModel):
    items: list[OwnerBudget]
    next: None = None
