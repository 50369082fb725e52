"""Which group of customers somebody belongs to, by how lately, how often and how much they buy, and in what rhythm.

The groups are learned over all customers; here a customer is put into the nearest, with hysteresis, at scoring moments.
Entered and left groups are facts for everybody. What the learner needs to know is handed over in batches: features of
customers, and how many bought again within the horizon after their n-th purchase.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from struct import Struct
from typing import Any, Final

import orjson

from analytics.events import Event, What, moment
from analytics.operators.base import (
    NOTHING,
    Example,
    Kind,
    Level,
    Operator,
    Outcome,
    Said,
    Scored,
    Standing,
    World,
)
from analytics.orders import DAY, SCALE, Account, Orders, bounded
from analytics.profile import Profile
from analytics.sections import Section, stored
from common.clock import rfc3339

MODEL: Final = "segments"
ENTERED: Final = "heed.segment.entered.v1"
LEFT: Final = "heed.segment.left.v1"
UNKNOWN: Final = "unknown"
FEATURES = ("frequency", "money", "gap", "overdue", "tenure")
PURCHASES: Final = 12  # of a customer, from the first, after which buying again is counted
MARGIN: Final = 0.9  # another segment is nearer when its distance is less than this part of the own one's
BATCH_ROWS: Final = 64
BATCH_SECONDS: Final = 3600.0
SAMPLED_FROM: Final = 20_000  # examples, from which on a customer is learned from every fourth time only

Facts = tuple[float, float, float, float, float, str]
Features = tuple[float, float, float, float, float]


def facts(orders: Orders, now: float) -> Facts:
    """What is known at `now`: days since the last order, days with an order, days from the first to the last of them,
    days since the first order, money spent less returns in the main currency, and that currency.
    """
    account = orders.main_account()
    spent, currency = (0.0, "") if account is None else (max(0, account.spent) / SCALE, account.currency)
    recency, tenure = max(0.0, now - orders.last_at) / DAY, max(0.0, now - orders.first_at) / DAY
    return recency, float(orders.days), float(orders.last_day - orders.first_day), tenure, spent, currency


def features(known: Facts, usual_gap: float) -> Features:
    """The inputs, in the order of FEATURES, as logarithms. The customer's own gap between orders (days) leans on the
    usual one as on one gap more; overdue is recency over that gap, and nothing while it is within.
    """
    recency, days, span, tenure, spent, _ = known
    gap = (span + usual_gap) / days
    late = recency / gap
    log, log1p = math.log, math.log1p
    return log(days), log1p(spent), log1p(gap), log(late) if late > 1.0 else 0.0, log1p(tenure)


@dataclass(slots=True)
class Membership(Section):
    """The segment somebody is in and since when, the one they may be moving to (0: none), and the money counted for it.

    `waiting` are the days of the first purchases of which it is not known yet whether another follows within the
    horizon; the first of them is the `purchase`-th. `lost` is what a merged customer was counted as, until it has been
    taken off.
    """

    since: float = 0.0
    counted: int = 0
    segment: int = 0
    next: int = 0
    currency: bytes = b"\0\0\0"
    purchase: int = 0
    waiting: list[int] = field(default_factory=list)
    lost: list[tuple[int, str, int]] = field(default_factory=list)

    def note(self, purchase: int, day: int) -> None:
        """A day with a purchase."""
        if not self.waiting:
            self.purchase = purchase
        self.waiting.append(day)

    def completed(self, today: int, horizon: float) -> Iterator[tuple[int, bool]]:
        """The purchases whose horizon (days) was over before today: the how-manieth, and whether another followed."""
        while self.waiting and today - self.waiting[0] > horizon:
            day = self.waiting.pop(0)
            yield self.purchase, bool(self.waiting) and self.waiting[0] - day <= horizon
            self.purchase += 1

    def pack(self) -> bytes:
        numbers = (self.since, self.counted, self.segment, self.next, self.currency, self.purchase)
        return self.LAYOUT.pack(*numbers) + b"".join(day.to_bytes(3, "little", signed=True) for day in self.waiting)

    @classmethod
    def unpack(cls, packed: bytes) -> "Membership":
        size = cls.LAYOUT.size
        days = (packed[at : at + 3] for at in range(size, len(packed), 3))
        found = cls(*cls.LAYOUT.unpack_from(packed))
        found.waiting = [int.from_bytes(day, "little", signed=True) for day in days]
        return found

    def merge(self, other: "Membership") -> None:
        """The survivor stays where they are. Which purchase was the how-manieth is not known any more."""
        if other.segment:
            self.lost.append((other.segment, other.currency.decode(), other.counted))
        self.lost += other.lost
        self.waiting = []


stored(Membership, 65, Struct("<dqHH3sB"))


@dataclass(slots=True)
class SegmentPopulation(Section):
    """How many customers of this partition are in each segment and what they spent (ten-thousandths, by segment and
    currency), exactly; and what waits to be handed to the learner. Sums over all partitions are right: of a customer
    who was merged into one of another partition the count is taken off there.
    """

    since: float = 0.0
    customers: dict[str, int] = field(default_factory=dict)
    spent: dict[str, int] = field(default_factory=dict)
    rows: list[list[Any]] = field(default_factory=list)
    loyalty: list[list[int]] = field(default_factory=list)

    def pack(self) -> bytes:
        numbers = [self.since, self.customers, self.spent, self.rows, self.loyalty]
        return orjson.dumps(numbers, option=orjson.OPT_SORT_KEYS)

    @classmethod
    def unpack(cls, packed: bytes) -> "SegmentPopulation":
        return cls(*orjson.loads(packed))

    def count(self, segment: int, currency: str, customers: int, spent: int) -> None:
        """Adds to a segment."""
        if customers:
            number = str(segment)
            self.customers[number] = self.customers.get(number, 0) + customers
        if spent:
            key = f"{segment} {currency}"
            self.spent[key] = bounded(self.spent.get(key, 0) + spent)

    def completed(self, purchase: int, again: bool) -> None:
        """Whether somebody bought again within the horizon after this purchase, one of the first."""
        if purchase > PURCHASES:
            return
        if not self.loyalty:
            self.loyalty = [[0, 0] for _ in range(PURCHASES)]
        counts = self.loyalty[purchase - 1]
        counts[0] += 1
        counts[1] += again

    def take(self, now: float) -> Sequence[Outcome]:
        """The batch as an example."""
        data = {"rows": self.rows, "loyalty": self.loyalty}
        self.rows, self.loyalty = [], []
        return (Example(MODEL, now, data),)


stored(SegmentPopulation, 66)


class Segment(Operator):
    kind = Kind.SEGMENT
    takes = frozenset({What.ORDER})
    model = MODEL

    def learn(self, profile: Profile, event: Event, world: World) -> Sequence[Outcome]:
        """The n-th day with an order: whether another follows within the horizon is known later."""
        orders = profile.of(Orders)
        if orders.days <= PURCHASES + 1 and (orders.count == 1 or orders.gap == orders.gap):
            profile.of(Membership).note(orders.days, orders.last_day)
        return NOTHING

    def weekly(self, profile: Profile, now: float, world: World) -> Sequence[Outcome]:
        orders = profile.of(Orders)
        if not orders.days:
            return NOTHING
        for purchase, again in profile.of(Membership).completed(int(now // DAY), world.plan.horizon / DAY):
            world.of(SegmentPopulation).completed(purchase, again)
        known = facts(orders, now)
        said: Sequence[Outcome] = NOTHING
        adopted = world.models.get(MODEL)
        if adopted is not None and adopted.model.ready:
            said = _place(profile, now, world, adopted.model, known)
            _count(profile, world, orders.main_account())
        return (*said, *_hand_over(orders, now, world, known))

    def merged(self, profile: Profile, world: World) -> None:
        membership = profile.get(Membership)
        if membership is not None and membership.lost:
            population = world.of(SegmentPopulation)
            for segment, currency, counted in membership.lost:
                population.count(segment, currency, -1, -counted)
            membership.lost = []
            profile.segment = membership.segment

    def replaced(self, before: Profile | None, profile: Profile, now: float, world: World) -> Sequence[Outcome]:
        """Counts the new one in place of the old one, and says where they belong if it is another segment."""
        was = before.get(Membership) if before is not None else None
        now_is = profile.get(Membership)
        for membership, sign in ((was, -1), (now_is, 1)):
            if membership is not None and membership.segment:
                money = sign * membership.counted
                world.of(SegmentPopulation).count(membership.segment, membership.currency.decode(), sign, money)
        adopted = world.models.get(MODEL)
        before_in, in_now = (was.segment if was else 0), (now_is.segment if now_is else 0)
        if adopted is None or before_in == in_now:
            return NOTHING
        return _told(adopted.model, before_in, was.since if was else 0.0, in_now, now)

    def standing(self, profile: Profile, world: World, now: float) -> Standing | None:
        adopted, number = world.models.get(MODEL), profile.segment
        name = adopted.model.name(number) if adopted is not None and number else UNKNOWN
        orders = profile.of(Orders)
        if name == UNKNOWN or adopted is None or not orders.days:
            evidence = "no orders" if not orders.days else "not placed yet; everybody is once a week"
            return Standing(self.kind, "Segment", None, Level.UNKNOWN, False, evidence, (), now)
        evidence = f"{name}, {adopted.model.bands_text(orders, now)}"
        return Standing(self.kind, "Segment", None, Level.OK, True, evidence, (), now, adopted.version)


def _place(profile: Profile, now: float, world: World, model: Any, known: Facts) -> Sequence[Outcome]:
    """Into the nearest segment; out of one only when the same other is nearer by a margin twice in a row."""
    membership = profile.of(Membership)
    current = membership.segment
    nearest = model.nearest(features(known, model.usual_gap), known[-1], current, MARGIN)
    if nearest == current:
        membership.next = 0
    elif current and nearest != membership.next:
        membership.next = nearest
    else:
        return _move(profile, membership, nearest, now, world, model)
    return (Scored({"segment": model.name(current)}),)


def _move(profile: Profile, membership: Membership, to: int, now: float, world: World, model: Any) -> Sequence[Outcome]:
    population, before = world.of(SegmentPopulation), membership.segment
    currency = membership.currency.decode()
    if before:
        population.count(before, currency, -1, -membership.counted)
    population.count(to, currency, 1, membership.counted)
    said = _told(model, before, membership.since, to, now)
    membership.segment, membership.next, membership.since = to, 0, now
    profile.segment = to
    return (Scored({"segment": model.name(to)}), *said)


def _told(model: Any, before: int, since: float, to: int, now: float) -> Sequence[Outcome]:
    """That somebody left a segment, where they were in one, and entered another; 0 is none."""
    said: list[Outcome] = []
    if before:
        left = {**_named(model, before), "since": rfc3339(moment(since)), "to": _named(model, to) if to else None}
        said.append(Said(LEFT, left, (before, now)))
    if to:
        entered = {**_named(model, to), "from": _named(model, before) if before else None}
        said.append(Said(ENTERED, entered, (to, now)))
    return said


def _named(model: Any, number: int) -> dict[str, Any]:
    return {"segment": number, "name": model.name(number)}


def _count(profile: Profile, world: World, account: Account | None) -> None:
    """Keeps the segment's money in step with what the customer spent."""
    if account is None:
        return
    membership, population = profile.of(Membership), world.of(SegmentPopulation)
    currency = account.currency.encode()
    if currency != membership.currency:
        population.count(membership.segment, membership.currency.decode(), 0, -membership.counted)
        membership.currency, membership.counted = currency, 0
    if account.spent != membership.counted:
        population.count(membership.segment, account.currency, 0, account.spent - membership.counted)
        membership.counted = account.spent


def _hand_over(orders: Orders, now: float, world: World, known: Facts) -> Sequence[Outcome]:
    """Customers teach the learner each time they are scored; once there are very many, every fourth time."""
    adopted, population = world.models.get(MODEL), world.of(SegmentPopulation)
    if not population.rows:
        population.since = now
    week = int((now + orders.first_at) // world.plan.score_every)
    if adopted is None or adopted.examples < SAMPLED_FROM or not week % 4:
        population.rows.append(list(known))
    rows = len(population.rows)
    if rows >= BATCH_ROWS or (rows and now - population.since >= BATCH_SECONDS):
        return population.take(now)
    return NOTHING
