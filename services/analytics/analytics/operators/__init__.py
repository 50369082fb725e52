"""All operators, in the order in which they see an event. One line each."""

from analytics.operators.base import Operator
from analytics.operators.basket_mix import BasketMix
from analytics.operators.campaign_response import CampaignResponse
from analytics.operators.channel_change import ChannelChange
from analytics.operators.churn_risk import ChurnRisk
from analytics.operators.lead_conversion import LeadConversion
from analytics.operators.links import Links
from analytics.operators.promoter import Promoter
from analytics.operators.purchase_frequency import PurchaseFrequency
from analytics.operators.purchase_silence import PurchaseSilence
from analytics.operators.purchase_timing import PurchaseTiming
from analytics.operators.purchase_value import PurchaseValue
from analytics.operators.return_rate import ReturnRate
from analytics.operators.segment import Segment
from analytics.operators.spend_deviation import SpendDeviation
from analytics.operators.standing_query import StandingQuery
from analytics.operators.support_load import SupportLoad
from analytics.operators.web_activity import WebActivity

OPERATORS: tuple[Operator, ...] = (
    SpendDeviation(),
    PurchaseSilence(),
    PurchaseFrequency(),
    ChannelChange(),
    BasketMix(),
    ReturnRate(),
    WebActivity(),
    ChurnRisk(),
    LeadConversion(),
    CampaignResponse(),
    Promoter(),
    SupportLoad(),
    PurchaseTiming(),
    PurchaseValue(),
    Links(),
    Segment(),
    StandingQuery(),  # last: its rules may look at what the others say
)

BY_SLUG = {operator.kind.slug: operator for operator in OPERATORS}
