"""What a customer usually spends, in one currency: the numbers kept, and the distribution of the next order.

Orders are taken as Student-t about the customer's own mean, either of the amount or of its logarithm. Which of the two
fits, and how heavy the tails are, is learned from the orders of everybody: the scales and tails compete by their
progressive log score (prequential model choice, Dawid 1984), in which what lies beyond three deviations counts as
three, so that the very deviations that are looked for decide nothing. Own mean and variance lean on those of the
segment (`Group`) as on a few more orders.
"""

import math
from dataclasses import dataclass, field
from struct import Struct
from typing import Final

from analytics.operators.evidence import shrunk, weighted
from analytics.sections import Section, stored

MIN_ORDERS: Final = 5
PRIOR_ORDERS: Final = 8.0  # orders that the group's variance counts for
_PRIOR_MEAN: Final = 0.5  # orders that the group's mean counts for
_MEMORY: Final = 50.0  # orders; an older one fades
_SEGMENT_PRIOR: Final = 200.0  # orders of everybody that a segment's own numbers lean on
_MAX_CURRENCIES: Final = 3
_MAX_GROUPS: Final = 64
_TAILS = (4.0, 6.0, 10.0, 20.0, 60.0)  # degrees of freedom
_NORMS = tuple(math.lgamma((d + 1) / 2) - math.lgamma(d / 2) - 0.5 * math.log(d * math.pi) for d in _TAILS)
_CENSORED: Final = 9.0  # z squared beyond which a residual says nothing more about the tails
_CLIP: Final = 6.0  # squared residuals count up to six variances; a normal one loses 4 % by that
_CLIPPED: Final = 1.04
_LEAST_VAR: Final = 1e-4  # nobody is known to within one per cent
_BASELINE: Final = Struct("<3s12d2H")
_GROUP: Final = Struct("<3sH5d")
_SHAPE: Final = Struct("<3sId2B10d")


Scale = tuple[float, float, float]  # the next order on one scale: mean, variance, and the square of this order's z


def log_density(scale: Scale, tail: int) -> float:
    """Of Student's t, at an order on this scale."""
    df = _TAILS[tail]
    return _NORMS[tail] - 0.5 * ((df + 1.0) * math.log1p(scale[2] / df) + math.log(scale[1]))


@dataclass(slots=True)
class Baseline:
    """The usual order in one currency. `mean` and `var` are of the logarithm, `raw_mean` and `raw_var` of the amount;
    `count` is how many orders taught them (a doubtful one counts in part).

    `odds` are those of being in an unusual spell, `evidence` the years of Shiryaev and Roberts. A run of orders that
    began `since` with an unusual one: how many `orders`, how many `unusual`, the last of these, the means of all.
    """

    currency: str
    count: float = 0.0
    mean: float = 0.0
    var: float = 0.0
    raw_mean: float = 0.0
    raw_var: float = 0.0
    odds: float = 0.0
    evidence: float = 0.0
    at: float = 0.0
    since: float = 0.0
    unusual_at: float = 0.0
    run_mean: float = 0.0
    run_raw: float = 0.0
    orders: int = 0
    unusual: int = 0

    def on_log(self, log: float, group: "Group") -> Scale:
        """An order on the scale of its logarithm."""
        n = min(self.count, _MEMORY)
        mean = (n * self.mean + _PRIOR_MEAN * group.mean) / (n + _PRIOR_MEAN)
        var = (n * self.var + PRIOR_ORDERS * group.within) / (n + PRIOR_ORDERS) * (1.0 + 1.0 / (n + _PRIOR_MEAN))
        var += _LEAST_VAR
        off = log - mean
        return mean, var, off * off / var

    def on_raw(self, amount: float, group: "Group") -> Scale:
        """An order on the scale of its amount."""
        n = min(self.count, _MEMORY)
        mean = (n * self.raw_mean + _PRIOR_MEAN * group.raw_mean) / (n + _PRIOR_MEAN)
        square = mean * mean
        var = (n * self.raw_var + PRIOR_ORDERS * group.raw_within * square) / (n + PRIOR_ORDERS)
        var = var * (1.0 + 1.0 / (n + _PRIOR_MEAN)) + _LEAST_VAR * square
        off = amount - mean
        return mean, var, off * off / var

    def learn(self, log: float, amount: float, weight: float, group: "Group") -> None:
        """Takes an order in; one squared residual counts up to nine times the usual, so none rules alone."""
        count = self.count = self.count + weight
        rate = (weight / count if count < _MEMORY else weight / _MEMORY) if count > weight else 1.0
        keep = 1.0 - rate
        off = log - self.mean
        square, most = off * off, _CENSORED * (self.var + group.within)
        self.var = keep * (self.var + rate * (square if square < most else most))
        self.mean += rate * off
        raw = self.raw_mean
        off = amount - raw
        square, most = off * off, _CENSORED * (self.raw_var + group.raw_within * raw * raw)
        self.raw_var = keep * (self.raw_var + rate * (square if square < most else most))
        self.raw_mean = raw + rate * off

    def merge(self, other: "Baseline") -> None:
        n, m = self.count, other.count
        for name in ("mean", "var", "raw_mean", "raw_var"):
            setattr(self, name, weighted(getattr(self, name), n, getattr(other, name), m))
        self.count = n + m
        self.at = max(self.at, other.at)
        if (other.evidence, other.unusual_at) > (self.evidence, self.unusual_at):
            for name in _RUN:
                setattr(self, name, getattr(other, name))


_RUN = ("odds", "evidence", "since", "unusual_at", "run_mean", "run_raw", "orders", "unusual")


@dataclass(slots=True)
class Spend(Section):
    """A customer's baselines by currency."""

    baselines: dict[str, Baseline] = field(default_factory=dict)

    def of(self, currency: str) -> Baseline | None:
        """None where a fourth currency would make the profile too large."""
        found = self.baselines.get(currency)
        if found is None and len(self.baselines) < _MAX_CURRENCIES:
            found = self.baselines[currency] = Baseline(currency)
        return found

    def pack(self) -> bytes:
        return b"".join(
            _BASELINE.pack(
                b.currency.encode(),
                *(b.count, b.mean, b.var, b.raw_mean, b.raw_var, b.odds, b.evidence, b.at),
                *(b.since, b.unusual_at, b.run_mean, b.run_raw, b.orders, b.unusual),
            )
            for b in self.baselines.values()
        )

    @classmethod
    def unpack(cls, packed: bytes) -> "Spend":
        found = (Baseline(code.decode(), *rest) for code, *rest in _BASELINE.iter_unpack(packed))
        return cls({baseline.currency: baseline for baseline in found})

    def merge(self, other: "Spend") -> None:
        for theirs in other.baselines.values():
            ours = self.of(theirs.currency)
            if ours is not None:
                ours.merge(theirs)


stored(Spend, 10)


@dataclass(slots=True)
class Group:
    """Orders of a segment in one currency (segment 0: everybody's): mean squared residual of the logarithm (`within`)
    and, as a share of the squared mean, of the amount (`raw_within`); the mean of both.
    """

    count: float = 0.0
    within: float = 0.25
    raw_within: float = 0.2
    mean: float = 0.0
    raw_mean: float = 0.0

    def note(self, log: float, amount: float) -> None:
        """An order, for the means."""
        count = self.count = self.count + 1.0
        rate = 1.0 / count if count < 2000.0 else 0.0005
        self.mean += rate * (log - self.mean)
        self.raw_mean += rate * (amount - self.raw_mean)

    def scatter(self, log_squared: float, raw_squared: float, weight: float) -> None:
        """Squared residuals, for the variances."""
        rate = weight * max(0.003, 1.0 / (20.0 + self.count))
        self.within += rate * (_CLIPPED * min(log_squared, _CLIP * self.within) - self.within)
        self.raw_within += rate * (_CLIPPED * min(raw_squared, _CLIP * self.raw_within) - self.raw_within)

    def over(self, everybody: "Group") -> "Group":
        """A segment's numbers as far as its orders carry, else everybody's."""
        n, o = self.count, everybody
        return Group(
            n,
            shrunk(self.within, n, o.within, _SEGMENT_PRIOR),
            shrunk(self.raw_within, n, o.raw_within, _SEGMENT_PRIOR),
            shrunk(self.mean, n, o.mean, _SEGMENT_PRIOR),
            shrunk(self.raw_mean, n, o.raw_mean, _SEGMENT_PRIOR),
        )


@dataclass(slots=True)
class Shape:
    """How orders in one currency are distributed: `scores` are mean log scores, per tail, of the logarithm and then of
    the amount. What was decided by them: the weight of the logarithm and the tail of each scale.
    """

    studied: int = 0
    log_weight: float = 0.5
    tail: int = 3
    raw_tail: int = 3
    scores: list[float] = field(default_factory=lambda: [0.0] * (2 * len(_TAILS)))

    def study(self, on_log: Scale, on_raw: Scale, log: float) -> None:
        """Scores every tail on both scales by one order; decides anew every fiftieth time.

        An amount's density times the amount is the density of its logarithm.
        """
        self.studied += 1
        rate = max(0.003, 1.0 / (10.0 + self.studied))
        scores, at = self.scores, 0
        for (_, var, z2), shift in ((on_log, 0.0), (on_raw, log)):
            z2, shift = min(z2, _CENSORED), shift - 0.5 * math.log(var)
            for tail, norm in zip(_TAILS, _NORMS, strict=True):
                scores[at] += rate * (norm - 0.5 * (tail + 1.0) * math.log1p(z2 / tail) + shift - scores[at])
                at += 1
        if self.studied % 50 == 0:
            self._decide()

    def _decide(self) -> None:
        """The best tail of each scale, and the odds of the scales by their scores over the last 300 orders."""
        n = len(_TAILS)
        log, raw = self.scores[:n], self.scores[n:]
        self.tail, self.raw_tail = log.index(max(log)), raw.index(max(raw))
        lead = (max(log) - max(raw)) * min(self.studied, 300)
        self.log_weight = 0.0 if lead < -12 else 1.0 if lead > 12 else 1.0 / (1.0 + math.exp(-lead))


@dataclass(slots=True)
class SpendPopulation(Section):
    """Groups by currency and segment, and the shape by currency."""

    groups: dict[tuple[str, int], Group] = field(default_factory=dict)
    shapes: dict[str, Shape] = field(default_factory=dict)

    def shape(self, currency: str) -> Shape:
        found = self.shapes.get(currency)
        if found is None:
            found = self.shapes.setdefault(currency if len(self.shapes) < _MAX_GROUPS else "", Shape())
        return found

    def group(self, currency: str, segment: int) -> Group:
        """To learn from; what comes after 64 groups shares one."""
        found = self.groups.get((currency, segment))
        if found is None:
            key = (currency, segment) if len(self.groups) < _MAX_GROUPS else ("", 0)
            found = self.groups.setdefault(key, Group())
        return found

    def study(self, baseline: Baseline, segment: int, group: Group, log: float, amount: float, weight: float) -> None:
        """An order teaches how orders are distributed, and how they scatter about their own customer's mean."""
        on_log, on_raw = baseline.on_log(log, group), baseline.on_raw(amount, group)
        self.shape(baseline.currency).study(on_log, on_raw, log)
        mean = max(on_raw[0], 1e-9)
        fresh = baseline.count / (baseline.count + 1.0)  # the mean is not known exactly either
        squares = fresh * (log - on_log[0]) ** 2, fresh * ((amount - mean) / mean) ** 2
        for number in {0, segment}:
            self.group(baseline.currency, number).scatter(*squares, weight)

    def pack(self) -> bytes:
        groups = [
            _GROUP.pack(code.encode(), segment, g.count, g.within, g.raw_within, g.mean, g.raw_mean)
            for (code, segment), g in self.groups.items()
        ]
        shapes = [
            _SHAPE.pack(code.encode(), s.studied, s.log_weight, s.tail, s.raw_tail, *s.scores)
            for code, s in self.shapes.items()
        ]
        return b"".join((bytes([len(groups)]), *groups, *shapes))

    @classmethod
    def unpack(cls, packed: bytes) -> "SpendPopulation":
        end = 1 + packed[0] * _GROUP.size
        found = cls()
        for code, segment, *numbers in _GROUP.iter_unpack(packed[1:end]):
            found.groups[(_code(code), segment)] = Group(*numbers)
        for code, studied, log_weight, tail, raw_tail, *scores in _SHAPE.iter_unpack(packed[end:]):
            found.shapes[_code(code)] = Shape(studied, log_weight, tail, raw_tail, scores)
        return found


stored(SpendPopulation, 11)


def _code(packed: bytes) -> str:
    return packed.rstrip(b"\0").decode()
