"""The numbers a decision was computed from, as people read them. What is not known here keeps its own name."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from console.views.wording import brief, money, words

_LARGEST = 700.0  # of an exponent
_LARGEST_NUMBER = 1e15  # what is larger, or no number, is shown as it is

Format = Callable[[float, str], str]


@dataclass(frozen=True)
class Feature:
    """`exact` is the number as it was stored."""

    label: str
    text: str
    exact: str


def features(stored: Mapping[str, Any], unit: str | None) -> list[Feature]:
    """`unit` is that of the observed value: amounts are in it when it is a currency."""
    currency = unit if unit and len(unit) == 3 and unit.isupper() else ""
    order = {name: place for place, name in enumerate((*_KNOWN, "values"))}
    found = []
    for name in sorted(stored, key=lambda name: (order.get(name, len(order)), name)):
        value = stored[name]
        if isinstance(value, Mapping):  # the values that a rule was reckoned from
            found += [_feature(str(inner), each, currency, named=False) for inner, each in value.items()]
        else:
            found.append(_feature(name, value, currency))
    return found


def _feature(name: str, value: object, currency: str, *, named: bool = True) -> Feature:
    label, form = _KNOWN.get(name, (words(name) if named else name, _plain))
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _LARGEST_NUMBER:
        said = "not known" if value is None else str(value)
        return Feature(label, said, said)
    return Feature(label, form(float(value), currency), repr(value))


def _plain(value: float, _: str) -> str:
    return brief(value)


def _count(value: float, _: str) -> str:
    return f"{value:,.0f}"


def _days(value: float, _: str) -> str:
    number = brief(round(value, 1) if value < 100 else round(value))
    return f"{number} day" if number == "1" else f"{number} days"


def _share(value: float, _: str) -> str:
    return f"{value * 100:.1f}%" if 0 < value < 0.1 else f"{value * 100:.0f}%"


def _exp(value: float) -> float:
    return math.exp(min(value, _LARGEST))


def _days_of_log(value: float, _: str) -> str:
    return _days(_exp(value), "")


def _money_of_log(value: float, currency: str) -> str:
    return _amount(_exp(value), currency)


def _money_of_log1p(value: float, currency: str) -> str:
    return _amount(_exp(value) - 1, currency)


def _amount(value: float, currency: str) -> str:
    return money(f"{value:.2f}", currency) if currency and value < 1e12 else brief(value)


def _count_of_log1p(value: float, _: str) -> str:
    return brief(_exp(value) - 1)


def _times_of_log(value: float, _: str) -> str:
    return f"× {brief(_exp(value))}"


def _spread_of_variance(value: float, _: str) -> str:
    return f"× {brief(_exp(math.sqrt(max(0.0, value))))}"


def _odds(value: float, _: str) -> str:
    """A logarithmic likelihood ratio: how many times likelier the order is if it is unusual."""
    return f"{brief(_exp(value))} to 1" if value >= 0 else f"1 to {brief(_exp(-value))}"


def _years(value: float, _: str) -> str:
    number = brief(value)
    return f"as rare as once in {number} year" if number == "1" else f"as rare as once in {number} years"


_KNOWN: Mapping[str, tuple[str, Format]] = {
    # silence, frequency
    "silent_days": ("Silent for", _days),
    "mean_days": ("Usual time between orders", _days),
    "usual_days": ("Usual time between orders", _days),
    "gaps": ("Gaps between orders behind it", _count),
    "shape": ("Regularity (1 is by chance, more is like clockwork)", _plain),
    # spend
    "usual_log": ("Usual order", _money_of_log),
    "spread_log": ("Orders scatter by a factor of", _times_of_log),
    "log_ratio": ("This order, unusual against usual", _odds),
    "spell": ("Chance of an unusual spell before it", _share),
    "orders": ("Orders behind it", _count),
    "evidence_years": ("Evidence", _years),
    # churn
    "recency": ("Since the last order", _days),
    "tenure": ("Since the first order", _days),
    "order_days": ("Days with an order", _count),
    "recent_14": ("Orders of late, fading within 14 days", _plain),
    "recent_28": ("Orders of late, fading within 28 days", _plain),
    "recent_112": ("Orders of late, fading within 112 days", _plain),
    "gap_mean": ("Typical time between orders", _days_of_log),
    "gap_var": ("Gaps scatter by a factor of", _spread_of_variance),
    "spend": ("Typical order", _money_of_log1p),
    "pieces": ("Typical number of pieces", _count_of_log1p),
    "lines": ("Typical number of products", _count_of_log1p),
    "web": ("Visits of late", _plain),
    "mail": ("Mails opened and clicked of late", _plain),
    "tickets": ("Tickets of late", _plain),
    "returns": ("Returns of late", _plain),
    "horizon_days": ("Looks ahead", _days),
    # support, returns, web, basket, channel
    "recent": ("Tickets in about three weeks", _plain),
    "expected": ("Tickets expected in that time", _plain),
    "weight": ("Tickets this is known from", _plain),
    "open": ("Of them open", _count),
    "usual_rate": ("Usual share of returns", _share),
    "visits": ("Visits in the last week", _plain),
    "usual": ("Usual visits a week", _plain),
    "share": ("Familiar in the last basket", _share),
    "usual_share": ("Usual share", _share),
    "baskets": ("Baskets behind it", _count),
    # a standing query
    "severity": ("Severity", _plain),
    "rule": ("Rule", _plain),
}
