"""What learners tell of their models, in words: the known figures by name, any other under its own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from console.clients.analytics.models import Model
from console.views.wording import brief, words

_TOLD_ELSEWHERE = frozenset({"calibration", "contenders", "leader", "champion", "segments", "by_days"})


@dataclass(frozen=True)
class Figure:
    """`tip` says what the number means; empty where the label does."""

    label: str
    text: str
    tip: str = ""


def told(model: Model, *, parts: bool) -> list[Figure]:
    """What was told of a version, the known figures first; with `parts` also by group, where it was so told."""
    flat: dict[str, object] = {}
    order = {name: place for place, name in enumerate(_KNOWN)}
    for name in sorted(model.figures, key=lambda name: (order.get(name, len(order)), name)):
        value = model.figures[name]
        if name in _TOLD_ELSEWHERE:
            continue
        if not isinstance(value, Mapping):
            flat[name] = value
        elif parts:
            flat |= {f"{name}.{part}": each for part, each in value.items() if not isinstance(each, Mapping)}
    found = [Figure("Examples learned", f"{model.examples:,}"), *(_figure(name, value) for name, value in flat.items())]
    return found + (_ahead(model.figures.get("by_days")) if parts else [])


def _ahead(by_days: object) -> list[Figure]:
    """Sums that were forecast so many days ahead, held against what was spent."""
    found = []
    for days, each in by_days.items() if isinstance(by_days, Mapping) else ():
        expected, spent = (_number(each.get(name)) if isinstance(each, Mapping) else None for name in _SUMS)
        if expected is not None and spent:
            tip = f"{expected:,.0f} were expected, {spent:,.0f} were spent"
            found.append(Figure(f"{days} days ahead, expected against spent", f"{expected / spent:.0%}", tip))
    return found


def _figure(name: str, value: object) -> Figure:
    base, _, part = name.partition(".")
    label, form, tip = _KNOWN.get(base, (words(base), brief, ""))
    label = f"{label}, {words(part).lower()}" if part else label
    if isinstance(value, bool) or not isinstance(value, int | float):
        return Figure(label, "—" if value is None else str(value), tip)
    return Figure(label, form(float(value)), tip)


@dataclass(frozen=True)
class Rival:
    """One of several that were judged on the same examples. `size` of the largest, per cent; `leads`: the best."""

    label: str
    text: str
    size: float
    leads: bool


@dataclass(frozen=True)
class Match:
    title: str
    rivals: list[Rival]


def matches(model: Model) -> list[Match]:
    """What the model is held against."""
    figures = model.figures
    found = []
    for title, ours, theirs, label, form, lower in _PAIRS:
        own, other = _number(figures.get(ours)), _number(figures.get(theirs))
        if own is not None and other is not None and own + other > 0:
            found.append(_match(title, {"This model": own, label: other}, form, lower=lower))
    recent = {one.label: one.recent for one in contenders(model) if one.recent is not None}
    if len(recent) > 1:
        found.append(_match("Log loss of late, lower is better", recent, _three, lower=True))
    return found


def _match(title: str, values: Mapping[str, float], form: Callable[[float], str], *, lower: bool) -> Match:
    most = max(values.values()) or 1.0
    best = (min if lower else max)(values.values())
    rivals = [
        Rival(label, form(value), round(100 * max(value, 0.0) / most, 1), value == best)
        for label, value in values.items()
    ]
    return Match(title, rivals)


@dataclass(frozen=True)
class Contender:
    """Of champion and challengers. `leads` is who is scored with."""

    label: str
    leads: bool
    champion: bool
    auc: float | None
    brier: float | None
    log_loss: float | None
    recent: float | None


def contenders(model: Model) -> list[Contender]:
    """Who is scored with first, then the champion; empty where a model has no challengers."""
    figures = model.figures
    told_of = figures.get("contenders")
    if not isinstance(told_of, Mapping):
        return []
    found = [
        Contender(
            _CONTENDERS.get(name, words(name)),
            name == figures.get("leader"),
            name == figures.get("champion"),
            *(_number(each.get(key)) for key in ("auc", "brier", "log_loss", "recent_log_loss")),
        )
        for name, each in told_of.items()
        if isinstance(each, Mapping)
    ]
    return sorted(found, key=lambda one: (not one.leads, not one.champion, one.label))


def number_of(figures: Mapping[str, Any], name: str) -> float | None:
    """A figure where it is a number."""
    return _number(figures.get(name))


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _share(value: float) -> str:
    return f"{value:.1%}"


def _three(value: float) -> str:
    return f"{value:.3f}"


def _four(value: float) -> str:
    return f"{value:.4f}"


def _days(value: float) -> str:
    return f"{value:.1f} days"


def _whole_days(value: float) -> str:
    return f"{value:,.0f} days"


_SUMS = ("expected", "spent")
_CONTENDERS = {
    "steady": "Steady weights",
    "projected": "Weekly chances, projected",
    "direct": "The horizon directly",
    "plain": "Plain logistic",
}
_RANGE = "How often the range that should hold 80 % of what comes did hold it"
_KNOWN: Mapping[str, tuple[str, Callable[[float], str], str]] = {
    "auc": ("AUC", _three, "Area under the ROC curve: 0.5 is guessing, 1 is perfect"),
    "brier": ("Brier score", _four, "Mean squared error of the probabilities: lower is better"),
    "log_loss": ("Log loss", _three, "Lower is better; it punishes being sure and wrong"),
    "base_rate": ("How often it happens", _share, ""),
    "calibration_error": ("Calibration error", _share, "How far predicted shares are from what came true, on average"),
    "judged": ("Judged on", _count, "Predictions whose outcome is known"),
    "drifts": ("Drift noticed", _count, "How often its errors changed more than chance explains (ADWIN)"),
    "changes": ("Changes of leader", _count, "How often challenger and champion took turns"),
    "gaps": ("Times between orders seen", _count, ""),
    "mae": ("Mean error", brief, "Mean absolute error"),
    "mae_own_mean": ("The customer’s own mean errs by", brief, "Mean absolute error"),
    "coverage": ("Within the 80 % range", _share, _RANGE),
    "coverage_by_evidence": ("Within the 80 % range", _share, _RANGE),
    "mae_at_order": ("Mean error after an order", _days, "Mean absolute error"),
    "mae_own_mean_at_order": ("The customer’s own mean errs by", _days, "Mean absolute error"),
    "coverage_at_order": ("Within the 80 % range", _share, _RANGE),
    "coverage_by_evidence_at_order": ("Within the 80 % range", _share, _RANGE),
    "mae_in_silence": ("Mean error in between", _days, "Asked at any moment between two orders"),
    "mae_own_mean_in_silence": ("The customer’s own mean errs by", _days, "Asked at any moment between two orders"),
    "coverage_in_silence": ("Within the 80 % range, in between", _share, _RANGE),
    "coverage_by_evidence_in_silence": ("Within the 80 % range, in between", _share, _RANGE),
    "hit_rate_10": ("Bought one of ten offered", _share, "Of baskets with something new in them"),
    "popular_hit_rate_10": ("… of the ten most popular", _share, "What no model at all would reach"),
    "products": ("Products known", _count, ""),
    "pairs": ("Pairs kept", _count, ""),
    "pair_error": ("Counts of pairs are off by at most", brief, ""),
    "orders": ("Orders judged", _count, ""),
    "reach_days": ("Checked so far ahead", _whole_days, "How far ahead there is something to hold forecasts against"),
    "hooked_after": ("Hooked after so many orders", _count, ""),
}

# title, our figure, the other's, what to call the other, how it is said, whether lower is better
_PAIRS: tuple[tuple[str, str, str, str, Callable[[float], str], bool], ...] = (
    ("Mean error, lower is better", "mae", "mae_own_mean", "The customer’s own mean", brief, True),
    (
        "Mean error after an order, lower is better",
        "mae_at_order",
        "mae_own_mean_at_order",
        "The customer’s own mean",
        _days,
        True,
    ),
    (
        "Mean error in between, lower is better",
        "mae_in_silence",
        "mae_own_mean_in_silence",
        "The customer’s own mean",
        _days,
        True,
    ),
    (
        "Bought one of ten offered, higher is better",
        "hit_rate_10",
        "popular_hit_rate_10",
        "The ten most popular",
        _share,
        False,
    ),
)
