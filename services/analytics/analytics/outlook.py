"""What comes next for a customer, in the form it is shown in: the next order, what it is worth, and the next year."""

from analytics import schemas
from analytics.events import moment
from analytics.operators import purchase_silence, purchase_timing, purchase_value, year_value
from analytics.operators.base import World
from analytics.operators.purchase_value import NextValue
from analytics.operators.year_value import NextYear
from analytics.profile import Profile


def expected_next(profile: Profile, world: World, now: float) -> schemas.ExpectedNext | None:
    """The next day with an order. Until the learned model has seen enough, the customer's own rhythm tells."""
    learned = purchase_timing.forecast(profile, world, now)
    if learned is not None:
        evidence = schemas.Evidence(enough=learned.enough, text=learned.evidence)
        at, low, high = moment(learned.at), moment(learned.low), moment(learned.high)
        return schemas.ExpectedNext(at=at, low=low, high=high, evidence=evidence)
    own = purchase_silence.expected_next(profile, world)
    if own is None:
        return None
    at, low, high = map(moment, own)
    evidence = schemas.Evidence(enough=True, text="the customer's own rhythm")
    return schemas.ExpectedNext(at=at, low=low, high=high, evidence=evidence)


def expected_value(profile: Profile, world: World, now: float) -> schemas.Estimate | None:
    """The next order's amount."""
    return _estimate(purchase_value.forecast(profile, world, now))


def next_year(profile: Profile, world: World, now: float) -> schemas.Estimate | None:
    """What is spent in the next 365 days, returns taken off."""
    return _estimate(year_value.forecast(profile, world, now))


def _estimate(found: NextValue | NextYear | None) -> schemas.Estimate | None:
    if found is None:
        return None
    return schemas.Estimate(
        amount=f"{found.amount:.2f}",
        low=f"{found.low:.2f}",
        high=f"{found.high:.2f}",
        currency=found.currency,
        evidence=schemas.Evidence(enough=found.enough, text=found.evidence),
    )
