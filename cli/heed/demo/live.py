"""What happens in the shop while one watches: the usual, and now and then something worth noticing."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import structlog

from heed.demo.client import Shop
from heed.demo.mail import Inboxes
from heed.demo.people import FIRST, LAST, Fate, Person, Purchase, basket

log = structlog.get_logger()

PAGES = ("Home", "Teas", "Coffee", "Gifts", "Basket", "Delivery", "Help")
COMPLAINTS = (
    ("Parcel has not arrived", "It was promised for Tuesday. Where is it?"),
    ("Wrong item in the box", "I ordered the filter beans and got espresso."),
    ("Charged twice", "My bank shows two payments for one order."),
    ("Teapot arrived broken", "The glass is cracked. Please send another."),
)
MESSAGES = ("Do you supply offices?", "Could I get a wholesale price list?", "Please call me about gift boxes.")


class Day:
    """A day at the shop. `slot` numbers the orders of this run, so that no id comes twice."""

    def __init__(self, shop: Shop, people: list[Person], inboxes: Inboxes, r: random.Random, run: str) -> None:
        self._shop, self._inboxes, self._r, self._run = shop, inboxes, r, run
        self._steady = [p for p in people if p.fate is Fate.STEADY]
        self._by_email = {p.email: p for p in people}
        self._surprising = self._steady[: len(self._steady) // 2]
        self._orders = self._leads = 0

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for seconds, act in (
                (40.0, self._surprise),
                (9.0, self._usual_order),
                (0.8, self._visit),
                (25.0, self._lead),
                (50.0, self._complain),
                (5.0, self._mail),
            ):
                tasks.create_task(self._now_and_then(seconds, act))

    async def _now_and_then(self, seconds: float, act: Callable[[], Awaitable[None]]) -> None:
        await asyncio.sleep(min(2.0, seconds))
        while True:
            await act()
            await asyncio.sleep(self._r.uniform(0.5, 1.5) * seconds)

    async def _surprise(self) -> None:
        """Somebody spends many times the usual."""
        person = self._r.choice(self._surprising)
        await self._buy(person, self._r.uniform(6, 10))
        log.info("surprise", who=person.name)

    async def _usual_order(self) -> None:
        await self._buy(self._r.choice(self._steady[len(self._steady) // 2 :]), 1.0)

    async def _buy(self, person: Person, times: float) -> None:
        self._orders += 1
        items = basket(self._r, person, times)
        order_id = f"{self._run}-{self._orders:05d}"
        await self._shop.order(Purchase(order_id, person, datetime.now(UTC), items))

    async def _visit(self) -> None:
        await self._shop.page(self._r.choice(self._steady), self._r.choice(PAGES), datetime.now(UTC))

    async def _lead(self) -> None:
        self._leads += 1
        first, last = self._r.choice(FIRST), self._r.choice(LAST)
        await self._shop.lead(
            {
                "name": f"{first} {last}",
                "email": f"{first}.{last}.{self._run}.{self._leads}@example.org".lower(),
                "company": f"{last} & Partners",
                "message": self._r.choice(MESSAGES),
                "consent": {"given": True, "text": "Yes, write to me about offers.", "channel": "email"},
                "utm_source": self._r.choice(("newsletter", "search", "fair")),
                "form": "contact",
            }
        )

    async def _complain(self) -> None:
        """Mostly one ticket; sometimes somebody has had enough and writes three."""
        person = self._r.choice(self._surprising)
        often = self._r.random() < 0.4
        for subject, text in self._r.sample(COMPLAINTS, 3 if often else 1):
            await self._shop.ticket(person, subject, text, self._r.choice(("normal", "high")))

    async def _mail(self) -> None:
        for address in await self._inboxes.read():
            person = self._by_email.get(address)
            if person and self._r.random() < 0.5:
                await self._buy(person, 1.0)
                log.info("won back", who=person.name)
