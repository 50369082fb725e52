"""What is known of a customer at any moment, by the names rules use. Amounts come with their currency."""

from collections.abc import Callable

from analytics.activity import Activity
from analytics.operators.base import World
from analytics.operators.churn_risk import ChurnRisk
from analytics.operators.segment import MODEL as SEGMENTS
from analytics.operators.spend_deviation import usual_spend
from analytics.orders import DAY, SCALE, Orders
from analytics.profile import Profile

Found = tuple[float | str, str] | None
Reader = Callable[[Profile, World, float], Found]

_CHURN = ChurnRisk()


def reader(profile: Profile, world: World, now: float) -> Callable[[str], Found]:
    """Answers by name for one customer at one moment; None while a value is unknown."""

    def read(name: str) -> Found:
        return READERS[name](profile, world, now)

    return read


def _tickets_open(profile: Profile, world: World, now: float) -> Found:
    return float(profile.of(Activity).open_tickets), ""


def _tickets_total(profile: Profile, world: World, now: float) -> Found:
    return float(profile.of(Activity).tickets_total), ""


def _orders_count(profile: Profile, world: World, now: float) -> Found:
    return float(profile.of(Orders).count), ""


def _orders_gap(profile: Profile, world: World, now: float) -> Found:
    gap = profile.of(Orders).mean_gap_days()
    return None if gap is None else (gap * DAY, "")


def _returns_count(profile: Profile, world: World, now: float) -> Found:
    return float(profile.of(Orders).returns), ""


def _spend_total(profile: Profile, world: World, now: float) -> Found:
    """In the currency most orders were in; amounts are never summed across."""
    account = profile.of(Orders).main_account()
    return None if account is None else (account.spent / SCALE, account.currency)


def _spend_usual(profile: Profile, world: World, now: float) -> Found:
    usual = usual_spend(profile, world)
    return None if usual is None else (usual[1], usual[0])


def _churn_risk(profile: Profile, world: World, now: float) -> Found:
    standing = _CHURN.standing(profile, world, now)
    return None if standing is None or standing.value is None else (standing.value, "")


def _segment(profile: Profile, world: World, now: float) -> Found:
    adopted = world.models.get(SEGMENTS)
    if adopted is None or not profile.segment:
        return None
    return str(adopted.model.name(profile.segment)), ""


READERS: dict[str, Reader] = {
    "tickets.open": _tickets_open,
    "tickets.total": _tickets_total,
    "orders.count": _orders_count,
    "orders.gap": _orders_gap,
    "returns.count": _returns_count,
    "spend.total": _spend_total,
    "spend.usual": _spend_usual,
    "churn.risk": _churn_risk,
    "segment": _segment,
}
