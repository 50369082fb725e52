"""Segments of all customers, and after how many purchases customers stay."""

from pydantic import Field

from console.clients.analytics.customers import Evidence
from console.clients.base import Answer, Money


class Spent(Money):
    """`share` of all money in this currency."""

    share: float = 0.0


class Centre(Answer):
    """The middle of a segment. `silent_gaps`: how many of their own gaps the customers are silent for, 1 for within."""

    orders: float | None = None
    spent: Money | None = None
    gap_days: float | None = None
    silent_gaps: float | None = None
    tenure_days: float | None = None


class Segment(Answer):
    segment: int
    name: str
    description: str = ""
    customers: int = 0
    share: float = 0.0
    spent: list[Spent] = Field(default_factory=list)
    centre: Centre = Field(default_factory=Centre)


class TopShare(Answer):
    """Those who spent most, this share of the customers, hold this share of the money."""

    currency: str
    customers: float
    money: float


class Repeat(Answer):
    """Of `customers` who bought an n-th time, `again` bought once more within the horizon."""

    purchase: int
    customers: int = 0
    again: int = 0


class Loyalty(Answer):
    hooked_after: int | None = None
    text: str = ""
    purchases: list[Repeat] = Field(default_factory=list)


class Segments(Answer):
    evidence: Evidence = Field(default_factory=Evidence)
    items: list[Segment] = Field(default_factory=list)
    top: list[TopShare] = Field(default_factory=list)
    loyalty: Loyalty = Field(default_factory=Loyalty)
