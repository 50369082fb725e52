"""The rhythm of a customer's orders: gaps between days with an order, and how long the next one may be.

Gaps are taken as gamma distributed with a shape of the customer's own: 1 is memoryless (Poisson), 25 is clockwork.
Mean and variance of the logarithm of the gaps are exponentially weighted; the variance leans on the segment's, and
gives the shape (the variance of a gamma's logarithm is the trigamma of its shape). A gap of whole days is only known
to a day: it stands for anything between one day less and itself, so daily orders never look like clockwork. The next
gap, with the mean not known exactly either, is F distributed; its tail by Paulson's cube root (1942). How much heavier
real tails are is learned from all gaps, by Hill's estimator (1975) on their tail probabilities.
"""

import math
from dataclasses import dataclass, field
from struct import Struct
from typing import Final, NamedTuple

from analytics.operators.evidence import FALSE_ALARMS, YEAR_DAYS, normal_quantile, normal_tail, shrunk, weighted
from analytics.orders import DAY, Orders
from analytics.profile import NEVER, Profile
from analytics.sections import Section, stored

MIN_GAPS: Final = 3
_MEMORY: Final = 20.0  # gaps; an older one fades
_PRIOR_VAR: Final = 2.0  # gaps that the group's variance counts for
_PRIOR_MEAN: Final = 0.5  # gaps that the group's mean counts for
_SEGMENT_PRIOR: Final = 100.0  # gaps of everybody that a segment's own numbers lean on
_MAX_GROUPS: Final = 64
_CLIP: Final = 6.0  # squared residuals count up to six variances; a normal one loses 4 % by that
_CLIPPED: Final = 1.04
_TAIL: Final = 0.05  # what is less likely is the tail that Hill's estimator looks at
_LEAST_RATIO: Final = 1.8
_TABLE: Final = 64
_GROUP: Final = Struct("<Hddd")


def _moments(days: int) -> tuple[float, float]:
    """Mean and variance of the logarithm of what is even between `days` - 1 and `days`."""
    low, high = days - 1.0, float(days)
    first = high * (math.log(high) - 1.0) - (low * (math.log(low) - 1.0) if low else 0.0)
    second = high * (math.log(high) ** 2 - 2.0 * math.log(high) + 2.0)
    second -= low * (math.log(low) ** 2 - 2.0 * math.log(low) + 2.0) if low else 0.0
    return first, max(second - first * first, 0.0)


_MOMENTS = [_moments(days) for days in range(1, _TABLE)]


def log_gap(days: float) -> tuple[float, float]:
    """The logarithm of a gap of whole days, and its variance for being known only to a day."""
    whole = int(days)
    if 1 <= whole < _TABLE:
        return _MOMENTS[whole - 1]
    middle = max(days, 1.0) - 0.5
    return math.log(middle), 1.0 / (12.0 * middle * middle)


@dataclass(slots=True)
class Rhythm(Section):
    """Mean and variance of the logarithm of a customer's gaps in days; `alarm` is the days of silence that are
    remarkable. A gap beyond the alarm does not teach unless a second follows: `odd` is its logarithm, NaN for none.
    """

    mean: float = 0.0
    var: float = 0.0
    alarm: float = NEVER
    odd: float = math.nan
    gaps: int = 0

    def merge(self, other: "Rhythm") -> None:
        self.mean = weighted(self.mean, self.gaps, other.mean, other.gaps)
        self.var = weighted(self.var, self.gaps, other.var, other.gaps)
        self.gaps += other.gaps
        self.odd = math.nan


stored(Rhythm, 12, Struct("<4dI"))


@dataclass(slots=True)
class Gaps:
    """Gaps of a segment (0: everybody's): how their logarithm scatters about the own customer's mean, and its mean."""

    count: float = 0.0
    within: float = 0.35
    mean: float = 3.0

    def note(self, log: float, squared: float) -> None:
        self.count += 1.0
        rate = 1.0 / (20.0 + self.count) if self.count < 480.0 else 0.002
        most = _CLIP * self.within
        self.within += rate * (_CLIPPED * (squared if squared < most else most) - self.within)
        self.mean += rate * (log - self.mean)


@dataclass(slots=True)
class RhythmPopulation(Section):
    """Groups by segment. `beyond` is the share of gaps that were held less likely than 5 %, `stretch` the mean
    logarithm of how much less: 1 where the tails are as assumed, more where they are heavier.
    """

    beyond: float = _TAIL
    stretch: float = 1.0
    judged: int = 0
    in_tail: int = 0
    groups: dict[int, Gaps] = field(default_factory=dict)

    def group(self, segment: int) -> Gaps:
        """To learn from."""
        found = self.groups.get(segment)
        if found is None:
            found = self.groups.setdefault(segment if len(self.groups) < _MAX_GROUPS else 0, Gaps())
        return found

    def of(self, segment: int) -> tuple[float, float]:
        """The variance and the mean that a customer of this segment leans on."""
        everybody = self.group(0)
        if not segment:
            return everybody.within, everybody.mean
        own, prior = self.group(segment), _SEGMENT_PRIOR
        within = shrunk(own.within, own.count, everybody.within, prior)
        return within, shrunk(own.mean, own.count, everybody.mean, prior)

    def note(self, segment: int, log: float, squared: float) -> None:
        """A gap: its logarithm, and how far that was from the customer's own mean, squared."""
        self.group(0).note(log, squared)
        if segment:
            self.group(segment).note(log, squared)

    def judge(self, tail: float) -> None:
        """A gap that was held this likely to be exceeded."""
        self.judged += 1
        inside = tail < _TAIL
        self.beyond += max(0.002, 1.0 / (50.0 + self.judged)) * ((1.0 if inside else 0.0) - self.beyond)
        if inside:
            self.in_tail += 1
            stretch = min(math.log(_TAIL / max(tail, 1e-12)), 10.0)
            self.stretch += max(0.01, 1.0 / (20.0 + self.in_tail)) * (stretch - self.stretch)

    def honest(self, tail: float) -> float:
        """The tail probability to ask of the assumed distribution for the real one to be `tail`."""
        return _TAIL * math.pow(tail / max(self.beyond, _TAIL), max(self.stretch, 1.0))

    def pack(self) -> bytes:
        head = self.LAYOUT.pack(self.beyond, self.stretch, self.judged, self.in_tail)
        return head + b"".join(_GROUP.pack(n, g.count, g.within, g.mean) for n, g in self.groups.items())

    @classmethod
    def unpack(cls, packed: bytes) -> "RhythmPopulation":
        found = cls(*cls.LAYOUT.unpack_from(packed))
        rows = _GROUP.iter_unpack(packed[cls.LAYOUT.size :])
        found.groups = {number: Gaps(*numbers) for number, *numbers in rows}
        return found


stored(RhythmPopulation, 13, Struct("<2d2I"))


class Expected(NamedTuple):
    """The next gap: its mean in days, the shape of the gamma, and the gaps it was learned from."""

    days: float
    shape: float
    weight: float

    def z(self, days: float) -> float:
        """A gap as a standard normal deviate (Paulson)."""
        root = math.cbrt(days / self.days)
        a, b = 1.0 / (9.0 * self.shape), 1.0 / (9.0 * self.shape * self.weight)
        return ((1.0 - b) * root - (1.0 - a)) / math.sqrt(b * root * root + a)

    def quantile(self, z: float) -> float:
        """The gap at this deviate; infinity where no gap is so rare."""
        a, b = 1.0 / (9.0 * self.shape), 1.0 / (9.0 * self.shape * self.weight)
        p, q = 1.0 - a, 1.0 - b
        under = q * q - z * z * b
        if under <= 0.0:
            return NEVER
        inside = p * p * q * q - under * (p * p - z * z * a)
        spread = math.sqrt(inside) if inside > 0.0 else 0.0
        root = (p * q + (spread if z >= 0.0 else -spread)) / under
        return self.days * root * root * root if root > 0.0 else 0.0


def rhythm_of(profile: Profile) -> Rhythm:
    return profile.of(Rhythm)


def expected(rhythm: Rhythm, within: float, mean: float) -> Expected:
    """The next gap, by the customer's own and what the segment lends."""
    n = rhythm.gaps if rhythm.gaps < _MEMORY else _MEMORY
    var = (n * rhythm.var + _PRIOR_VAR * within) / (n + _PRIOR_VAR)
    shape = (1.0 + math.sqrt(1.0 + 2.0 * var)) / (2.0 * var)
    log = (n * rhythm.mean + _PRIOR_MEAN * mean) / (n + _PRIOR_MEAN)
    days = math.exp(log + 1.0 / (2.0 * shape) + 1.0 / (12.0 * shape * shape))
    return Expected(days, shape, n + _PRIOR_MEAN)


def usual_days(rhythm: Rhythm) -> float:
    """The usual gap in days, as people count them."""
    return math.exp(rhythm.mean) + 0.5


def learn_gap(profile: Profile, days: float, population: RhythmPopulation) -> bool:
    """Takes the days between two distinct days with an order into the rhythm. True when two gaps too long for the
    rhythm in a row have just become the new one.
    """
    rhythm, (log, known_to) = profile.of(Rhythm), log_gap(days)
    within, mean = population.of(profile.segment)
    if rhythm.gaps >= MIN_GAPS:
        if log > rhythm.mean:
            population.judge(normal_tail(expected(rhythm, within, mean).z(days - 0.5)))
        else:
            population.judge(1.0)
        if days > rhythm.alarm:
            return _odd(rhythm, log, population, within, mean)
    rhythm.odd = math.nan
    rhythm.gaps += 1
    rate = max(1.0 / _MEMORY, 1.0 / rhythm.gaps)
    off = log - rhythm.mean
    rhythm.mean += rate * off
    rhythm.var = (1.0 - rate) * (rhythm.var + rate * off * off) + rate * known_to
    if rhythm.gaps > MIN_GAPS:
        population.note(profile.segment, log, off * off * (1.0 - rate) + known_to)
    rhythm.alarm = _alarm(rhythm, population, within, mean)
    return False


def _odd(rhythm: Rhythm, log: float, population: RhythmPopulation, within: float, mean: float) -> bool:
    """A gap beyond the alarm: the first does not teach, with a second the two are the new rhythm."""
    if math.isnan(rhythm.odd):
        rhythm.odd = log
        return False
    rhythm.mean, rhythm.odd, rhythm.gaps = 0.5 * (rhythm.odd + log), math.nan, MIN_GAPS
    rhythm.alarm = _alarm(rhythm, population, within, mean)
    return True


def _alarm(rhythm: Rhythm, population: RhythmPopulation, within: float, mean: float) -> float:
    """The days of silence that a customer with this rhythm exceeds once in 200 years; infinity while it is unknown.

    A day more, since the moments of two days with orders lie up to a day further apart than the days.
    """
    if rhythm.gaps < MIN_GAPS:
        return NEVER
    found = expected(rhythm, within, mean)
    tail = min(FALSE_ALARMS * found.days / YEAR_DAYS, 0.02)
    days = found.quantile(normal_quantile(population.honest(tail)))
    return max(days, _LEAST_RATIO * math.exp(rhythm.mean)) + 1.0


def alarm_days(profile: Profile, population: RhythmPopulation) -> float:
    """The alarm as the population sees it now, for a profile that was put together anew."""
    return _alarm(rhythm_of(profile), population, *population.of(profile.segment))


def expected_next(profile: Profile, population: RhythmPopulation) -> tuple[float, float, float] | None:
    """When the next order is expected, and the range of eight in ten; seconds since 1970."""
    rhythm = rhythm_of(profile)
    if rhythm.gaps < MIN_GAPS:
        return None
    found, last = expected(rhythm, *population.of(profile.segment)), profile.of(Orders).last_at
    at, low, high = (last + found.quantile(z) * DAY for z in (0.0, -1.2816, 1.2816))
    return at, low, high
