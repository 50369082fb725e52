"""A client outside the system that writes down what it posted and what it was answered."""

import asyncio
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import httpx

USUAL = 40.0
HISTORY_ORDERS = 8
GAP_DAYS = 9


class Outcome(StrEnum):
    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    AMBIGUOUS = "ambiguous"


@dataclass
class Post:
    """One fact: where it goes, what it says, and what came of it."""

    customer: int
    path: str
    body: dict[str, Any]
    mark: str
    outcome: Outcome = Outcome.AMBIGUOUS
    tries: int = 0


def email_of(customer: int) -> str:
    return f"customer{customer}@example.com"


def moment(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def order(customer: int, mark: str, total: float) -> Post:
    body = {
        "order_id": mark,
        "customer": {"email": email_of(customer)},
        "items": [{"sku": "A", "quantity": 1, "unit_price": f"{total:.2f}"}],
        "total": f"{total:.2f}",
        "currency": "GBP",
        "time": moment(datetime.now(UTC)),
    }
    return Post(customer, "/v1/orders", body, mark)


def visit(customer: int, mark: str) -> Post:
    body = {
        "userId": "",
        "anonymousId": f"anon-{customer}",
        "messageId": mark,
        "name": mark,
        "context": {"traits": {"email": email_of(customer)}},
    }
    return Post(customer, "/v1/page", body, mark)


def broken(customer: int, mark: str) -> Post:
    """Something that must be refused and leave no trace."""
    post = order(customer, mark, USUAL)
    post.body["currency"] = "pounds"
    return post


@dataclass
class Plan:
    """What will be posted: `surprised` customers get one order far from their usual, the others what they always do."""

    posts: list[Post]
    surprised: set[int]
    usual: set[int]
    quiet: set[int] = field(default_factory=set)


def plan(r: random.Random, facts: int, customers: int) -> Plan:
    """1 % surprises, 3 % refused, the rest ordinary orders and visits, shuffled."""
    surprised = set(range(max(10, facts // 100)))
    usual = set(range(len(surprised), len(surprised) + customers))
    quiet = set(range(1000, 1024))
    posts = [order(customer, f"surprise-{customer}", USUAL * 15) for customer in surprised]
    for n in range(facts - len(posts)):
        customer = r.choice(sorted(usual))
        kind = r.random()
        if kind < 0.03:
            posts.append(broken(customer, f"broken-{n}"))
        elif kind < 0.4:
            posts.append(order(customer, f"order-{n}", USUAL * r.uniform(0.95, 1.05)))
        else:
            posts.append(visit(customer, f"visit-{n}"))
    r.shuffle(posts)
    return Plan(posts, surprised, usual, quiet)


def passers_by() -> list[Post]:
    """Orders of nobody in particular: while a source delivers nothing, nobody's silence is judged."""
    return [order(2000 + n % 80, f"passing-{n}", USUAL) for n in range(10_000)]


def history(customer: int, now: datetime, orders: int = HISTORY_ORDERS, days_ago: float = 3) -> list[dict[str, Any]]:
    """Orders like clockwork, the last of them so many days ago."""
    last = now - timedelta(days=days_ago)
    return [past_order(customer, i, last - timedelta(days=GAP_DAYS * (orders - 1 - i))) for i in range(orders)]


def past_order(customer: int, i: int, at: datetime) -> dict[str, Any]:
    """An order as an import has it."""
    mark = f"history-{customer}-{i}"
    return {
        "type": "track",
        "event": "Order Completed",
        "anonymousId": f"anon-{customer}",
        "messageId": mark,
        "timestamp": moment(at),
        "context": {"traits": {"email": email_of(customer)}},
        "properties": {"order_id": mark, "total": f"{USUAL * (0.97 + 0.01 * (i % 7)):.2f}", "currency": "GBP"},
    }


class Client:
    """Posts like a till or an SDK: tries again with the same id until it gets a clear answer."""

    def __init__(self, url: str, server_key: str) -> None:
        limits = httpx.Limits(max_connections=24)
        self._client = httpx.AsyncClient(
            base_url=url, auth=(server_key, ""), timeout=15, trust_env=False, limits=limits
        )

    async def import_history(self, events: list[dict[str, Any]]) -> None:
        started = (await self._call("/v1/imports", {})).json()
        for at in range(0, len(events), 200):
            await self._call("/v1/batch", {"batch": events[at : at + 200]}, started["id"])
        await self._call(f"/v1/imports/{started['id']}/end", {})

    async def _call(self, path: str, body: dict[str, Any], import_id: str = "") -> httpx.Response:
        """Tries again while the other side is busy. Raises httpx.HTTPStatusError when it refuses."""
        headers = {"Heed-Import": import_id} if import_id else {}
        for _ in range(30):
            answer = await self._client.post(path, json=body, headers=headers)
            if answer.status_code != 503:
                break
            await asyncio.sleep(1)
        return answer.raise_for_status()

    async def post_all(self, posts: list[Post], per_second: float, again: float, r: random.Random) -> None:
        """At a steady rate; a share `again` is sent once more after it was acknowledged."""
        async with asyncio.TaskGroup() as tasks:
            for post in posts:
                tasks.create_task(self._settle(post, twice=r.random() < again))
                await asyncio.sleep(1 / per_second)

    async def _settle(self, post: Post, *, twice: bool) -> None:
        while post.outcome is Outcome.AMBIGUOUS and post.tries < 200:
            await self._try(post)
            if post.outcome is Outcome.AMBIGUOUS:
                await asyncio.sleep(0.3)
        if twice and post.outcome is Outcome.ACKNOWLEDGED:
            await self._try(Post(post.customer, post.path, post.body, post.mark))

    async def _try(self, post: Post) -> None:
        post.tries += 1
        try:
            answer = await self._client.post(post.path, json=post.body)
        except httpx.TransportError:
            return
        if answer.status_code < 300:
            post.outcome = Outcome.ACKNOWLEDGED
        elif answer.status_code < 500 and answer.status_code != 429:
            post.outcome = Outcome.REFUSED

    async def close(self) -> None:
        await self._client.aclose()
