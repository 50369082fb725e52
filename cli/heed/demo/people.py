"""The demo's customers and products: made up, the same for the same seed. Pure."""

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import TypedDict

_FIRST_NAMES = """
Amara Ben Chloe Dev Elena Femi Grace Hugo Isla Jonas Keiko Leo Maya Noah Olga Pavel Quinn Rosa Sami Tara Uma Viktor
Wanda Xavier Yara Zane Aisha Bruno Clara Dmitri Esme Farid Greta Hana Ivan Jade Kofi Lucia Marek Nina
"""
_LAST_NAMES = """
Adler Brown Costa Duarte Evans Fischer Garcia Hansen Ito Jansen Kumar Larsen Moreau Novak Okafor Patel Quist Rossi
Silva Tanaka Urban Vega Weber Xu Young Zeman
"""
FIRST, LAST = _FIRST_NAMES.split(), _LAST_NAMES.split()

PRODUCTS = (
    ("TEA-01", "Assam breakfast tea", 6.5),
    ("TEA-02", "Jasmine green tea", 7.2),
    ("COF-01", "House espresso beans", 11.9),
    ("COF-02", "Ethiopia filter beans", 14.5),
    ("MUG-01", "Stoneware mug", 12.0),
    ("POT-01", "Glass teapot", 29.0),
    ("GRD-01", "Hand grinder", 54.0),
    ("HON-01", "Heather honey", 8.4),
    ("CHO-01", "Dark chocolate bar", 4.2),
    ("BIS-01", "Oat biscuits", 3.8),
)


class Fate(StrEnum):
    """What a customer is about to do."""

    STEADY = "steady"
    LEFT = "left"  # stopped buying long before the demo begins
    FADING = "fading"  # bought like clockwork, and falls silent while one watches


@dataclass(frozen=True)
class Person:
    """`gap` is the days between orders, `pieces` how many a usual order holds."""

    user_id: str
    name: str
    email: str
    fate: Fate
    gap: float
    pieces: int
    favourites: tuple[tuple[str, str, float], ...]


class Item(TypedDict):
    """One line of a basket."""

    sku: str
    name: str
    quantity: int
    price: str


@dataclass(frozen=True)
class Purchase:
    """An order before it is posted."""

    order_id: str
    person: Person
    at: datetime
    items: list[Item] = field(default_factory=list)
    returned: bool = False

    @property
    def total(self) -> str:
        return f"{sum(i['quantity'] * Decimal(i['price']) for i in self.items):.2f}"


def people(seed: int, count: int) -> list[Person]:
    """The shop's customers."""
    r = random.Random(seed)
    return [_person(r, n) for n in range(count)]


def _person(r: random.Random, n: int) -> Person:
    first, last = FIRST[n % len(FIRST)], LAST[(n * 7 + n // len(FIRST)) % len(LAST)]
    fate = Fate.FADING if n % 6 == 5 else Fate.LEFT if n % 5 == 2 else Fate.STEADY
    return Person(
        user_id=f"shop-{1000 + n}",
        name=f"{first} {last}",
        email=f"{first}.{last}.{1000 + n}@example.com".lower(),
        fate=fate,
        gap=float(r.randint(3, 7)) if fate is Fate.FADING else r.uniform(4, 16),
        pieces=r.randint(2, 6),
        favourites=tuple(r.sample(PRODUCTS, 4)),
    )


def basket(r: random.Random, person: Person, times: float = 1.0) -> list[Item]:
    """A usual basket of this person, or `times` as much of it."""
    chosen = r.sample(person.favourites, r.randint(2, 3))
    share = max(1, round(person.pieces * times / len(chosen)))
    return [{"sku": sku, "name": name, "quantity": share, "price": f"{price:.2f}"} for sku, name, price in chosen]


def history(r: random.Random, person: Person, start: datetime, end: datetime, quiet_in: timedelta) -> list[Purchase]:
    """The orders of one person between two moments. One who fades will be remarkably silent `quiet_in` from `end`."""
    if person.fate is Fate.FADING:
        return _clockwork(r, person, start, end + quiet_in - timedelta(days=1.8 * person.gap))
    stop = start + (end - start) * r.uniform(0.08, 0.45) if person.fate is Fate.LEFT else end
    found: list[Purchase] = []
    at = start + timedelta(days=r.uniform(0, person.gap))
    while at < stop:
        found.append(_purchase(r, person, at, len(found)))
        if r.random() < 0.04:
            found.append(_return(r, found[-1]))
        at += timedelta(days=person.gap * r.lognormvariate(0, 0.2))
    return found


def _clockwork(r: random.Random, person: Person, start: datetime, last: datetime) -> list[Purchase]:
    count = int((last - start).days // person.gap)
    times = [last - timedelta(days=person.gap * (count - 1 - i)) for i in range(count)]
    return [_purchase(r, person, at, i) for i, at in enumerate(times)]


def _purchase(r: random.Random, person: Person, at: datetime, n: int) -> Purchase:
    return Purchase(f"{person.user_id}-{n:03d}", person, at, basket(r, person))


def _return(r: random.Random, order: Purchase) -> Purchase:
    at = order.at + timedelta(hours=r.uniform(20, 60))
    return Purchase(f"{order.order_id}-R", order.person, at, order.items[:1], returned=True)
