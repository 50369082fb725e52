"""All operators, in the order in which they see an event. One line each."""

from analytics.operators.base import Operator
from analytics.operators.churn_risk import ChurnRisk
from analytics.operators.purchase_silence import PurchaseSilence
from analytics.operators.spend_deviation import SpendDeviation
from analytics.operators.standing_query import StandingQuery
from analytics.operators.support_load import SupportLoad

OPERATORS: tuple[Operator, ...] = (
    SpendDeviation(),
    PurchaseSilence(),
    ChurnRisk(),
    SupportLoad(),
    StandingQuery(),  # last: its rules may look at what the others say
)

BY_SLUG = {operator.kind.slug: operator for operator in OPERATORS}
