"""Weeks that are good or bad for everybody, and learners that are taught them in pieces."""

import random
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import numpy as np
import pytest

from analytics.learners.base import Learner
from analytics.learners.logistic import Posterior
from analytics.orders import DAY
from tests.analytics.stories import START

L = TypeVar("L", bound=Learner)
Example = Mapping[str, Any]


def good_and_bad_weeks(
    a_week: int, spread: float, r: random.Random, example: Callable[[float], Example]
) -> list[Example]:
    """Twelve weeks of so many examples, made of what the week adds to everybody's log-odds."""
    opens, found = START - START % (7 * DAY), list[Example]()
    for week in range(12):
        good = r.gauss(0.0, spread)
        found += [{"as_of": opens + 7 * (week + n / a_week) * DAY, **example(good)} for n in range(a_week)]
    return found


def taught_in_pieces(learner: L, examples: Iterable[Example], every: int) -> L:
    """Published after every so many."""
    for n, example in enumerate(examples, start=1):
        learner.take(example)
        if not n % every:
            learner.snapshot()
    return learner


def assert_as_much_is_known(pieces: Posterior, whole: Posterior) -> None:
    spread = np.sqrt(np.diag(np.linalg.inv(whole.precision)))
    assert np.abs(pieces.mean - whole.mean).max() < 0.1
    assert np.sqrt(np.diag(np.linalg.inv(pieces.precision))) == pytest.approx(spread, rel=0.05)
