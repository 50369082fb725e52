"""Tickets over HTTP, and the facts that leave with them."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest

from common.clock import FakeClock
from common.keys import entity_key

from_ada = {"email": "Ada@Example.com", "subject": "Late parcel", "text": "Where is it?", "priority": "high"}


async def _open(agent: httpx.AsyncClient, **changed: object) -> dict[str, Any]:
    response = await agent.post("/v1/tickets", json=from_ada | changed)
    assert response.status_code == 201, response.text
    ticket: dict[str, Any] = response.json()
    return ticket


async def test_a_ticket_from_opening_to_closing(agent: httpx.AsyncClient, facts: Any) -> None:
    ticket = await _open(agent)
    assert ticket["customer"] == entity_key("c", "email", "ada@example.com")
    assert (ticket["status"], ticket["number"] > 1000, ticket["escalated"]) == ("new", True, False)
    assert ticket["first_response_due"].endswith("Z")
    assert [reply["text"] for reply in ticket["replies"]] == ["Where is it?"]
    url = f"/v1/tickets/{ticket['id']}"

    answered = (await agent.post(f"{url}/replies", json={"text": "On its way."})).json()
    assert (answered["status"], answered["first_response_due"]) == ("open", None)
    assert answered["replies"][1] | {"id": "", "at": ""} == {
        "id": "", "author": "agent", "name": "Ada", "text": "On its way.", "internal": False, "at": "",
    }  # fmt: skip
    note = await agent.post(f"{url}/replies", json={"text": "Ask the carrier.", "internal": True})
    assert note.json()["replies"][2]["internal"] is True
    assigned = await agent.patch(url, json={"assignee": {"id": "u-1", "name": "Bo"}, "priority": "urgent"})
    assert (assigned.json()["assignee"], assigned.json()["priority"]) == ({"id": "u-1", "name": "Bo"}, "urgent")
    assert (await agent.patch(url, json={"status": "solved"})).json()["resolved_at"]
    reopened = await agent.post(f"{url}/replies", json={"text": "It is broken.", "author": "customer"})
    assert (reopened.json()["status"], reopened.json()["resolved_at"]) == ("open", None)
    assert (await agent.patch(url, json={"assignee": None})).json()["assignee"] is None
    for status in ("solved", "closed"):
        assert (await agent.patch(url, json={"status": status})).json()["status"] == status

    def closed(heard: list[Any]) -> bool:
        return any(fact.data.get("status") == "closed" and fact.data["ticket_id"] == ticket["id"] for fact in heard)

    story = [fact for fact in await facts(closed) if fact.data["ticket_id"] == ticket["id"]]
    assert [fact.type.split(".")[2] for fact in story] == [
        "opened", "replied", "status_changed", "assigned", "status_changed", "replied", "status_changed",
        "assigned", "status_changed", "status_changed",
    ]  # fmt: skip
    assert [fact.data["previous"] for fact in story if "previous" in fact.data] == [
        "new", "open", "solved", "open", "solved",
    ]  # fmt: skip
    assert {fact.key for fact in story} == {ticket["customer"]}
    assert story[0].data["identifiers"] == {"email": "ada@example.com"}
    assert "Ask the carrier." not in str([fact.data for fact in story])


async def test_steps_the_lifecycle_does_not_have(agent: httpx.AsyncClient) -> None:
    ticket = await _open(agent)
    url = f"/v1/tickets/{ticket['id']}"
    refused = await agent.patch(url, json={"status": "closed"})
    assert refused.status_code == 409
    assert "can become open, pending, solved" in refused.json()["detail"]
    for status in ("solved", "closed"):
        await agent.patch(url, json={"status": status})
    assert (await agent.post(f"{url}/replies", json={"text": "And now?"})).status_code == 409


@pytest.mark.parametrize(
    "changed",
    [
        {"email": None},
        {"email": "no address"},
        {"customer": "c_1"},
        {"subject": " "},
        {"subject": "x" * 201},
        {"text": ""},
        {"text": "a\x00b"},
        {"priority": "extreme"},
        {"status": "closed"},
        {"number": 1},
    ],
)
async def test_bad_tickets(agent: httpx.AsyncClient, changed: dict[str, object]) -> None:
    assert (await agent.post("/v1/tickets", json=from_ada | changed)).status_code == 422


async def test_a_customer_writes_no_internal_note(agent: httpx.AsyncClient) -> None:
    ticket = await _open(agent)
    note = {"text": "x", "author": "customer", "internal": True}
    assert (await agent.post(f"/v1/tickets/{ticket['id']}/replies", json=note)).status_code == 422


@pytest.mark.parametrize("query", ["q=%00", "customer=%00", "cursor=zzz", "limit=0", "limit=201", "status=odd"])
async def test_bad_queries(agent: httpx.AsyncClient, query: str) -> None:
    assert (await agent.get(f"/v1/tickets?{query}")).status_code == 422


async def test_what_is_not_there(agent: httpx.AsyncClient) -> None:
    for response in (
        await agent.get("/v1/tickets/none"),
        await agent.patch("/v1/tickets/none", json={}),
        await agent.post("/v1/tickets/none/replies", json={"text": "x"}),
    ):
        assert response.status_code == 404
        assert response.headers["content-type"] == "application/problem+json"


async def test_who_may_what(client: Any) -> None:
    assert (await client("sales").get("/v1/tickets")).status_code == 200
    assert (await client("sales").post("/v1/tickets", json=from_ada)).status_code == 403
    assert (await client("marketing").get("/v1/tickets")).status_code == 403
    assert (await client().get("/v1/tickets", headers={"authorization": ""})).status_code == 401


async def test_search_and_pages(agent: httpx.AsyncClient, clock: FakeClock) -> None:
    made = []
    for number in range(5):
        clock.advance(timedelta(milliseconds=1))
        made.append(await _open(agent, subject=f"Odd 100%_{number}", email="pages@example.com", priority="low"))
    ids = [ticket["id"] for ticket in reversed(made)]
    customer = made[0]["customer"]
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        query = {"customer": customer, "limit": 2, **({"cursor": cursor} if cursor else {})}
        answer = (await agent.get("/v1/tickets", params=query)).json()
        found += [ticket["id"] for ticket in answer["items"]]
        cursor = answer["next"]
    assert found == ids
    for text, expected in (("100%_3", [ids[1]]), (f"#{made[0]['number']}", [ids[4]]), ("ODD 100%", ids)):
        answer = (await agent.get("/v1/tickets", params={"q": text})).json()
        assert [ticket["id"] for ticket in answer["items"]] == expected
    await agent.patch(f"/v1/tickets/{ids[0]}", json={"assignee": {"id": "u-9", "name": "Cy"}, "status": "pending"})
    for query in ({"assignee": "u-9"}, {"status": "pending", "customer": customer}):
        answer = (await agent.get("/v1/tickets", params=query)).json()
        assert [ticket["id"] for ticket in answer["items"]] == [ids[0]]


async def test_the_same_request_again_is_done_once(agent: httpx.AsyncClient, client: Any) -> None:
    headers = {"idempotency-key": "opening-1"}
    body = from_ada | {"email": "once@example.com"}
    answers = await asyncio.gather(*(agent.post("/v1/tickets", json=body, headers=headers) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    other = await agent.post("/v1/tickets", json=body | {"subject": "Another"}, headers=headers)
    assert other.status_code == 422
    by_another = await client("support", subject="u-bo").post("/v1/tickets", json=body, headers=headers)
    assert by_another.json()["id"] != answers[0].json()["id"]

    url = f"/v1/tickets/{answers[0].json()['id']}/replies"
    for _ in range(2):
        replied = await agent.post(url, json={"text": "Hello"}, headers={"idempotency-key": "reply-1"})
    assert len(replied.json()["replies"]) == 2
    elsewhere = f"/v1/tickets/{by_another.json()['id']}/replies"
    reused = await agent.post(elsewhere, json={"text": "Hello"}, headers={"idempotency-key": "reply-1"})
    assert reused.status_code == 422


async def test_agents_at_once_lose_nothing(agent: httpx.AsyncClient) -> None:
    ticket = await _open(agent)
    url = f"/v1/tickets/{ticket['id']}"
    await asyncio.gather(*(agent.post(f"{url}/replies", json={"text": f"{number}"}) for number in range(8)))
    shown = (await agent.get(url)).json()
    assert sorted(reply["text"] for reply in shown["replies"][1:]) == [str(number) for number in range(8)]
    assert shown["status"] == "open"
