"""The probability that a customer buys nothing within the horizon (56 days), for each customer's own way of buying.

Every scoring moment leaves features behind: for a week, to learn the weekly chance of a purchase from, and for the
whole horizon, to judge what was predicted at that moment. Both labels of an example come at the same delay, so nothing
is biased towards quick buyers. Customers silent for long are many and teach little: one in four is kept, for four.
"""

import math
from collections.abc import Mapping, Sequence
from struct import Struct
from typing import Any, Final, cast

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
    Plan,
    Raise,
    Reading,
    Scored,
    Standing,
    World,
    days_text,
    every_text,
)
from analytics.operators.buying import STATE, Buying, State, state_of
from analytics.operators.churn_model import CONTENDERS, ChurnModel
from analytics.operators.churn_prior import PRIOR
from analytics.operators.churn_words import reasons_of, why
from analytics.orders import DAY, Orders
from analytics.profile import Profile

MODEL: Final = "churn_risk"
ALARM: Final = 0.70
CALM: Final = 0.50
MIN_ORDER_DAYS: Final = 3
MIN_EXAMPLES: Final = 200

_OUTCOMES: Final = int(Kind.CHURN_RISK)  # numbers of pending rows
_STEPS: Final = 0x80 + int(Kind.CHURN_RISK)
_STEP: Final = Struct(f"<d{1 + len(STATE)}f")  # as of, weight, state
_OUTCOME: Final = Struct(f"<d{1 + len(CONTENDERS) + len(STATE)}f")  # as of, weight, predictions, state
_LONG_SILENT: Final = 182.0
_ONE_IN: Final = 4
_BETWEEN_OUTCOMES: Final = 14 * DAY


class ChurnRisk(Operator):
    kind = Kind.CHURN_RISK
    takes = frozenset({What.ORDER})
    model = MODEL

    def learn(self, profile: Profile, event: Event, world: World) -> Sequence[Outcome]:
        orders = profile.of(Orders)
        profile.of(Buying).note(event, orders)
        if self.kind not in profile.episodes:
            return NOTHING
        away = (event.time - orders.previous_at) / DAY
        return (Clear(self.kind, f"They bought again after {days_text(max(0.0, away))}."),)

    def complete(self, profile: Profile, now: float, world: World) -> Sequence[Outcome]:
        pending, plan = profile.pending, world.plan
        steps = pending.take(_STEPS, _STEP, now - plan.score_every)
        outcomes = pending.take(_OUTCOMES, _OUTCOME, now - plan.horizon)
        if not steps and not outcomes:
            return NOTHING
        orders = profile.of(Orders)
        found = [_step(row, orders, plan.score_every) for row in steps]
        found += [_outcome(row, orders, plan.horizon) for row in outcomes]
        return [example for example in found if example is not None]

    def weekly(self, profile: Profile, now: float, world: World) -> Sequence[Outcome]:
        orders = profile.get(Orders)
        if orders is None or not orders.days:
            return NOTHING
        adopted, state = world.models.get(MODEL), state_of(profile, now)
        model = model_of(adopted)
        _keep(profile, now, world.plan, model, state)
        risk, evidence = model.risk(state, world.plan.horizon / DAY), enough(orders, adopted)
        scored = Scored({"churn_risk": risk, "evidence": "enough" if evidence else "not enough"})
        return (scored, *self._judge(profile, world, state, risk, now)) if evidence else (scored,)

    def _judge(self, profile: Profile, world: World, state: State, risk: float, now: float) -> Sequence[Outcome]:
        """Raised when it was calm once since it was last raised, so that only a rise is news."""
        buying = profile.of(Buying)
        if risk >= ALARM:
            if not buying.armed and self.kind not in profile.episodes:
                return NOTHING
            buying.armed = False
            return (Raise(explain(profile, world, state, risk, now)),)
        if risk < CALM:
            buying.armed = True
            if self.kind in profile.episodes:
                return (Clear(self.kind, f"The risk fell to {risk:.0%}."),)
        return NOTHING

    def standing(self, profile: Profile, world: World, now: float) -> Standing | None:
        orders, adopted = profile.of(Orders), world.models.get(MODEL)
        if not orders.days or not enough(orders, adopted) or adopted is None:
            evidence = _missing(orders, adopted)
            return Standing(self.kind, "Churn risk", None, Level.UNKNOWN, False, evidence, (), now)
        state, days = state_of(profile, now), world.plan.horizon / DAY
        risk = model_of(adopted).risk(state, days)
        level = Level.ALARM if risk >= ALARM else Level.WATCH if risk >= CALM else Level.OK
        evidence = f"{orders.count} orders and {adopted.examples:,} learned examples, enough"
        reasons = reasons_of(model_of(adopted).contributions(state, days))
        return Standing(self.kind, "Churn risk", risk, level, True, evidence, reasons, now, adopted.version)

    def score_again(self, features: Mapping[str, Any], model: Adopted | None) -> float:
        if model is None:
            raise LookupError("the model of this decision is gone")
        return model_of(model).risk(tuple(features[name] for name in STATE), features["horizon_days"])


def model_of(adopted: Adopted | None) -> ChurnModel:
    """What is scored with; what is believed beforehand while nothing was learned."""
    return PRIOR if adopted is None else cast(ChurnModel, adopted.model)


def enough(orders: Orders, adopted: Adopted | None) -> bool:
    """Whether this customer has shown a rhythm, and the model has learned, to be judged by."""
    return orders.days >= MIN_ORDER_DAYS and adopted is not None and adopted.examples >= MIN_EXAMPLES


def explain(profile: Profile, world: World, state: State, risk: float, now: float) -> Finding:
    """The words and numbers of a risk; what raises it comes first."""
    adopted, orders, buying = world.models[MODEL], profile.of(Orders), profile.of(Buying)
    days = world.plan.horizon / DAY
    silent, usual = (now - orders.last_at) / DAY, math.exp(buying.gap_mean)
    reasons = sorted(reasons_of(model_of(adopted).contributions(state, days)), key=lambda reason: reason.weight <= 0)
    return Finding(
        kind=Kind.CHURN_RISK,
        direction="bad",
        severity="high" if orders.count >= 8 else "medium",
        score=risk,
        sentence=f"{risk:.0%} likely not to buy in the next {days_text(days)}; {why(reasons)}.",
        expected=Reading(round(usual, 2), "days", f"an order every {every_text(usual)}"),
        observed=Reading(round(silent, 2), "days", f"last order {days_text(math.floor(silent))} ago"),
        reasons=reasons,
        step=("win_back", "Send a personal offer; the win-back journey has started"),
        features={**dict(zip(STATE, state, strict=True)), "horizon_days": days},
        model_version=adopted.version,
    )


def bought(orders: Orders, begin: float, end: float) -> bool | None:
    """Whether there was an order from `begin` on and before `end`; None where too much came since to know."""
    if orders.last_at < begin:
        return False
    if orders.last_at < end:
        return True
    recent = orders.recent()
    if any(begin <= order.at < end for order in recent):
        return True
    return False if recent and (recent[0].at < begin or len(recent) == orders.count) else None


def _keep(profile: Profile, now: float, plan: Plan, model: ChurnModel, state: State) -> None:
    """Keeps the features until their labels are known."""
    weight = 1.0
    if state[0] > _LONG_SILENT:
        if (int(now / plan.score_every) + profile.of(Orders).phase) % _ONE_IN:
            return
        weight = float(_ONE_IN)
    profile.pending.add(_STEPS, _STEP.pack(now, weight, *state))
    if not int(now / plan.score_every) % max(1, round(_BETWEEN_OUTCOMES / plan.score_every)):
        predicted = model.risks(state, plan.horizon / DAY)
        said = (predicted[name] for name in CONTENDERS)
        profile.pending.add(_OUTCOMES, _OUTCOME.pack(now, weight, *said, *state))


def _step(row: tuple[float, ...], orders: Orders, every: float) -> Example | None:
    """Whether they bought before the next scoring moment."""
    as_of, weight, *state = row
    found = bought(orders, as_of, as_of + every)
    if found is None:
        return None
    return Example(
        MODEL, as_of, {"part": "step", "step": every / DAY, "bought": int(found), "weight": weight, "x": state}
    )


def _outcome(row: tuple[float, ...], orders: Orders, horizon: float) -> Example | None:
    """Label 1: bought nothing within the horizon, which is over."""
    as_of, weight, *rest = row
    found = bought(orders, as_of, as_of + horizon)
    if found is None:
        return None
    predicted = dict(zip(CONTENDERS, rest, strict=False))
    return Example(
        MODEL,
        as_of,
        {
            "part": "outcome",
            "label": int(not found),
            "predicted": predicted,
            "weight": weight,
            "x": rest[len(CONTENDERS) :],
        },
    )


def _missing(orders: Orders, adopted: Adopted | None) -> str:
    if orders.days < MIN_ORDER_DAYS:
        return f"{days_text(orders.days)} with an order; {MIN_ORDER_DAYS} are needed"
    examples = adopted.examples if adopted else 0
    return f"the model has learned from {examples} examples; {MIN_EXAMPLES} are needed"
