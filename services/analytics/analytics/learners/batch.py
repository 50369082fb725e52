"""Examples that wait to be learned together, a week at a time."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_SECONDS = 7 * 86_400.0


@dataclass(frozen=True, slots=True)
class Week:
    """Examples of one week: `number` counts weeks since 1970, `gone` those since the last that was taken; labels (n),
    weights (n) and features (n, k).
    """

    number: float
    gone: float
    label: Floats
    weight: Floats
    x: Floats


class Batch:
    """Rows of the moment (seconds), the label, the weight and the features.

    An example counts to the week that had begun when it came. A yes is often known long before a no of the same day:
    by the weeks they are of, the latest would consist of yeses alone.
    """

    week: float = -math.inf  # the latest so far

    def __init__(self) -> None:
        self.rows: list[list[float]] = []

    def take(self) -> Iterator[Week]:
        """The earliest first; empties the batch."""
        if not self.rows:
            return
        rows, self.rows = np.array(self.rows), []
        weeks = np.maximum.accumulate(np.maximum(rows[:, 0] // _SECONDS, self.week))
        for number in np.unique(weeks).tolist():
            gone = number - self.week if self.week > -math.inf else 0.0
            of, self.week = rows[weeks == number], number
            yield Week(number, gone, of[:, 1], of[:, 2], of[:, 3:])
