"""The reasons of a churn risk in words: what each group of features adds to the log-odds of the model."""

from collections.abc import Mapping
from typing import Final

from analytics.operators.base import Reason

# code: the features it speaks for, when they raise the risk, when they lower it
_GROUPS: Mapping[str, tuple[tuple[str, ...], str, str]] = {
    "silence": (
        ("silence", "silence_by_gap", "silence_by_rate", "own_rhythm", "order_days_by_silence"),
        "long since the last order for their rhythm",
        "well within their rhythm",
    ),
    "frequency": (
        ("order_days", "rate", "tenure", "order_days_by_tenure"),
        "few orders for so long a time",
        "many orders so far",
    ),
    "lately": (("recent_14", "recent_28", "recent_112"), "fewer orders of late", "many orders of late"),
    "basket": (("spend", "pieces", "lines"), "baskets unlike those of customers who stay", "baskets of those who stay"),
    "web": (("web",), "visits without an order", "visited lately"),
    "mail": (("mail",), "opened mails without an order", "opens mails"),
    "tickets": (("tickets",), "asked for help lately", "was helped lately"),
    "returns": (("returns",), "sent goods back lately", "sent goods back and goes on"),
}
_MOST: Final = 3
_LEAST: Final = 1e-3


def reasons_of(contributions: Mapping[str, float]) -> list[Reason]:
    """The groups that move the risk most, compared with the average customer, strongest first."""
    weights = {code: sum([contributions[name] for name in names]) for code, (names, _, _) in _GROUPS.items()}
    top = sorted(weights.items(), key=lambda item: (-abs(item[1]), item[0]))[:_MOST]
    return [_reason(code, weight) for code, weight in top if abs(weight) > _LEAST]


def why(reasons: list[Reason]) -> str:
    """What raises it, for a sentence."""
    raising = [_GROUPS[reason.code][1] for reason in reasons if reason.weight > 0]
    return " and ".join(raising[:2]) or "by everything seen so far"


def _reason(code: str, weight: float) -> Reason:
    words = _GROUPS[code][1 if weight > 0 else 2]
    moves = "raises" if weight > 0 else "lowers"
    return Reason(code, f"{words[0].upper()}{words[1:]}, which {moves} the risk.", round(weight, 4))
