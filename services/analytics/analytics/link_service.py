"""Use cases of the HTTP API: what is bought with a product, and a customer's next best offers."""

from analytics import schemas
from analytics.events import moment
from analytics.learners.offers import Neighbour, Offer, Offers
from analytics.operators.base import Adopted
from analytics.operators.links import Bought

LEAST_ORDERS = 5.0  # with a product, to say what is bought with it
_NOTHING = schemas.Evidence(enough=False, text="nothing is known of baskets so far")


def bought_with(sku: str, adopted: Adopted | None, limit: int) -> schemas.BoughtWithList | None:
    """What is in the baskets that a product is in, the closest first; None for a product that nobody bought."""
    if adopted is None:
        return schemas.BoughtWithList(product=None, evidence=_NOTHING, items=[], model_version=None, learned_until=None)
    offers: Offers = adopted.model
    number = offers.number(sku)
    if number is None:
        return None
    orders = float(offers.orders[number])
    name = offers.names[number] or sku
    found = offers.bought_with(number)[:limit] if orders >= LEAST_ORDERS else []
    return schemas.BoughtWithList(
        product=schemas.Product(sku=sku, name=offers.names[number], orders=round(orders, 1)),
        evidence=schemas.Evidence(enough=bool(found), text=_evidence(orders, offers, found)),
        items=[_neighbour(neighbour, name) for neighbour in found],
        model_version=adopted.version,
        learned_until=moment(offers.now),
    )


def _evidence(orders: float, offers: Offers, found: list[Neighbour]) -> str:
    if orders < LEAST_ORDERS:
        return f"in about {orders:.0f} baskets lately; {LEAST_ORDERS:.0f} are needed"
    if not found:
        return f"in about {orders:,.0f} baskets lately, and with no other product more than twice"
    return f"in about {orders:,.0f} of {offers.baskets:,.0f} baskets lately"


def _neighbour(neighbour: Neighbour, name: str) -> schemas.BoughtWith:
    return schemas.BoughtWith(
        sku=neighbour.sku,
        name=neighbour.name,
        support=round(neighbour.support, 6),
        confidence=round(neighbour.confidence, 4),
        lift=round(neighbour.lift, 2),
        count=round(neighbour.count, 1),
        reason=f"In {neighbour.confidence:.0%} of the baskets with {name}, {neighbour.lift:.1f} times the usual share.",
    )


def offers(customer: str, bought: Bought | None, adopted: Adopted | None, limit: int) -> schemas.NextOffers:
    """The next best offers to a customer, none of which they bought; nothing to who bought nothing."""
    version = adopted.version if adopted is not None else None
    until = moment(adopted.model.now) if adopted is not None else None
    evidence, items = _NOTHING, []
    if adopted is not None:
        known = len(adopted.model.known(bought.recent)) if bought is not None else 0
        text = f"{known} of the products bought last are known" if known else "no product bought that is known"
        evidence = schemas.Evidence(enough=known > 0, text=text)
        if bought is not None and known:
            items = [_offer(offer) for offer in adopted.model.offers(bought, limit)]
    return schemas.NextOffers(
        customer=customer, evidence=evidence, items=items, model_version=version, learned_until=until
    )


def _offer(offer: Offer) -> schemas.NextOffer:
    return schemas.NextOffer(
        sku=offer.sku,
        name=offer.name,
        score=round(offer.score, 4),
        reason=_reason(offer),
        evidence=schemas.Because(
            sku=offer.because,
            name=offer.because_name,
            confidence=round(offer.confidence, 4),
            together=round(offer.count, 1),
            after=round(offer.after, 1),
            popular=round(offer.popular, 1),
        ),
    )


def _reason(offer: Offer) -> str:
    """In words: together with, or after, what was bought; else that it is popular."""
    with_what = offer.because_name or offer.because
    if offer.count >= max(1.0, offer.after):
        return f"Bought with {with_what} in {offer.confidence:.0%} of its baskets."
    if offer.after >= 1.0:
        return f"Bought next by customers who bought {with_what}, {offer.after:.0f} times lately."
    return f"Bought for the first time by {offer.popular:.0f} customers lately."
