"""The probability that a customer buys nothing in the next 56 days.

River's scaler and logistic regression on features of the customer's own rhythm, learned online from examples whose
label was awaited: the features of a moment are kept until 56 days later, then the example is complete. Emitting both
labels only at the horizon keeps the stream free of the bias towards quick buyers (delayed feedback).
"""

import math
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from river import compose, linear_model, optim, preprocessing

from analytics.activity import Activity
from analytics.events import Event, What
from analytics.operators.base import (
    NOTHING,
    Adopted,
    Clear,
    Example,
    Finding,
    Kind,
    Level,
    Operator,
    Outcome,
    Raise,
    Reading,
    Reason,
    Scored,
    Standing,
    World,
    days_text,
)
from analytics.operators.purchase_silence import rhythm_of
from analytics.operators.spend_deviation import main_baseline
from analytics.orders import DAY, Orders
from analytics.profile import Profile

MODEL = "churn_risk"
ALARM, CALM = 0.70, 0.50
MIN_ORDER_DAYS = 3
MIN_EXAMPLES = 200

FEATURES = (
    "overdue",
    "overdue_sq",
    "log_recency",
    "log_gap",
    "log_orders",
    "log_tenure",
    "irregular",
    "log_spend",
    "web",
    "mail",
    "tickets",
    "returns",
)
_EXAMPLE = struct.Struct(f"<ddI{len(FEATURES)}d")  # as of, predicted, version, features
_PENDING = int(Kind.CHURN_RISK)

_WORDS = {
    "overdue": ("longer since the last order than usual", "well within the usual rhythm"),
    "log_recency": ("a long time since the last order", "ordered recently"),
    "log_gap": ("buys seldom", "buys often"),
    "log_orders": ("many orders behind them", "few orders so far"),
    "log_tenure": ("a customer for long", "a new customer"),
    "irregular": ("an irregular rhythm", "a steady rhythm"),
    "log_spend": ("spends more than most", "spends less than most"),
    "web": ("visited lately", "no visits lately"),
    "mail": ("answers e-mails", "does not answer e-mails"),
    "tickets": ("tickets lately", "no tickets lately"),
    "returns": ("returns lately", "no returns lately"),
}


class ChurnRisk(Operator):
    kind = Kind.CHURN_RISK
    takes = frozenset({What.ORDER})
    model = MODEL

    def learn(self, profile: Profile, event: Event, world: World) -> Sequence[Outcome]:
        if self.kind not in profile.episodes:
            return NOTHING
        x = features(profile, event.time)
        return _judge(profile, event.time, world, x, predict(world.models.get(MODEL), x))

    def complete(self, profile: Profile, now: float, world: World) -> Sequence[Outcome]:
        rows = profile.pending.take(_PENDING, _EXAMPLE, now - world.plan.horizon)
        last = profile.of(Orders).last_at
        return [_example(row, last) for row in rows]

    def weekly(self, profile: Profile, now: float, world: World) -> Sequence[Outcome]:
        if not profile.of(Orders).count:
            return NOTHING
        adopted, x = world.models.get(MODEL), features(profile, now)
        risk = predict(adopted, x)
        row = _EXAMPLE.pack(now, math.nan if risk is None else risk, adopted.version if adopted else 0, *x)
        profile.pending.add(_PENDING, row)
        evidence = risk is not None and enough(profile)
        scored = Scored({"churn_risk": risk, "evidence": "enough" if evidence else "not enough"})
        return (scored, *_judge(profile, now, world, x, risk))

    def standing(self, profile: Profile, world: World, now: float) -> Standing | None:
        return standing(profile, world, now)

    def score_again(self, features: Mapping[str, Any], model: Adopted | None) -> float:
        found = predict(model, tuple(features[name] for name in FEATURES))
        if found is None:
            raise LookupError("the model of this decision is gone")
        return found


def _judge(profile: Profile, now: float, world: World, x: tuple[float, ...], risk: float | None) -> Sequence[Outcome]:
    """Above the alarm it is raised, below the calm it is cleared."""
    adopted = world.models.get(MODEL)
    if risk is None or adopted is None or not enough(profile):
        return NOTHING
    if risk >= ALARM:
        return (Raise(explain(profile, adopted, x, risk, now)),)
    return (Clear(Kind.CHURN_RISK, f"The risk fell to {risk:.0%}."),) if risk < CALM else NOTHING


def _example(row: tuple[float, ...], last_order_at: float) -> Example:
    """Label 1: bought nothing within the horizon, which is over."""
    as_of, risk, version, *x = row
    data = {
        "label": int(last_order_at < as_of),
        "predicted": None if math.isnan(risk) else risk,
        "version": version,
        "features": dict(zip(FEATURES, x, strict=True)),
    }
    return Example(MODEL, as_of, data)


def new_model() -> compose.Pipeline:
    """What the trainer starts from."""
    regression = linear_model.LogisticRegression(optimizer=optim.SGD(0.02), l2=1e-4)
    return compose.Pipeline(preprocessing.StandardScaler(), regression)


def features(profile: Profile, now: float) -> tuple[float, ...]:
    """The inputs at `now`, in the order of FEATURES; seen from before `now` only."""
    orders, activity, rhythm = profile.of(Orders), profile.of(Activity), rhythm_of(profile)
    recency = max(0.0, (now - orders.last_at) / DAY)
    tenure = max(0.0, (now - orders.first_at) / DAY)
    usual = math.exp(rhythm.mean) if rhythm.gaps else 30.0
    gap = (rhythm.gaps * usual + 30.0) / (rhythm.gaps + 1)
    overdue = math.log1p(recency / gap)
    money = main_baseline(profile)
    return (
        overdue,
        overdue * overdue,
        math.log1p(recency),
        math.log1p(gap),
        math.log1p(orders.count),
        math.log1p(tenure),
        math.sqrt(rhythm.var),
        money.mean if money else 0.0,
        math.log1p(activity.web_now(now)),
        math.log1p(activity.opens_now(now) + 2 * activity.clicks_now(now)),
        math.log1p(activity.tickets_now(now)),
        math.log1p(activity.returned_now(now)),
    )


def predict(adopted: Adopted | None, x: tuple[float, ...]) -> float | None:
    """The risk; None while no model has learned enough."""
    if adopted is None or adopted.examples < MIN_EXAMPLES:
        return None
    return float(adopted.model.predict_proba_one(dict(zip(FEATURES, x, strict=True))).get(True, 0.5))


def enough(profile: Profile) -> bool:
    """Whether this customer has shown enough of a rhythm to be judged."""
    return profile.of(Orders).days >= MIN_ORDER_DAYS


def explain(profile: Profile, adopted: Adopted, x: tuple[float, ...], risk: float, now: float) -> Finding:
    """The words and numbers of a risk."""
    silent = (now - profile.of(Orders).last_at) / DAY
    usual = math.exp(rhythm_of(profile).mean)
    reasons = reasons_of(adopted, x)
    return Finding(
        kind=Kind.CHURN_RISK,
        direction="bad",
        severity="high" if profile.of(Orders).count >= 8 else "medium",
        score=risk,
        sentence=f"{risk:.0%} likely not to buy in the next 8 weeks; {_why(reasons)}.",
        expected=Reading(round(usual, 2), "days", f"an order every {days_text(usual)}"),
        observed=Reading(round(silent, 2), "days", f"last order {days_text(math.floor(silent))} ago"),
        reasons=reasons,
        step=("win_back", "Send a personal offer; the win-back journey has started"),
        features=dict(zip(FEATURES, x, strict=True)),
        model_version=adopted.version,
    )


def reasons_of(adopted: Adopted, x: tuple[float, ...], most: int = 3) -> list[Reason]:
    """What moves the score most: weight times the feature's distance from its mean (exact for a linear model)."""
    contributions = contributions_of(adopted.model, dict(zip(FEATURES, x, strict=True)))
    contributions["overdue"] = contributions.get("overdue", 0.0) + contributions.pop("overdue_sq", 0.0)
    top = sorted(contributions.items(), key=lambda item: (-abs(item[1]), item[0]))[:most]
    values = dict(zip(FEATURES, x, strict=True))
    return [_reason(name, contribution, values[name]) for name, contribution in top if abs(contribution) > 1e-3]


def contributions_of(model: object, x: Mapping[str, float]) -> dict[str, float]:
    """Log-odds each feature adds, compared with an average customer."""
    scaler, regression = list(model.steps.values())  # type: ignore[attr-defined]
    scaled = scaler.transform_one(dict(x))
    return {name: regression.weights.get(name, 0.0) * value for name, value in scaled.items()}


def standing(profile: Profile, world: World, now: float) -> Standing:
    """The live risk, for the customer's page."""
    adopted = world.models.get(MODEL)
    x = features(profile, now)
    risk = predict(adopted, x) if profile.of(Orders).days else None
    if not enough(profile) or risk is None or adopted is None:
        evidence = _missing(profile, adopted)
        return Standing(Kind.CHURN_RISK, "Churn risk", None, Level.UNKNOWN, False, evidence, (), now)
    level = Level.ALARM if risk >= ALARM else Level.WATCH if risk >= CALM else Level.OK
    evidence = f"{profile.of(Orders).count} orders and {adopted.examples:,} learned examples, enough"
    reasons = reasons_of(adopted, x)
    return Standing(Kind.CHURN_RISK, "Churn risk", risk, level, True, evidence, reasons, now, adopted.version)


def _missing(profile: Profile, adopted: Adopted | None) -> str:
    if not enough(profile):
        return f"{profile.of(Orders).days} days with an order; {MIN_ORDER_DAYS} are needed"
    examples = adopted.examples if adopted else 0
    return f"the model has learned from {examples} examples; {MIN_EXAMPLES} are needed"


def _reason(name: str, contribution: float, value: float) -> Reason:
    high, low = _WORDS[name]
    words = low if value < 1e-9 or (name in ("overdue", "log_recency") and contribution < 0) else high
    text = (
        words[0].upper() + words[1:] + (", which raises the risk." if contribution > 0 else ", which lowers the risk.")
    )
    return Reason(name, text, round(contribution, 4))


def _why(reasons: list[Reason]) -> str:
    raising = [r.text.split(",")[0].lower() for r in reasons if r.weight > 0]
    return " and ".join(raising[:2]) or "by everything seen so far"
