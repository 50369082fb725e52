"""The running service: facts from a real broker, mail to a real server, requests over HTTP."""

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer
from jsonschema import validate

from campaign.main import build
from campaign.settings import Settings
from common.bus import KafkaPublisher, Message
from common.envelope import Envelope, decode
from common.ids import new_id
from common.keys import entity_key
from common.tokens import generate_keys, mint

CONTRACTS = Path(__file__).parents[2] / "contracts"
PRIVATE, PUBLIC = generate_keys()
LINK = re.compile(r"http://public\.example(/t/[cou]/[\w-]+(?:\.gif)?)")


async def eventually(check: Callable[[], Awaitable[Any]], seconds: float = 60.0) -> Any:
    async with asyncio.timeout(seconds):
        while True:
            if answer := await check():
                return answer
            await asyncio.sleep(0.05)


def authorised(*roles: str) -> dict[str, str]:
    token = mint(PRIVATE, "u", "Ann", frozenset(roles), timedelta(minutes=5))
    return {"Authorization": f"Bearer {token}"}


@dataclass
class Running:
    """The service and the world around it."""

    client: httpx.AsyncClient
    publisher: KafkaPublisher
    consumer: AIOKafkaConsumer
    prefix: str
    sink: Any
    facts: list[Envelope]

    async def tell(self, topic: str, type_: str, key: str, data: dict[str, Any], **attributes: Any) -> Envelope:
        now = datetime.now(UTC)
        fact = Envelope(type_, "/heed/test", key, data, now, now, subject=key, **attributes)
        await self.repeat(topic, fact)
        return fact

    async def repeat(self, topic: str, fact: Envelope) -> None:
        message = Message(f"{self.prefix}.{topic}", fact.key, fact.value(), fact.headers())
        await self.publisher.publish([message])

    async def person(self) -> str:
        """A contact who agreed to e-mail."""
        customer = entity_key("c", "email", f"{secrets.token_hex(8)}@example.com")
        contact: dict[str, Any] = {"contact": customer, "name": "Ada Byron", "email": f"{customer}@example.com"}
        contact |= {"identifiers": {}, "consent": {"email": True}, "traits": {}}
        await self.tell("customer-facts", "heed.contact.created.v1", customer, contact)
        return customer

    async def raise_trigger(self, customer: str, **attributes: Any) -> Envelope:
        data = {"trigger": new_id(), "kind": "purchase_silence", "customer": customer, "direction": "bad"}
        return await self.tell("triggers", "heed.trigger.raised.v1", customer, data, **attributes)

    async def order(self, customer: str) -> Envelope:
        data = {"order_id": new_id(), "currency": "GBP", "total": "42.50", "items": [], "identifiers": {}}
        return await self.tell("customer-facts", "heed.order.placed.v1", customer, data)

    async def mail(self, customer: str) -> list[str]:
        """Paths of the links of the one mail that the customer got."""

        async def arrived() -> list[Any]:
            return [m for m in self.sink.taken if m["To"].addresses[0].addr_spec == f"{customer}@example.com"]

        (message,) = await eventually(arrived)
        html = message.get_body(("html",)).get_content()
        return sorted(set(LINK.findall(html)))

    async def said(self, customer: str, *types: str) -> list[Envelope]:
        """What campaign said about a customer, once it is these types in this order."""

        async def all_said() -> list[Envelope]:
            for records in (await self.consumer.getmany(timeout_ms=50)).values():
                self.facts.extend(decode(r.key, r.headers, r.value) for r in records)
            mine = [f for f in self.facts if f.key == customer and f.source == "/heed/campaign"]
            return mine if len(mine) >= len(types) else []

        facts = list(await eventually(all_said))
        assert [fact.type for fact in facts] == [f"heed.{type_}.v1" for type_ in types]
        for fact in facts:
            validate(fact.data, orjson.loads((CONTRACTS / f"{fact.type}.json").read_bytes())["schema"])
        return facts

    async def get(self, path: str, **query: Any) -> Any:
        answer = await self.client.get(path, params=query, headers=authorised("marketing"))
        assert answer.status_code == 200, answer.text
        return answer.json()


@asynccontextmanager
async def started(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    app = build(settings)
    async with (
        app.http.router.lifespan_context(app.http),
        httpx.AsyncClient(transport=httpx.ASGITransport(app.http), base_url="http://campaign.test") as client,
    ):
        yield client


@pytest_asyncio.fixture(scope="module")
async def running(migrated: str, kafka: str, topic_prefix: str, serving: Any) -> AsyncIterator[Running]:
    async with serving() as sink:
        settings = Settings(
            database_url=migrated,
            kafka_bootstrap_servers=kafka,
            topic_prefix=topic_prefix,
            token_public_key=PUBLIC,
            smtp_url=sink.url,
            public_url="http://public.example",
            shop_url="https://shop.example/",
            wait_scale=1 / 36_000,
            timer_seconds=0.05,
            instance="test",
        )
        consumer = AIOKafkaConsumer(
            f"{topic_prefix}.customer-facts", bootstrap_servers=kafka, auto_offset_reset="earliest"
        )
        publisher = KafkaPublisher(kafka)
        async with started(settings) as client, consumer:
            yield Running(client, publisher, consumer, topic_prefix, sink, [])
            await publisher.stop()


async def test_from_a_trigger_over_a_mail_to_an_order(running: Running) -> None:
    before = (await running.get("/v1/journeys"))["items"][0]
    customer = await running.person()
    raised = await running.raise_trigger(customer)
    await running.repeat("triggers", raised)
    click, pixel, _ = await running.mail(customer)
    await running.said(customer, "journey.entered", "message.sent")
    assert (await running.client.get(pixel)).headers["content-type"] == "image/gif"
    answer = await running.client.get(click)
    assert (answer.status_code, answer.headers["location"].split("?")[0]) == (302, "https://shop.example/")
    await running.order(customer)
    facts = await running.said(
        customer,
        "journey.entered",
        "message.sent",
        "message.opened",
        "message.clicked",
        "message.converted",
        "journey.ended",
    )
    assert facts[-1].data["outcome"] == "won_back"
    assert {fact.correlation_id for fact in facts[:4]} == {raised.id}
    (message,) = (await running.get("/v1/messages", contact=customer))["items"]
    assert message["status"] == "sent"
    assert None not in [message[f"{what}_at"] for what in ("sent", "opened", "clicked", "converted")]
    after = (await running.get("/v1/journeys"))["items"][0]
    assert after["enrolled"] == before["enrolled"] + 1
    assert after["ended"]["won_back"] == before["ended"].get("won_back", 0) + 1
    steps = {step["id"]: step for step in after["steps"]}
    assert {name: steps["hello"][name] for name in ("kind", "entered", "sent", "opened", "clicked", "converted")} == {
        "kind": "email",
        "entered": 1,
        "sent": 1,
        "opened": 1,
        "clicked": 1,
        "converted": 1,
    }
    (enrolment,) = (await running.get("/v1/journeys/win_back/enrolments", status="ended"))["items"]
    assert (enrolment["name"], enrolment["outcome"]) == ("Ada Byron", "won_back")


async def test_backfill_mails_nobody(running: Running) -> None:
    quiet, loud = await running.person(), await running.person()
    await running.raise_trigger(quiet, backfill=datetime.now(UTC))
    await running.raise_trigger(loud)
    await running.mail(loud)
    assert (await running.get("/v1/messages", contact=quiet))["items"] == []


async def test_one_click_unsubscribes_and_a_look_does_not(running: Running) -> None:
    customer = await running.person()
    await running.raise_trigger(customer)
    *_, way_out = await running.mail(customer)
    await running.said(customer, "journey.entered", "message.sent")
    page = await running.client.get(way_out)
    assert '<form method="post">' in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    clicked = await running.client.post(way_out, data={"List-Unsubscribe": "One-Click"})
    again = await running.client.post(way_out)
    assert (clicked.status_code, again.status_code) == (200, 200)
    *_, consent, ended = await running.said(
        customer, "journey.entered", "message.sent", "consent.changed", "journey.ended"
    )
    assert consent.data == {"channel": "email", "given": False, "reason": "unsubscribed by link"}
    assert ended.data["outcome"] == "unsubscribed"


@pytest.mark.parametrize("path", ["/t/c/unknown", "/t/u/unknown"])
async def test_tokens_that_are_not_ours(running: Running, path: str) -> None:
    assert (await running.client.get(path)).status_code == 404
    assert (await running.client.get("/t/o/unknown.gif")).status_code == 200
    assert (await running.client.post("/t/u/unknown")).status_code == 404


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/t/c/%00", 422),
        ("/t/c/" + "x" * 500, 422),
        ("/t/c/x?url=https://evil.example", 404),
        ("/v1/messages?contact=c_%00", 422),
        ("/v1/messages?status=lost", 422),
        ("/v1/messages?limit=0", 422),
        ("/v1/messages?cursor=nonsense", 422),
        ("/v1/journeys/none/enrolments", 404),
        ("/v1/journeys/%00/enrolments", 404),
        ("/v1/journeys/win_back/steps/settle/preview", 404),
        (f"/v1/journeys/win_back/steps/hello/preview?contact=c_{'a' * 26}", 404),
    ],
)
async def test_bad_requests(running: Running, path: str, status: int) -> None:
    answer = await running.client.get(path, headers=authorised("marketing"))
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


async def test_who_may_look(running: Running) -> None:
    assert (await running.client.get("/v1/journeys")).status_code == 401
    assert (await running.client.get("/v1/messages", headers=authorised("guest"))).status_code == 403
    assert (await running.client.get("/readyz")).status_code == 200


async def test_a_preview_sends_nothing(running: Running) -> None:
    customer = await running.person()

    async def known() -> bool:
        answer = await running.client.get(
            "/v1/journeys/win_back/steps/hello/preview", params={"contact": customer}, headers=authorised("marketing")
        )
        return answer.status_code == 200

    await eventually(known)
    preview = await running.get("/v1/journeys/win_back/steps/hello/preview", contact=customer)
    assert preview["subject"] == "We have missed you, Ada"
    assert (await running.get("/v1/messages", contact=customer))["items"] == []
    assert (await running.get("/v1/journeys/win_back/steps/hello/preview"))["subject"] == "We have missed you"


async def test_lists_come_in_pages(running: Running) -> None:
    for _ in range(3):
        await running.raise_trigger(await running.person())

    async def three() -> bool:
        return len((await running.get("/v1/messages", status="sent"))["items"]) >= 3

    await eventually(three)
    everything = (await running.get("/v1/messages"))["items"]
    paged, cursor = [], None
    while True:
        page = await running.get("/v1/messages", limit=2, **({"cursor": cursor} if cursor else {}))
        paged += page["items"]
        if (cursor := page["next"]) is None:
            break
    assert [row["id"] for row in paged] == [row["id"] for row in everything]


async def test_poison_does_not_stop_it(running: Running) -> None:
    customer = await running.person()
    broken: list[tuple[str, dict[str, Any]]] = [
        ("heed.trigger.raised.v1", {}),
        ("heed.trigger.raised.v1", {"trigger": "a\0", "kind": "churn_risk", "customer": customer}),
        ("heed.trigger.cleared.v1", {"trigger": 1}),
        ("heed.contact.updated.v1", {"contact": customer, "traits": {"a": "\0"}}),
        ("heed.contact.merged.v1", {"losing": customer}),
        ("heed.order.placed.v1", {"total": []}),
    ]
    for type_, data in broken:
        await running.tell("triggers", type_, customer, data)
    await running.raise_trigger(customer)
    await running.mail(customer)
