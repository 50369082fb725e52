"""The day of a busy shop as requests with a moment each: the demo's mix, and one event in a hundred is a surprise.

Pure: the same `Day` gives the same requests, so the process that sends them and the one that waits for alerts agree.
"""

import base64
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from common.keys import entity_key

REGULARS = 1_500
USUAL, SURPRISE = 40.0, 600.0
HISTORY_ORDERS, GAP_DAYS = 8, 9
# Of a hundred events, besides the one surprise.
MIX = {"page": 87, "order": 8, "lead": 2, "ticket": 2}
PAGES = ("Home", "Teas", "Coffee", "Gifts", "Basket", "Delivery", "Help")


@dataclass(frozen=True)
class Access:
    """Where the shop posts and with what."""

    capture_port: int
    ticketing_port: int
    write_key: str
    server_key: str
    api_token: str


@dataclass(frozen=True)
class Day:
    """`rate` events a second for `seconds`, after `warm_up` seconds of the same without surprises."""

    rate: int
    seconds: int
    warm_up: int
    opens: datetime

    @property
    def surprises(self) -> int:
        """How many customers give one surprise each."""
        return self.rate * self.seconds // 100


@dataclass(frozen=True)
class Shot:
    """A request ready to be sent, `at` seconds after the opening. `customer` is the key of who gives a surprise."""

    at: float
    port: int
    request: bytes
    customer: str | None = None


def surprised(number: int) -> str:
    return f"surprise-{number:05}"


def regular(number: int) -> str:
    return f"regular-{number:05}"


def mail_of(user: str) -> str:
    return f"{user}@example.com"


def key_of(user: str) -> str:
    """The customer key under which the whole system knows a user."""
    return entity_key("c", "user_id", user)


def history(day: Day) -> Iterator[dict[str, Any]]:
    """Who the customers are and their orders like clockwork, oldest first: Segment events for a backfill."""
    users = [*map(surprised, range(day.surprises)), *map(regular, range(REGULARS))]
    yield from (_identify(user, day.opens) for user in users)
    for nth in range(HISTORY_ORDERS):
        at = day.opens - timedelta(days=3 + GAP_DAYS * (HISTORY_ORDERS - 1 - nth))
        total = USUAL * (0.97 + 0.01 * (nth % 7))
        yield from (_past_order(user, nth, at, total) for user in users)


def earlier_tickets(day: Day) -> list[dict[str, Any]]:
    """One each of the customers who will write: the desk knows them, so no ticket of the day makes two people one."""
    share = 1.2 * MIX["ticket"] / 100
    writers = min(REGULARS, round(share * day.rate * (day.warm_up + day.seconds)))
    return [ticket(regular(n)) for n in range(writers)]


def ticket(user: str) -> dict[str, Any]:
    return {
        "email": mail_of(user),
        "subject": "Parcel has not arrived",
        "text": "It was promised for Tuesday. Where is it?",
        "priority": "normal",
        "channel": "web",
    }


def shots(day: Day, access: Access) -> list[Shot]:
    """All requests in the order of their moments, evenly spaced; moments before the opening are negative."""
    customers = _Customers(day, access)
    numbers = range(-day.rate * day.warm_up, day.rate * day.seconds)
    return [customers.surprise(n) if n >= 0 and n % 100 == 50 else customers.usual(n) for n in numbers]


class _Customers:
    """What they do; `n` numbers the events of a day, from its opening on."""

    def __init__(self, day: Day, access: Access) -> None:
        self._day, self._access = day, access
        self._r = random.Random(5)
        self._tickets = 0
        self._make = {"page": self._page, "order": self._order, "lead": self._lead, "ticket": self._ticket}

    def surprise(self, n: int) -> Shot:
        """Somebody spends many times the usual."""
        user = surprised(n // 100)
        return self._capture(n, "/v1/orders", self._access.server_key, self._bill(n, user, SURPRISE), key_of(user))

    def usual(self, n: int) -> Shot:
        kind = self._r.choices(list(MIX), list(MIX.values()))[0]
        return self._make[kind](n)

    def _order(self, n: int) -> Shot:
        bill = self._bill(n, self._somebody(), USUAL * self._r.uniform(0.95, 1.05))
        return self._capture(n, "/v1/orders", self._access.server_key, bill)

    def _bill(self, n: int, user: str, total: float) -> dict[str, Any]:
        items = [
            {"sku": f"TEA-{i}", "name": "Assam tea", "quantity": 2, "unit_price": f"{total / 6:.2f}"} for i in "123"
        ]
        return {
            "order_id": f"order-{n}",
            "customer": {"user_id": user, "email": mail_of(user), "name": f"Ada {user}"},
            "items": items,
            "total": f"{total:.2f}",
            "currency": "GBP",
            "time": self._moment(n),
            "channel": "pos",
        }

    def _page(self, n: int) -> Shot:
        user, name = self._somebody(), self._r.choice(PAGES)
        body = {
            "type": "page",
            "messageId": f"page-{n}",
            "userId": user,
            "anonymousId": f"browser-{user}",
            "name": name,
            "timestamp": self._moment(n),
            "context": {"page": {"url": f"https://shop.example/{name.lower()}"}},
        }
        return self._capture(n, "/v1/page", self._access.write_key, body)

    def _lead(self, n: int) -> Shot:
        body = {
            "name": f"Grace {n}",
            "email": f"grace.{n}@example.org",
            "company": "Hopper & Partners",
            "message": "Please call me about gift boxes.",
            "consent": {"given": True, "text": "Yes, write to me about offers.", "channel": "email"},
            "utm_source": "newsletter",
            "form": "contact",
        }
        return self._capture(n, "/v1/leads", self._access.write_key, body)

    def _ticket(self, n: int) -> Shot:
        # In turn: three of one customer within weeks would be an alert of its own.
        self._tickets += 1
        body = ticket(regular(self._tickets % REGULARS))
        request = post("/v1/tickets", f"Bearer {self._access.api_token}", body)
        return Shot(n / self._day.rate, self._access.ticketing_port, request)

    def _capture(self, n: int, path: str, key: str, body: dict[str, Any], customer: str | None = None) -> Shot:
        request = post(path, _basic(key), body)
        return Shot(n / self._day.rate, self._access.capture_port, request, customer)

    def _somebody(self) -> str:
        return regular(self._r.randrange(REGULARS))

    def _moment(self, n: int) -> str:
        return _moment(self._day.opens + timedelta(seconds=n / self._day.rate))


def post(path: str, authorization: str, body: Any) -> bytes:
    """A whole HTTP request."""
    data = orjson.dumps(body)
    head = (
        f"POST {path} HTTP/1.1\r\nhost: shop.example\r\nauthorization: {authorization}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
    )
    return head.encode() + data


def _basic(key: str) -> str:
    return f"Basic {base64.b64encode(f'{key}:'.encode()).decode()}"


def _identify(user: str, opens: datetime) -> dict[str, Any]:
    return {
        "type": "identify",
        "userId": user,
        "anonymousId": f"browser-{user}",
        "messageId": f"identify-{user}",
        "timestamp": _moment(opens - timedelta(days=100)),
        "traits": {"name": f"Ada {user}", "email": mail_of(user)},
    }


def _past_order(user: str, nth: int, at: datetime, total: float) -> dict[str, Any]:
    return {
        "type": "track",
        "event": "Order Completed",
        "userId": user,
        "messageId": f"past-{user}-{nth}",
        "timestamp": _moment(at),
        "properties": {"order_id": f"past-{user}-{nth}", "currency": "GBP", "total": f"{total:.2f}"},
        "context": {"traits": {"email": mail_of(user)}},
    }


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
