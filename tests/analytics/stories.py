"""Made-up customers for the tests of analytics: events in the form the fold takes."""

import random
from collections.abc import Iterable, Iterator
from uuid import UUID

from analytics.customers import Changes
from analytics.events import Event, What
from analytics.fold import Fold
from analytics.orders import DAY
from common.envelope import Envelope

START = 1_760_000_000.0


def order(customer: str, at: float, amount: float = 40.0, *, backfill: float = 0.0, n: int = 0) -> Event:
    id_ = str(UUID(int=hash_of(customer, "order", at, n)))
    return Event(What.ORDER, id_, customer, at, max(at, backfill), backfill, round(amount * 10_000), "GBP")


def ticket(customer: str, at: float) -> Event:
    return Event(What.TICKET_OPENED, str(UUID(int=hash_of(customer, "ticket", at))), customer, at, at)


def solved(customer: str, at: float) -> Event:
    id_ = str(UUID(int=hash_of(customer, "solved", at)))
    return Event(What.TICKET_STATUS, id_, customer, at, at, data={"status": "solved"})


def visit(customer: str, at: float) -> Event:
    return Event(What.TOUCHPOINT, str(UUID(int=hash_of(customer, "visit", at))), customer, at, at)


def tick(at: float) -> Event:
    return Event(What.TICK, str(UUID(int=hash_of("", "tick", at))), "", at, at)


def ticks(start: float, end: float, every: float = 500.0) -> Iterator[Event]:
    at = start
    while at <= end:
        yield tick(at)
        at += every


def hash_of(*parts: object) -> int:
    return random.Random("|".join(map(str, parts))).getrandbits(128)


def regular(customer: str, orders: int, gap_days: float, *, start: float = START, **kwargs: float) -> list[Event]:
    """A customer with a steady rhythm and a steady basket."""
    r = random.Random(customer)
    return [
        order(customer, start + i * gap_days * DAY, 40 * r.uniform(0.9, 1.1), **kwargs)  # type: ignore[arg-type]
        for i in range(orders)
    ]


def fold_all(fold: Fold, events: Iterable[Event]) -> list[Envelope]:
    """What was said, in order."""
    for event in events:
        fold.apply(event)
    return fold.take_changes().triggers


def kinds(said: Iterable[Envelope]) -> list[tuple[str, str]]:
    """(kind, action) of each step."""
    return [(e.data.get("kind", e.type), e.type.split(".")[2]) for e in said]


def reloaded(fold: Fold, changes: Changes, kept: dict[str, tuple[bytes, bytes | None]]) -> Fold:
    """A fold as a new owner finds it after the checkpoint `changes`; `kept` stands for the tables."""
    for customer, packed in changes.profiles.items():
        kept[customer] = (packed, kept[customer][1] if customer in kept else None)
    for customer, waiting in changes.pending.items():
        kept[customer] = (kept[customer][0], waiting)
    new = Fold(fold.partition, fold.state())
    new.world.models = fold.world.models
    new.load((customer, packed, rows) for customer, (packed, rows) in kept.items())
    return new
