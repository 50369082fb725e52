"""What the churn model believes before it has learned.

The median of what was learned from simulated shops of many kinds (Poisson shoppers who stay or leave, regular, daily,
rare and seasonal buyers; closed cohorts and open ones), so that a small shop does not start from nothing.
"""

from analytics.operators.churn_model import CONTENDERS, FEATURES, ChurnModel, Direct, Linear, Projected


def _linear(bias: float, **weights: float) -> Linear:
    """Features that are not named weigh nothing."""
    return Linear(bias, tuple(weights.get(name, 0.0) for name in FEATURES))


WEEKLY = _linear(
    -2.64,
    silence=0.03,
    tenure=-0.19,
    order_days=0.26,
    silence_by_gap=-0.09,
    silence_by_rate=-0.41,
    rate=0.53,
    recent_14=-0.02,
    recent_28=0.18,
    recent_112=0.3,
    order_days_by_silence=0.02,
    order_days_by_tenure=-0.06,
    own_rhythm=0.06,
)
DIRECT = _linear(
    0.18,
    tenure=0.04,
    order_days=-0.2,
    silence_by_gap=0.13,
    silence_by_rate=0.46,
    rate=-0.32,
    recent_14=-0.13,
    recent_28=-0.24,
    recent_112=-0.26,
    order_days_by_tenure=0.06,
    own_rhythm=-0.16,
)
_MODELS = (Projected(WEEKLY), Direct(DIRECT), Direct(_linear(0.0)))
PRIOR = ChurnModel(dict(zip(CONTENDERS, _MODELS, strict=True)), CONTENDERS[0])
