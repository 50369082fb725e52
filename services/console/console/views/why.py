"""Why something was noticed: the expected and the observed side by side, reasons by weight, the steps."""

from collections.abc import Sequence
from dataclasses import dataclass

from console.clients.analytics.customers import Measure, Reason
from console.clients.analytics.decisions import Decision
from console.views.wording import brief

ACTIONS = {"raised": "Noticed", "updated": "Still so", "cleared": "Over"}


@dataclass(frozen=True)
class Side:
    """`share` of the width, per cent; None where there is no number to draw."""

    label: str
    text: str
    share: float | None


@dataclass(frozen=True)
class Comparison:
    expected: Side
    observed: Side
    said: str


def comparison(expected: Measure | None, observed: Measure | None, *, of_rule: bool = False) -> Comparison | None:
    """Both on one scale from nought. None where one of them was not told. What a rule asks for nobody expected."""
    if expected is None or observed is None:
        return None
    label = "The rule says" if of_rule else "Expected"
    wanted, found = expected.value, observed.value
    if wanted is None or found is None or wanted < 0 or found < 0 or not wanted + found:
        return Comparison(_side(label, expected, None), _side("Observed", observed, None), "")
    most = max(wanted, found)
    sides = _side(label, expected, wanted / most), _side("Observed", observed, found / most)
    return Comparison(*sides, "" if of_rule else _ratio(wanted, found))


def _side(label: str, measure: Measure, share: float | None) -> Side:
    text = measure.text or brief(measure.value)
    return Side(label, text, None if share is None else round(100 * share, 1))


def _ratio(wanted: float, found: float) -> str:
    if not wanted:
        return ""
    factor = found / wanted
    if factor >= 1.05:
        return f"{brief(round(factor, 1))} times what was expected"
    return f"{factor:.0%} of what was expected" if factor < 0.95 else "About what was expected"


@dataclass(frozen=True)
class Weighed:
    """A reason as a bar: `start` and `size` in per cent of the width, `tone` raises or lowers."""

    text: str
    said: str
    start: float
    size: float
    tone: str


def weighed(reasons: Sequence[Reason], *, by_model: bool) -> list[Weighed]:
    """A model's reasons speak for (right of the middle) or against (left), in log-odds; others are shares."""
    most = max((abs(reason.weight) for reason in reasons if reason.weight is not None), default=0.0)
    return [_weighed(reason, most, by_model) for reason in reasons]


def _weighed(reason: Reason, most: float, by_model: bool) -> Weighed:
    weight = reason.weight
    if weight is None or not most:
        return Weighed(reason.text, "", 0.0, 0.0, "raises")
    if not by_model:
        return Weighed(reason.text, f"{abs(weight):.0%}", 0.0, round(100 * abs(weight) / most, 1), "raises")
    size = round(50 * abs(weight) / most, 1)
    start, tone = (round(50 - size, 1), "lowers") if weight < 0 else (50.0, "raises")
    return Weighed(reason.text, f"{weight:+.2f}", start, size, tone)


def shown_step(steps: Sequence[Decision], wanted: str | None) -> Decision:
    """The step asked for, else the newest that was scored. `steps` are newest first, and there is one at least."""
    chosen = next((step for step in steps if step.id == wanted), None)
    return chosen or next((step for step in steps if step.features), steps[0])
