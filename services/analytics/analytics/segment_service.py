"""Use cases of the HTTP API: the segments of all customers, and one customer's."""

from collections import Counter
from collections.abc import Iterable

from analytics import schemas
from analytics.learners.segment_names import KINDS, Centre
from analytics.learners.segmentation import LEAST_COUNT, Loyalty, Segmentation
from analytics.operators.base import Adopted, World
from analytics.operators.segment import MODEL, SegmentPopulation
from analytics.orders import SCALE, Orders
from analytics.profile import Profile

TOP = 0.2


def segment_of(profile: Profile, world: World) -> schemas.SegmentName | None:
    """The segment a customer is in."""
    adopted = world.models.get(MODEL)
    if adopted is None or not profile.segment:
        return None
    return schemas.SegmentName(segment=profile.segment, name=adopted.model.name(profile.segment))


def bands_of(profile: Profile, world: World, now: float) -> schemas.Bands | None:
    """Fifths of recency, frequency and money at `now` (seconds)."""
    adopted = world.models.get(MODEL)
    bands = adopted.model.bands(profile.of(Orders), now) if adopted is not None and adopted.model.ready else None
    if bands is None:
        return None
    recency, frequency, money = bands
    return schemas.Bands(recency=recency, frequency=frequency, money=money)


def segments(adopted: Adopted | None, populations: Iterable[SegmentPopulation]) -> schemas.Segments:
    """All segments, with what the partitions count of them."""
    made: Segmentation = adopted.model if adopted is not None else Segmentation()
    customers: Counter[int] = Counter()
    spent: dict[str, Counter[int]] = {}
    for population in populations:
        for number, count in population.customers.items():
            customers[int(number)] += count
        for key, amount in population.spent.items():
            segment, currency = key.split(" ")
            spent.setdefault(currency, Counter())[int(segment)] += amount
    items = [_segment(made, number, customers, spent) for number in range(1, len(made.names) + 1)]
    return schemas.Segments(
        evidence=_evidence(made, sum(customers.values())),
        items=items,
        top=[
            schemas.TopShare(currency=code, customers=TOP, money=round(sketch.share_of_top(TOP), 4))
            for code, sketch in made.spent.items()
        ],
        loyalty=_loyalty(made.loyalty),
        model_version=adopted.version if adopted is not None else None,
    )


def _evidence(made: Segmentation, customers: int) -> schemas.Evidence:
    if not made.ready:
        return schemas.Evidence(enough=False, text="too few customers were scored so far to tell groups apart")
    return schemas.Evidence(enough=customers > 0, text=f"{customers:,} customers are placed")


def _segment(
    made: Segmentation, number: int, customers: Counter[int], spent: dict[str, Counter[int]]
) -> schemas.SegmentShown:
    kind = KINDS[made.kinds[number - 1]]
    return schemas.SegmentShown(
        segment=number,
        name=made.name(number),
        description=kind.words,
        customers=customers[number],
        share=round(customers[number] / max(1, sum(customers.values())), 4),
        spent=[
            schemas.SegmentMoney(
                amount=f"{amounts[number] / SCALE:.2f}",
                currency=currency,
                share=round(amounts[number] / max(1, sum(amounts.values())), 4),
            )
            for currency, amounts in sorted(spent.items())
            if amounts[number]
        ],
        centre=_centre(made.middles[number - 1], made.currency),
    )


def _centre(middle: Centre, currency: str) -> schemas.SegmentCentre:
    return schemas.SegmentCentre(
        orders=round(middle.orders, 1),
        spent=schemas.Money(amount=f"{middle.money:.2f}", currency=currency),
        gap_days=round(middle.gap, 1),
        silent_gaps=round(middle.overdue, 1),
        tenure_days=round(middle.tenure, 1),
    )


def _loyalty(loyalty: Loyalty) -> schemas.LoyaltyShown:
    purchases = [
        schemas.Repeat(purchase=n, customers=reached, again=again, rate=round(again / reached, 4))
        for n, (reached, again) in enumerate(zip(loyalty.reached, loyalty.repeated, strict=True), 1)
        if reached
    ]
    hooked = loyalty.hooked
    if hooked is not None:
        text = f"After {hooked} purchases customers come back as surely as they ever do."
    elif len([reached for reached in loyalty.reached if reached >= LEAST_COUNT]) < 3:
        text = f"Too early to tell: {LEAST_COUNT} customers have to have reached their third purchase."
    else:
        text = "No purchase stands out: later ones make customers no more loyal."
    return schemas.LoyaltyShown(hooked_after=hooked, text=text, purchases=purchases)
