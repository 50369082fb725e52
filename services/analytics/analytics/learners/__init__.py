"""All learners. One line each."""

from collections.abc import Callable

from analytics.learners.base import Learner
from analytics.learners.churn import ChurnLearner

LEARNERS: tuple[Callable[[], Learner], ...] = (ChurnLearner,)
