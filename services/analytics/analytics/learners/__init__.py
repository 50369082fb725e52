"""All learners. One line each."""

from collections.abc import Callable

from analytics.learners.base import Learner
from analytics.learners.chances import CampaignResponseLearner, LeadConversionLearner, PromoterLearner
from analytics.learners.churn import ChurnLearner
from analytics.learners.links import LinksLearner
from analytics.learners.segments import SegmentsLearner
from analytics.learners.timing import TimingLearner
from analytics.learners.value import ValueLearner
from analytics.learners.year import YearLearner

LEARNERS: tuple[Callable[[], Learner], ...] = (
    ChurnLearner,
    LeadConversionLearner,
    CampaignResponseLearner,
    PromoterLearner,
    LinksLearner,
    SegmentsLearner,
    TimingLearner,
    ValueLearner,
    YearLearner,
)
