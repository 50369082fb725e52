"""Products: what to offer next, and what is bought with what."""

from datetime import datetime

from pydantic import Field

from console.clients.analytics.customers import Evidence
from console.clients.base import Answer


class Product(Answer):
    """`orders` fade with time."""

    sku: str
    name: str = ""
    orders: float | None = None

    @property
    def title(self) -> str:
        return self.name or self.sku


class Offer(Product):
    """`score` compares the offers to one customer: 1 is the best."""

    score: float = 0.0
    reason: str = ""


class Offers(Answer):
    evidence: Evidence = Field(default_factory=Evidence)
    items: list[Offer] = Field(default_factory=list)


class Neighbour(Product):
    """`count` orders with both (they fade); `confidence` is their share of those with the product, `support` of all,
    `lift` how many times likelier than by chance.
    """

    count: float = 0.0
    support: float = 0.0
    confidence: float = 0.0
    lift: float = 0.0


class BoughtWith(Answer):
    product: Product | None = None
    evidence: Evidence = Field(default_factory=Evidence)
    items: list[Neighbour] = Field(default_factory=list)
    learned_until: datetime | None = None
