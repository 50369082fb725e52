"""Names that people can read for segments, from where a segment's centre is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf

NEW_DAYS = 56.0
_SLACK = 1.25  # a segment keeps its kind while it is no further than this outside of it


@dataclass(frozen=True)
class Centre:
    """A segment's middle in plain numbers: days with an order, money, days between orders, how many of their gaps the
    customers are silent for, days since the first order, and the share of all customers who spent less.
    """

    orders: float
    money: float
    gap: float
    overdue: float
    tenure: float
    richer_than: float


@dataclass(frozen=True)
class _Kind:
    """A kind of customer: from and below which number of orders, gaps silent, and days since the first order."""

    words: str
    orders: tuple[float, float]
    overdue: tuple[float, float] = (0.0, inf)
    tenure: tuple[float, float] = (0.0, inf)

    def holds(self, centre: Centre, slack: float = 1.0) -> bool:
        limits = ((self.orders, centre.orders), (self.overdue, centre.overdue), (self.tenure, centre.tenure))
        return all(low / slack <= value < high * slack for (low, high), value in limits)


_ONCE, _SOME, _OFTEN = (0.0, 1.6), (1.6, 4.0), (4.0, inf)
_ON_TIME, _LATE, _GONE = (0.0, 1.8), (1.8, 5.0), (5.0, inf)
# Every centre is within one; the first counts.
KINDS: Mapping[str, _Kind] = {
    "new": _Kind("Bought for the first time not long ago.", _ONCE, tenure=(0.0, NEW_DAYS)),
    "one-timers": _Kind("Bought once, and have not come back so far.", _ONCE, (0.0, 5.0)),
    "lost one-timers": _Kind("Bought once, very long ago.", _ONCE, _GONE),
    "regulars": _Kind("Buy often, and lately too.", _OFTEN, _ON_TIME),
    "slipping regulars": _Kind("Bought often; silent for longer than their rhythm explains.", _OFTEN, _LATE),
    "lost regulars": _Kind("Bought often; silent for many times their usual gap.", _OFTEN, _GONE),
    "occasional buyers": _Kind("Bought a few times, and not longer ago than usual.", _SOME, _ON_TIME),
    "slipping occasional buyers": _Kind("Bought a few times; silent for longer than usual.", _SOME, _LATE),
    "lost occasional buyers": _Kind("Bought a few times; silent for many times their usual gap.", _SOME, _GONE),
}
_RICH = 0.8  # of all customers spent less: big spenders
# What tells segments of a kind apart: the number, the word for the least and for the most of it.
_APART = {
    "money": ("small-spending", "big-spending"),
    "orders": ("less frequent", "more frequent"),
    "overdue": ("not long silent", "longer silent"),
    "tenure": ("recent", "older"),
}
_SHORTER = {
    "big-spending regulars": "loyal big spenders",
    "big-spending occasional buyers": "big occasional buyers",
    "big-spending new": "new big spenders",
    "recent new": "newest",
}


def kinds_of(centres: Sequence[Centre], before: Sequence[str]) -> tuple[str, ...]:
    """Each segment's kind; the one it had before, while it is nearly that."""
    found = []
    for at, centre in enumerate(centres):
        if at < len(before) and KINDS[before[at]].holds(centre, _SLACK):
            found.append(before[at])
        else:
            found.append(next(name for name, kind in KINDS.items() if kind.holds(centre)))
    return tuple(found)


def names_of(centres: Sequence[Centre], kinds: Sequence[str], before: Sequence[str]) -> tuple[str, ...]:
    """A name of its own for each. Segments of one kind are told apart by the number in which they differ most, or by
    another one while that leaves them the names they had.
    """
    names = list(kinds)
    for kind in dict.fromkeys(kinds):
        mine = [at for at, name in enumerate(kinds) if name == kind]
        had = [before[at] if at < len(before) else "" for at in mine]
        for at, name in zip(mine, _apart(kind, [centres[at] for at in mine], had), strict=True):
            names[at] = _SHORTER.get(name, name)
    return tuple(names)


def _apart(kind: str, centres: Sequence[Centre], had: Sequence[str]) -> list[str]:
    if len(centres) == 1:
        return [f"big-spending {kind}" if centres[0].richer_than >= _RICH else kind]
    ways = sorted(_APART, key=lambda number: -_ratio([getattr(centre, number) for centre in centres]))
    found = [_ordered(kind, number, [getattr(centre, number) for centre in centres]) for number in ways]
    return next((names for names in found if [_SHORTER.get(name, name) for name in names] == list(had)), found[0])


def _ratio(values: Sequence[float]) -> float:
    return (max(values) + 0.1) / (max(0.0, min(values)) + 0.1)


def _ordered(kind: str, number: str, values: Sequence[float]) -> list[str]:
    """The most, and of three and more also the least, get the word for it; those between are counted."""
    less, more = _APART[number]
    order = sorted(range(len(values)), key=lambda at: (values[at], at))
    between = [kind, *(f"{kind} ({n})" for n in range(2, len(order)))]
    words = [f"{less} {kind}", *between][: len(order) - 1] if len(order) > 2 else [kind]
    named = dict(zip(order, [*words, f"{more} {kind}"], strict=True))
    return [named[at] for at in range(len(values))]
