"""Use cases of the HTTP API: a customer as the operators see it now."""

from datetime import datetime
from typing import Any

from analytics import schemas
from analytics.events import moment
from analytics.operators import OPERATORS, purchase_silence, spend_deviation
from analytics.operators.base import Standing, World
from analytics.orders import SCALE, Orders
from analytics.profile import Profile, unpack


def customer(
    key: str,
    packed: bytes,
    world: World,
    open_triggers: list[dict[str, Any]],
    now: datetime,
) -> schemas.Customer:
    """Profile, live scores and reasons."""
    profile = unpack(packed)
    orders, at = profile.of(Orders), now.timestamp()
    standings = (operator.standing(profile, world, at) for operator in OPERATORS)
    return schemas.Customer(
        customer=key,
        orders=orders.count,
        returns=orders.returns,
        spend=[schemas.Money(amount=_decimal(a.spent), currency=a.currency) for a in orders.accounts.values()],
        first_order_at=moment(orders.first_at) if orders.count else None,
        last_order_at=moment(orders.last_at) if orders.count else None,
        mean_gap_days=orders.mean_gap_days(),
        usual_spend=_usual(profile, world),
        expected_next=_next(profile, world),
        scores=[_score(standing) for standing in standings if standing is not None],
        open_triggers=open_triggers,
    )


def _decimal(amount: int) -> str:
    sign = "-" if amount < 0 else ""
    whole, rest = divmod(abs(amount), SCALE)
    decimals = f"{rest:04d}".rstrip("0").ljust(2, "0")
    return f"{sign}{whole}.{decimals}"


def _usual(profile: Profile, world: World) -> schemas.UsualSpend | None:
    usual = spend_deviation.usual_spend(profile, world)
    if usual is None:
        return None
    currency, amount, low, high = usual
    return schemas.UsualSpend(amount=f"{amount:.2f}", low=f"{max(0, low):.2f}", high=f"{high:.2f}", currency=currency)


def _next(profile: Profile, world: World) -> schemas.ExpectedNext | None:
    expected = purchase_silence.expected_next(profile, world)
    if expected is None:
        return None
    at, low, high = map(moment, expected)
    return schemas.ExpectedNext(at=at, low=low, high=high)


def _score(standing: Standing) -> schemas.Score:
    return schemas.Score(
        kind=standing.kind.slug,
        label=standing.label,
        value=None if standing.value is None else round(standing.value, 4),
        level=standing.level.name.lower(),
        evidence=schemas.Evidence(enough=standing.enough, text=standing.evidence),
        reasons=[schemas.Reason(code=r.code, text=r.text, weight=r.weight) for r in standing.reasons],
        computed_at=moment(standing.computed_at),
        model_version=None if standing.model_version is None else str(standing.model_version),
    )
