"""Use cases of the HTTP API: a customer as the operators see it now."""

from datetime import datetime
from typing import Any

from analytics import outlook, schemas, segment_service
from analytics.events import moment
from analytics.models import DecisionRow
from analytics.operators import BY_SLUG, OPERATORS, spend_deviation
from analytics.operators.base import Adopted, Standing, World
from analytics.orders import SCALE, Orders
from analytics.profile import Profile, unpack

_TOLD = ("sentence", "score", "direction", "severity", "expected", "observed", "reasons", "features", "event_ids")


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
        expected_next=outlook.expected_next(profile, world, at),
        expected_value=outlook.expected_value(profile, world, at),
        year_value=outlook.next_year(profile, world, at),
        segment=segment_service.segment_of(profile, world),
        rfm=segment_service.bands_of(profile, world, at),
        scores=[_score(standing) for standing in standings if standing is not None],
        open_triggers=open_triggers,
    )


def decision(row: DecisionRow) -> schemas.Decision:
    """A stored step in the form it is shown in."""
    operator = BY_SLUG.get(row.kind)
    told = {name: row.data[name] for name in _TOLD if row.data.get(name) is not None}
    version = row.data.get("model_version")
    return schemas.Decision(
        id=row.id,
        trigger=row.trigger,
        action=row.action,
        kind=row.kind,
        customer=row.customer,
        time=row.time,
        model=operator.model if operator and version else None,
        model_version=int(version) if version else None,
        log={"partition": row.partition, "offset": row.log_offset},
        **told,
    )


def check(shown: schemas.Decision, adopted: Adopted | None) -> schemas.Check:
    """Computes the score of a decision again, by the operator that made it and the version that took part."""
    operator = BY_SLUG.get(shown.kind)
    if operator is None or not shown.features:
        return schemas.Check(score=None, same=None, text="Nothing was scored in this step.")
    if shown.model_version is not None and adopted is None:
        text = f"Version {shown.model_version} of the model is not kept any more."
        return schemas.Check(score=None, same=None, text=text)
    score = round(float(operator.score_again(shown.features, adopted)), 6)
    same = score == shown.score
    text = "Computed again from what was stored: the same." if same else "Computed again, this is another number."
    return schemas.Check(score=score, same=same, text=text)


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
