"""What the churn model believes before it has learned: weights in the order of `churn_model.FEATURES`.

The median of what was learned from simulated shops of many kinds (Poisson shoppers who stay or leave, regular
subscribers, daily, rare and seasonal buyers; closed cohorts and open ones), so a small shop does not start from nothing.
"""

from analytics.operators.churn_model import CONTENDERS, FEATURES, ChurnModel, Direct, Linear, Projected

WEEKLY = Linear(
    -2.64,
    (
        0.03,
        -0.19,
        0.26,
        -0.09,
        -0.41,
        0.53,
        -0.02,
        0.18,
        0.30,
        0.00,
        0.00,
        0.00,
        0.02,
        -0.06,
        0.06,
        0.00,
        0.00,
        0.00,
        0.00,
    ),
)
DIRECT = Linear(
    0.18,
    (
        0.00,
        0.04,
        -0.20,
        0.13,
        0.46,
        -0.32,
        -0.13,
        -0.24,
        -0.26,
        0.00,
        0.00,
        0.00,
        0.00,
        0.06,
        -0.16,
        0.00,
        0.00,
        0.00,
        0.00,
    ),
)
NOTHING_KNOWN = Linear(0.0, (0.0,) * len(FEATURES))
PRIOR = ChurnModel(
    dict(zip(CONTENDERS, (Projected(WEEKLY), Direct(DIRECT), Direct(NOTHING_KNOWN)), strict=True)), CONTENDERS[0]
)
