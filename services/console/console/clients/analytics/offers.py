"""Products: what to offer next, and what is bought with what."""

from pydantic import Field

from console.clients.analytics.customers import Evidence
from console.clients.base import Answer


class Product(Answer):
    sku: str
    name: str = ""

    @property
    def title(self) -> str:
        return self.name or self.sku


class Offer(Product):
    """`score` is 1 for the best. `because` is the product bought before that speaks most for it."""

    score: float = 0.0
    reason: str = ""
    because: Product | None = None


class Offers(Answer):
    items: list[Offer] = Field(default_factory=list)
    evidence: Evidence = Field(default_factory=Evidence)


class Neighbour(Product):
    """`count` orders with both; `confidence` is their share of those with the product, `lift` how many times likelier
    than by chance.
    """

    count: float = 0.0
    support: float = 0.0
    confidence: float = 0.0
    lift: float = 0.0


class BoughtWith(Product):
    orders: float | None = None
    items: list[Neighbour] = Field(default_factory=list)
