"""The probability that a customer buys nothing in the next 56 days.

River's scaler and logistic regression on features of the customer's own rhythm, learned online from examples whose
label was awaited: the features of a moment are kept until 56 days later, then the example is complete. Emitting both
labels only at the horizon keeps the stream free of the bias towards quick buyers (delayed feedback).
"""

import math
import struct
from collections.abc import Mapping

from river import compose, linear_model, optim, preprocessing

from analytics.operators.base import Adopted, Finding, Kind, Level, Reading, Reason, Standing, World, days_text
from analytics.profile import DAY, Profile

MODEL = "churn_risk"
HORIZON_DAYS = 56.0
HORIZON = HORIZON_DAYS * DAY
SCORE_EVERY = 7 * DAY
STOP_AFTER = 26 * 7 * DAY  # silent for half a year: nothing more to learn from another week
ALARM, CALM = 0.70, 0.50
MIN_ORDER_DAYS = 3
MIN_EXAMPLES = 200
WEB_HALF_LIFE = 7 * DAY
MAIL_HALF_LIFE = 30 * DAY
RETURN_HALF_LIFE = 60 * DAY
_SUPPORT_HALF_LIFE = 14 * DAY

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
_EXAMPLE = struct.Struct(f"<dBfI{len(FEATURES)}f")

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


def new_model() -> compose.Pipeline:
    """What the trainer starts from."""
    regression = linear_model.LogisticRegression(optimizer=optim.SGD(0.02), l2=1e-4)
    return compose.Pipeline(preprocessing.StandardScaler(), regression)


def features(profile: Profile, now: float) -> tuple[float, ...]:
    """The inputs at `now`, in the order of FEATURES; seen from before `now` only."""
    recency = max(0.0, (now - profile.last_order_at) / DAY)
    tenure = max(0.0, (now - profile.first_order_at) / DAY)
    usual = math.exp(profile.gap_mean) if profile.gaps else 30.0
    gap = (profile.gaps * usual + 30.0) / (profile.gaps + 1)
    overdue = math.log1p(recency / gap)
    money = profile.main_money()
    return (
        overdue,
        overdue * overdue,
        math.log1p(recency),
        math.log1p(gap),
        math.log1p(profile.orders),
        math.log1p(tenure),
        math.sqrt(profile.gap_var),
        money.mean if money else 0.0,
        math.log1p(profile.web.read(now, WEB_HALF_LIFE)),
        math.log1p(profile.opens.read(now, MAIL_HALF_LIFE) + 2 * profile.clicks.read(now, MAIL_HALF_LIFE)),
        math.log1p(profile.tickets.read(now, _SUPPORT_HALF_LIFE)),
        math.log1p(profile.returned.read(now, RETURN_HALF_LIFE)),
    )


def predict(adopted: Adopted | None, x: tuple[float, ...]) -> float | None:
    """The risk; None while no model has learned enough."""
    if adopted is None or adopted.examples < MIN_EXAMPLES:
        return None
    return adopted.model.predict_proba_one(dict(zip(FEATURES, x, strict=True))).get(True, 0.5)


def enough(profile: Profile) -> bool:
    """Whether this customer has shown enough of a rhythm to be judged."""
    return profile.order_days >= MIN_ORDER_DAYS


def keep(pending: bytes, as_of: float, risk: float | None, version: int, x: tuple[float, ...]) -> bytes:
    """Adds an example whose label is awaited."""
    return pending + _EXAMPLE.pack(as_of, False, math.nan if risk is None else risk, version, *x)


def mark_bought(pending: bytes) -> bytes:
    """A purchase decides the label of every example that waits."""
    changed = bytearray(pending)
    for at in range(8, len(changed), _EXAMPLE.size):
        changed[at] = 1
    return bytes(changed)


def take_known(pending: bytes, now: float) -> tuple[list[dict[str, object]], bytes]:
    """The examples whose horizon has passed by `now`, and those that go on waiting. Label 1: bought nothing."""
    known, at = [], 0
    while at < len(pending) and _EXAMPLE.unpack_from(pending, at)[0] + HORIZON <= now:
        as_of, bought, risk, version, *x = _EXAMPLE.unpack_from(pending, at)
        known.append(
            {
                "model": MODEL,
                "as_of": as_of,
                "label": 0 if bought else 1,
                "predicted": None if math.isnan(risk) else risk,
                "version": version,
                "features": dict(zip(FEATURES, x, strict=True)),
            }
        )
        at += _EXAMPLE.size
    return known, pending[at:]


def explain(profile: Profile, adopted: Adopted, x: tuple[float, ...], risk: float, now: float) -> Finding:
    """The words and numbers of a risk."""
    silent = (now - profile.last_order_at) / DAY
    usual = math.exp(profile.gap_mean)
    reasons = reasons_of(adopted, x)
    return Finding(
        kind=Kind.CHURN_RISK,
        direction="bad",
        severity="high" if profile.orders >= 8 else "medium",
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
    risk = predict(adopted, x) if profile.order_days else None
    if not enough(profile) or risk is None or adopted is None:
        evidence = _missing(profile, adopted)
        return Standing(Kind.CHURN_RISK, "Churn risk", None, Level.UNKNOWN, False, evidence, (), now)
    level = Level.ALARM if risk >= ALARM else Level.WATCH if risk >= CALM else Level.OK
    evidence = f"{profile.orders} orders and {adopted.examples:,} learned examples, enough"
    reasons = reasons_of(adopted, x)
    return Standing(Kind.CHURN_RISK, "Churn risk", risk, level, True, evidence, reasons, now, adopted.version)


def _missing(profile: Profile, adopted: Adopted | None) -> str:
    if not enough(profile):
        return f"{profile.order_days} days with an order; {MIN_ORDER_DAYS} are needed"
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
