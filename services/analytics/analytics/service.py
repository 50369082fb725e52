"""Use cases of the HTTP API: a customer as the operators see it now."""

from datetime import datetime
from typing import Any

import orjson

from analytics import schemas
from analytics.events import moment
from analytics.operators import churn_risk, purchase_silence, spend_deviation, support_load
from analytics.operators.base import Population, Standing, World
from analytics.operators.spend_deviation import SCALE
from analytics.profile import Profile, unpack

_OPERATORS = (churn_risk, purchase_silence, spend_deviation, support_load)


def population(state: bytes | None) -> tuple[Population, dict[str, int]]:
    """What a task's state says of everybody, and the model versions it scores with."""
    if not state:
        return Population(), {}
    read = orjson.loads(state)
    return Population(**read["population"]), read["models"]


def customer(
    key: str,
    packed: bytes,
    world: World,
    open_triggers: list[dict[str, Any]],
    now: datetime,
) -> schemas.Customer:
    """Profile, live scores and reasons."""
    profile, everybody = unpack(packed), world.population
    scores = [_score(operator.standing(profile, world, now.timestamp())) for operator in _OPERATORS]
    return schemas.Customer(
        customer=key,
        orders=profile.orders,
        returns=profile.returns,
        spend=[schemas.Money(amount=_decimal(m.spent), currency=m.currency) for m in profile.money.values()],
        first_order_at=moment(profile.first_order_at) if profile.orders else None,
        last_order_at=moment(profile.last_order_at) if profile.orders else None,
        mean_gap_days=profile.mean_gap_days(),
        usual_spend=_usual(profile, everybody),
        expected_next=_next(profile, everybody),
        scores=scores,
        open_triggers=open_triggers,
    )


def _decimal(amount: int) -> str:
    sign = "-" if amount < 0 else ""
    whole, rest = divmod(abs(amount), SCALE)
    decimals = f"{rest:04d}".rstrip("0").ljust(2, "0")
    return f"{sign}{whole}.{decimals}"


def _usual(profile: Profile, everybody: Population) -> schemas.UsualSpend | None:
    usual = spend_deviation.usual_spend(profile, everybody)
    if usual is None:
        return None
    currency, amount, low, high = usual
    return schemas.UsualSpend(amount=f"{amount:.2f}", low=f"{max(0, low):.2f}", high=f"{high:.2f}", currency=currency)


def _next(profile: Profile, everybody: Population) -> schemas.ExpectedNext | None:
    expected = purchase_silence.expected_next(profile, everybody)
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
