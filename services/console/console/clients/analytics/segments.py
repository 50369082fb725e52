"""Segments of all customers, and after how many purchases customers stay."""

from collections.abc import Mapping

from pydantic import Field

from console.clients.base import Answer, Money


class Segment(Answer):
    """`centre` is its middle in plain numbers, by name. Shares are of all customers."""

    segment: int
    name: str
    description: str = ""
    customers: int = 0
    share: float = 0.0
    value: list[Money] = Field(default_factory=list)
    centre: Mapping[str, float | None] = Field(default_factory=dict)


class Purchase(Answer):
    """Of `reached` customers who bought an n-th time, `repeated` bought again within the horizon."""

    purchase: int
    reached: int = 0
    repeated: int = 0


class Loyalty(Answer):
    """`hooked_after`: the purchase after which more make little difference; None where none stands out."""

    horizon_days: float | None = None
    hooked_after: int | None = None
    purchases: list[Purchase] = Field(default_factory=list)


class Segments(Answer):
    items: list[Segment] = Field(default_factory=list)
    loyalty: Loyalty = Field(default_factory=Loyalty)
    version: int | None = None
