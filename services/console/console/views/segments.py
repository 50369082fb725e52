"""Segments drawn: how many customers, how much of the money, where their middle is; and the curve of loyalty."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from console.clients.analytics.segments import Centre, Loyalty, Segment, Segments
from console.views.sparkline import amount
from console.views.wording import brief, days, money

LEAST_CUSTOMERS = 20  # behind a rate that is worth drawing
_SEVERAL = 1.5  # days with an order, from which on there is a time between them


@dataclass(frozen=True)
class Group:
    """`worth` is the share of the money in the main currency, per cent; None where nobody spent any.

    `centre` pairs what is told of its middle with the number.
    """

    segment: Segment
    name: str
    share: float
    worth: float | None
    spent: str
    centre: list[tuple[str, str]]


def groups(segments: Segments) -> list[Group]:
    """The largest first."""
    currency = main_currency(segments.items)
    return [_group(one, currency) for one in sorted(segments.items, key=lambda one: (-one.customers, one.segment))]


def main_currency(segments: Sequence[Segment]) -> str:
    """The one that most segments have money in; amounts of several are never summed."""
    found = Counter(sum_.currency for one in segments for sum_ in one.spent)
    return max(sorted(found), key=lambda code: found[code], default="")


def _group(one: Segment, currency: str) -> Group:
    mine = next((sum_ for sum_ in one.spent if sum_.currency == currency), None)
    each = amount(mine.amount) / one.customers if mine and one.customers else None
    mean = [] if each is None else [("Spent by each", money(each.quantize(Decimal("0.01")), currency))]
    return Group(
        one,
        one.name[:1].upper() + one.name[1:],
        round(100 * one.share, 1),
        None if not currency else round(100 * mine.share, 1) if mine else 0.0,
        ", ".join(money(sum_.amount, sum_.currency, whole=True) for sum_ in one.spent) or "No money",
        [*mean, *_middle(one.centre)],
    )


def _middle(centre: Centre) -> list[tuple[str, str]]:
    """The middle of a segment: what half of its customers are above and half below."""
    found = []
    if centre.spent is not None:
        found.append(("Middle customer spent", money(centre.spent.amount, centre.spent.currency, whole=True)))
    if centre.orders is not None:
        found.append(("Days with an order", brief(round(centre.orders, 1))))
    if centre.gap_days is not None and (centre.orders or 0) >= _SEVERAL:
        found.append(("Time between orders", days(centre.gap_days)))
    if centre.silent_gaps is not None:
        found.append(("Silent", "as usual" if centre.silent_gaps <= 1 else f"{brief(centre.silent_gaps)} usual gaps"))
    if centre.tenure_days is not None:
        found.append(("Customers for", days(centre.tenure_days)))
    return found


def top(segments: Segments) -> str:
    """How much of the money the best customers bring, in one sentence."""
    currency = main_currency(segments.items)
    found = next((one for one in segments.top if one.currency == currency), None)
    return f"The {found.customers:.0%} who spend most bring {found.money:.0%} of the money." if found else ""


@dataclass(frozen=True)
class Rate:
    """How many of those who bought an n-th time bought again. `low` and `high` bound 95 % (Wilson, 1927)."""

    purchase: int
    rate: float
    low: float
    high: float
    customers: int


def rates(loyalty: Loyalty) -> list[Rate]:
    """Purchases that too few have reached are left out."""
    known = [one for one in loyalty.purchases if one.customers >= LEAST_CUSTOMERS]
    return [_rate(one.purchase, one.customers, min(max(one.again, 0), one.customers)) for one in known]


def _rate(purchase: int, customers: int, again: int) -> Rate:
    share, z = again / customers, 1.96
    middle = share + z * z / (2 * customers)
    spread = z * math.sqrt(share * (1 - share) / customers + z * z / (4 * customers * customers))
    scale = 1 + z * z / customers
    return Rate(purchase, share, max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale), customers)


def loyalty_chart(loyalty: Loyalty) -> dict[str, Any] | None:
    """For the page's script, in per cent; None where there is no curve yet."""
    known = rates(loyalty)
    if len(known) < 2:
        return None
    points = [
        [one.purchase, *(round(100 * share, 1) for share in (one.rate, one.low, one.high)), one.customers]
        for one in known
    ]
    return {"kind": "loyalty", "points": points, "hooked": loyalty.hooked_after}


def share_chart(found: Sequence[Group]) -> dict[str, Any] | None:
    """Customers against money, one pair of bars a segment; None without money to compare."""
    if not found or all(group.worth is None for group in found):
        return None
    return {
        "kind": "shares",
        "names": [group.name for group in found],
        "customers": [group.share for group in found],
        "money": [group.worth for group in found],
    }
