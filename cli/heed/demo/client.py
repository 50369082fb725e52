"""Heed's public APIs, as the shop's systems call them."""

import asyncio
import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
import structlog

from heed.demo.people import Person, Purchase

log = structlog.get_logger()

BATCH = 400
_NOBODY = httpx.Auth()


def rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


class Shop:
    """Everything the shop posts. A call that fails is tried again until the other side is back."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._capture = environ["LEAD_CAPTURE_URL"]
        self._ticketing = environ["TICKETING_URL"]
        self._write, self._server, self._token = environ["WRITE_KEY"], environ["SERVER_KEY"], environ["API_TOKEN"]
        self._client = httpx.AsyncClient(timeout=20, trust_env=False)

    async def begin_import(self) -> str:
        answer = await self._post(f"{self._capture}/v1/imports", {}, auth=(self._server, ""))
        return str(answer.json()["id"])

    async def end_import(self, import_id: str) -> None:
        await self._post(f"{self._capture}/v1/imports/{import_id}/end", {}, auth=(self._server, ""))

    async def batch(self, events: Iterable[dict[str, Any]], import_id: str) -> None:
        """History, in order."""
        held = list(events)
        for at in range(0, len(held), BATCH):
            body = {"batch": held[at : at + BATCH], "sentAt": rfc3339(datetime.now(UTC))}
            headers = {"Heed-Import": import_id}
            await self._post(f"{self._capture}/v1/batch", body, auth=(self._server, ""), headers=headers)

    async def order(self, order: Purchase) -> None:
        """A till's order."""
        items = [
            {"sku": i["sku"], "name": i["name"], "quantity": i["quantity"], "unit_price": i["price"]}
            for i in order.items
        ]
        body = {
            "order_id": order.order_id,
            "customer": {"user_id": order.person.user_id, "email": order.person.email, "name": order.person.name},
            "items": items,
            "total": order.total,
            "currency": "GBP",
            "time": rfc3339(order.at),
            "channel": "pos",
        }
        await self._post(f"{self._capture}/v1/orders", body, auth=(self._server, ""))

    async def page(self, person: Person, name: str, at: datetime) -> None:
        """A page view of the website."""
        body = {
            "userId": person.user_id,
            "anonymousId": f"browser-{person.user_id}",
            "name": name,
            "timestamp": rfc3339(at),
            "context": {"page": {"url": f"https://shop.example/{name.lower().replace(' ', '-')}"}},
        }
        await self._post(f"{self._capture}/v1/page", body, auth=(self._write, ""))

    async def lead(self, lead: dict[str, Any]) -> None:
        """A web form."""
        await self._post(f"{self._capture}/v1/leads", lead, auth=(self._write, ""))

    async def ticket(self, person: Person, subject: str, text: str, priority: str) -> None:
        body = {"email": person.email, "subject": subject, "text": text, "priority": priority, "channel": "web"}
        headers = {"Authorization": f"Bearer {self._token}"}
        await self._post(f"{self._ticketing}/v1/tickets", body, headers=headers)

    async def follow(self, link: str) -> None:
        """Opens a link of an e-mail, without going where it leads."""
        await self._client.get(link, follow_redirects=False)

    async def _post(
        self,
        url: str,
        body: Any,
        *,
        auth: tuple[str, str] | httpx.Auth = _NOBODY,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        pause = 0.5
        while True:
            try:
                answer = await self._client.post(url, json=body, auth=auth, headers=headers)
                if answer.status_code < 500 and answer.status_code != 429:
                    if answer.is_error:
                        log.error("refused", url=url, status=answer.status_code, answer=answer.text[:300])
                    return answer
                log.warning("put off", url=url, status=answer.status_code)
            except httpx.TransportError as error:
                log.warning("put off", url=url, error=str(error))
            await asyncio.sleep(pause)
            pause = min(10.0, pause * 2)


def identify(person: Person, at: datetime) -> dict[str, Any]:
    """Segment's `identify`: who somebody is."""
    return {
        "type": "identify",
        "userId": person.user_id,
        "anonymousId": f"browser-{person.user_id}",
        "messageId": f"demo-identify-{person.user_id}",
        "timestamp": rfc3339(at),
        "traits": {"name": person.name, "email": person.email, "consent": {"email": True}},
    }


def completed(order: Purchase) -> dict[str, Any]:
    """Segment's `Order Completed` or `Order Refunded`."""
    properties: dict[str, Any] = {
        "order_id": order.order_id,
        "currency": "GBP",
        "total": order.total,
        "products": order.items,
    }
    return {
        "type": "track",
        "event": "Order Refunded" if order.returned else "Order Completed",
        "userId": order.person.user_id,
        "messageId": f"demo-{order.order_id}",
        "timestamp": rfc3339(order.at),
        "properties": properties,
        "context": {"traits": {"email": order.person.email}},
    }
