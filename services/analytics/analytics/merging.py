"""Two customers turn out to be one: what was learned of both becomes one profile. Pure."""

import math

from analytics.profile import RECENT_ORDERS, Decayed, Money, Profile, money_of


def merge_into(kept: Profile, lost: Profile, half_lives: dict[str, float]) -> None:
    """Folds `lost` into `kept`. Counts and money are exact; rhythm and baselines are means weighted by experience.

    Days on which both ordered count twice in `order_days`, since the days themselves are not kept.
    """
    _merge_rhythm(kept, lost)
    for money in lost.money.values():
        _merge_money(money_of(kept, money.currency), money)
    known = set(kept.money)
    recent = [order for order in (*kept.recent, *lost.recent) if order.currency in known]
    kept.recent = sorted(recent, key=lambda order: order.at)[-RECENT_ORDERS:]
    for name, half_life in half_lives.items():
        _merge_decayed(getattr(kept, name), getattr(lost, name), half_life)
    for name in ("orders", "returns", "tickets_total", "open_tickets", "late"):
        setattr(kept, name, getattr(kept, name) + getattr(lost, name))
    for name in ("last_event_at", "backfill_until", "import_open"):
        setattr(kept, name, max(getattr(kept, name), getattr(lost, name)))
    kept.scoring_due = min(kept.scoring_due, lost.scoring_due)


def _merge_rhythm(kept: Profile, lost: Profile) -> None:
    if not lost.order_days:
        return
    kept.gap_mean, kept.gap_var = (
        _weighted(a, kept.gaps, b, lost.gaps) for a, b in ((kept.gap_mean, lost.gap_mean), (kept.gap_var, lost.gap_var))
    )
    kept.gaps += lost.gaps
    if not kept.order_days:
        kept.first_order_at, kept.last_order_at = lost.first_order_at, lost.last_order_at
        kept.first_day, kept.last_day = lost.first_day, lost.last_day
    kept.order_days += lost.order_days
    kept.first_order_at = min(kept.first_order_at, lost.first_order_at)
    kept.last_order_at = max(kept.last_order_at, lost.last_order_at)
    kept.first_day, kept.last_day = min(kept.first_day, lost.first_day), max(kept.last_day, lost.last_day)


def _merge_money(kept: Money | None, lost: Money) -> None:
    if kept is None:
        return
    kept.spent += lost.spent
    kept.mean = _weighted(kept.mean, kept.count, lost.mean, lost.count)
    kept.var = _weighted(kept.var, kept.count, lost.var, lost.count)
    kept.count += lost.count


def _merge_decayed(kept: Decayed, lost: Decayed, half_life: float) -> None:
    at = max(kept.at, lost.at)
    kept.value, kept.at = kept.read(at, half_life) + lost.read(at, half_life), at


def _weighted(a: float, n: int, b: float, m: int) -> float:
    total = n + m
    return math.fsum((a * n, b * m)) / total if total else 0.0
