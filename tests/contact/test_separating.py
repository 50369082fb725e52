"""Undoing a merge over the API, on a real database."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import orjson
import pytest
from sqlalchemy import text

from common.envelope import Envelope, decode
from common.failures import TransientError
from tests.contact.conftest import IDENTITIES, TOPIC, Desk, captured, identify, key, order, page
from tests.contact.test_directory import ticket

ADA, BOB = {"email": "ada@example.com", "phone": "+441"}, {"email": "bob@example.com", "anonymous_id": "b1"}
ada, bob = key("email", "ada@example.com"), key("email", "bob@example.com")
UPDATED, MERGED, SEPARATED = (f"heed.contact.{what}.v1" for what in ("updated", "merged", "separated"))
CONTRACTS = Path(__file__).parents[2] / "contracts"
JOINING = {"phone": "+441", "anonymous_id": "b1"}


async def merged(desk: Desk) -> None:
    """Ada and Bob, one since somebody used her phone number in his browser."""
    await desk.take(identify(ADA, name="Ada Byron", plan="pro"), order(ADA, at=1))
    await desk.take(identify(BOB, at=2, name="Bob Hope"), order(BOB, at=3), ticket(bob, at=4))
    await desk.take(page(JOINING, "Pricing", at=5))
    await desk.take(order({"email": "bob@example.com"}, at=6), page({"phone": "+441"}, "Help", at=7))
    assert (await desk.get(f"/{bob}"))["id"] == ada


def plain(contact: dict[str, Any]) -> dict[str, Any]:
    kept = ("id", "name", "email", "phone", "label", "identifiers", "traits", "created_at", "last_seen_at")
    return {name: contact[name] for name in kept}


async def test_both_get_back_what_is_theirs(desk: Desk) -> None:
    await merged(desk)
    answer = await desk.separate(ada, bob, reason="  Two sisters,\nI asked. ")

    assert plain(answer["surviving"]) == {
        "id": ada,
        "name": "Ada Byron",
        "email": "ada@example.com",
        "phone": "+441",
        "label": "Ada Byron",
        "identifiers": {"email": ["ada@example.com"], "phone": ["+441"]},
        "traits": {"plan": "pro"},
        "created_at": "2026-03-01T09:00:00Z",
        "last_seen_at": "2026-03-01T09:07:00Z",
    }
    assert plain(answer["losing"]) == {
        "id": bob,
        "name": "Bob Hope",
        "email": "bob@example.com",
        "phone": None,
        "label": "Bob Hope",
        "identifiers": {"email": ["bob@example.com"], "anonymous_id": ["b1"]},
        "traits": {},
        "created_at": "2026-03-01T09:02:00Z",
        "last_seen_at": "2026-03-01T09:06:00Z",
    }
    conflict = {"kind": "anonymous_id", "value": "b1", "contact": bob, "label": "Bob Hope"}
    assert answer["surviving"]["conflicts"] == [conflict], "she used his browser once"
    assert answer == {"surviving": await desk.get(f"/{ada}"), "losing": await desk.get(f"/{bob}")}
    theirs = ["Ordered 3 items for £42.30", "Ticket 1001 opened: Late", "Ordered 3 items for £42.30"]
    assert await desk.titles(bob) == [*theirs, "Said who they are"]
    hers = ["Viewed Help", "Viewed Pricing", "Ordered 3 items for £42.30", "Said who they are"]
    assert await desk.titles(ada) == hers


async def test_everybody_is_told(desk: Desk) -> None:
    await merged(desk)
    before = await desk.rows("outbox", "position")
    await desk.separate(ada, bob, reason="Two sisters")

    rows = (await desk.rows("outbox", "position"))[len(before) :]
    told = [(row["headers"]["ce_type"], row["key"]) for row in rows if row["topic"] == TOPIC]
    assert told == [(SEPARATED, bob), (SEPARATED, ada), (UPDATED, bob), (UPDATED, ada)]
    assert told == [(row["headers"]["ce_type"], row["key"]) for row in rows if row["topic"] == IDENTITIES]
    assert len({row["headers"]["ce_id"] for row in rows}) == 4
    for row in rows:
        contract = orjson.loads((CONTRACTS / f"{row['headers']['ce_type']}.json").read_bytes())
        jsonschema.validate(orjson.loads(row["value"]), contract["schema"])
    first = orjson.loads(rows[0]["value"])
    assert {name: first[name] for name in first if name != "separation"} == {
        "surviving": ada,
        "losing": bob,
        "identifiers": {"email": ["bob@example.com"], "anonymous_id": ["b1"]},
        "keys": sorted([bob, key("anonymous_id", "b1")]),
        "reason": "separated by Sam Seller: Two sisters",
        "last_order_at": {"surviving": "2026-03-01T09:01:00Z", "losing": "2026-03-01T09:06:00Z"},
    }


async def test_what_comes_later_goes_to_whoever_it_names(desk: Desk) -> None:
    await merged(desk)
    await desk.separate(ada, bob)
    await desk.take(page(JOINING, "Pricing", at=10), order({**BOB, "phone": "+441"}, at=11))
    assert (await desk.get(f"/{bob}"))["id"] == bob
    assert len(await desk.titles(bob)) == 5
    assert (await desk.titles(ada))[0] == "Viewed Pricing"
    said = (await desk.said())[-4:]
    assert MERGED not in [type_ for type_, _ in said]


async def test_new_strong_evidence_merges_them_again_and_that_can_be_undone_too(desk: Desk) -> None:
    await merged(desk)
    await desk.separate(ada, bob)
    card = {"loyalty_number": "L1"}
    await desk.take(order({**card, "email": "bob@example.com"}, at=10), order({"user_id": "u1", **ADA}, at=11))
    await desk.take(order({**card, "user_id": "u1"}, at=12))
    assert (await desk.get(f"/{bob}"))["id"] == ada

    await desk.separate(ada, bob)
    assert (await desk.get(f"/{bob}"))["identifiers"]["loyalty_number"] == ["L1"]
    await desk.take(order({**card, "user_id": "u1"}, at=13))
    assert (await desk.get(f"/{bob}"))["id"] == bob


async def test_of_a_chain_the_middle_one_takes_along_what_was_merged_into_it(desk: Desk) -> None:
    cleo = key("email", "cleo@example.com")
    await desk.take(order({"email": "cleo@example.com", "anonymous_id": "c1"}, at=0), order(ADA, at=1))
    await desk.take(order(BOB, at=2), page(JOINING, "Pricing", at=3))
    await desk.take(page({"phone": "+441", "anonymous_id": "c1"}, "Help", at=4))
    assert (await desk.get(f"/{bob}"))["id"] == cleo

    await desk.separate(cleo, ada)
    assert (await desk.get(f"/{bob}"))["id"] == ada
    told = [entry for entry in await desk.said() if entry[0] == SEPARATED]
    assert told == [(SEPARATED, ada), (SEPARATED, cleo)]

    await desk.separate(bob, bob)
    assert (await desk.get(f"/{bob}"))["id"] == bob
    for person, lines in ((ada, 3), (bob, 1), (cleo, 1)):
        assert len(await desk.titles(person)) == lines


async def test_who_stood_between_is_told_too(desk: Desk) -> None:
    cleo = key("email", "cleo@example.com")
    await desk.take(order({"email": "cleo@example.com", "anonymous_id": "c1"}, at=0), order(ADA, at=1))
    await desk.take(order(BOB, at=2), page(JOINING, "Pricing", at=3))
    await desk.take(page({"phone": "+441", "anonymous_id": "c1"}, "Help", at=4))

    await desk.separate(cleo, bob)

    told = [k for type_, k in await desk.said() if type_ == SEPARATED]
    assert told == [bob, ada, cleo]
    facts = [row for row in await desk.rows("outbox", "position") if row["topic"] == TOPIC]
    own = [captured_fact(row) for row in facts if row["headers"]["ce_type"] == SEPARATED]
    await desk.take(*own)
    assert (await desk.titles(cleo)).count("One record became two") == 1
    assert (await desk.titles(bob)).count("One record became two") == 1


def captured_fact(row: dict[str, Any]) -> Envelope:
    headers = [(name, value.encode()) for name, value in row["headers"].items()]
    return decode(row["key"].encode(), headers, row["value"])


async def test_the_replies_to_a_ticket_follow_it(desk: Desk) -> None:
    await merged(desk)
    reply = captured("heed.ticket.replied.v1", {"email": "ada@example.com"}, at=8)
    data = {"ticket_id": "t-1", "number": 1001, "subject": "Late", "author": "agent", "text": "On its way"}
    await desk.take(replace(reply, source="/heed/ticketing", data=data))
    await desk.separate(ada, bob)
    assert "Ticket 1001 answered: Late" in await desk.titles(bob)


async def test_merges_are_listed_with_what_they_brought(desk: Desk) -> None:
    await merged(desk)
    merges = (await desk.get(f"/{bob}/merges"))["items"]
    assert [(m["losing"], m["reason"], m["lines"]) for m in merges if m["losing"] == bob] == [(bob, "same browser", 4)]
    found = next(m for m in merges if m["losing"] == bob)
    assert found["identifiers"] == {"email": ["bob@example.com"], "anonymous_id": ["b1"]}
    await desk.separate(ada, bob)
    assert bob not in [m["losing"] for m in (await desk.get(f"/{ada}/merges"))["items"]]


@pytest.mark.parametrize(
    ("contact", "losing", "status", "words"),
    [
        (key("email", "nobody@x"), bob, 404, "no contact"),
        ("me", bob, 404, "no contact"),
        (ada, key("email", "nobody@x"), 404, "Nobody of that key"),
        (ada, ada, 409, "survived"),
        (ada, key("anonymous_id", "b1"), 409, "another way"),
        (ada, "bob", 422, ""),
    ],
)
async def test_what_cannot_be_undone_is_said_plainly(
    desk: Desk, contact: str, losing: str, status: int, words: str
) -> None:
    await merged(desk)
    assert words in (await desk.separate(contact, losing, status)).get("detail", "")
    assert (await desk.get(f"/{bob}"))["id"] == ada


async def test_a_merge_undone_twice_is_refused(desk: Desk) -> None:
    await merged(desk)
    await desk.separate(ada, bob)
    said = await desk.said()
    assert "two people already" in (await desk.separate(ada, bob, 409))["detail"]
    assert await desk.said() == said


@pytest.mark.parametrize(("role", "status"), [("sales", 200), ("manager", 200), ("marketing", 403), ("service", 403)])
async def test_who_may_do_it(desk: Desk, role: str, status: int) -> None:
    await merged(desk)
    await desk.separate(ada, bob, status, role=role)


async def test_a_merge_from_before_this_was_kept_is_refused(desk: Desk) -> None:
    await merged(desk)
    await _forget(desk)
    assert "older" in (await desk.separate(ada, bob, 409))["detail"]


async def test_contacts_from_before_keep_what_they_held_when_they_merge_now(desk: Desk) -> None:
    """Their facts were not kept whole; what they came to was, when this version began."""
    await desk.take(identify(ADA, name="Ada Byron"), identify(BOB, at=2, name="Bob Hope", plan="pro"))
    await _forget(desk)
    await _run(desk, "INSERT INTO brought SELECT id, to_jsonb(contacts) - 'search' FROM contacts")
    await desk.take(identify(JOINING, at=5, plan="free"))
    assert (await desk.get(f"/{bob}"))["name"] == "Bob Hope"

    answer = await desk.separate(ada, bob)

    both = [(answer[side]["name"], answer[side]["traits"]) for side in ("surviving", "losing")]
    assert both == [("Ada Byron", {"plan": "free"}), ("Bob Hope", {"plan": "pro"})]
    assert await desk.titles(bob) == ["Said who they are"]
    assert (await desk.get(f"/{bob}"))["identifiers"] == {"email": ["bob@example.com"], "anonymous_id": ["b1"]}


async def _forget(desk: Desk) -> None:
    """As an earlier version left it."""
    await _run(desk, "UPDATE identities SET came_with = NULL, merged_into = NULL, reason = NULL, merged_at = NULL")
    await _run(desk, "UPDATE timeline SET captured_as = NULL, said = NULL")


async def _run(desk: Desk, statement: str) -> None:
    async with desk.database.transaction() as session:
        await session.execute(text(statement))


async def test_a_fact_that_waited_for_the_separation_tries_again(desk: Desk) -> None:
    """It read whose it is before, and would be laid to the wrong person."""
    await merged(desk)

    async def late() -> None:
        async with desk.database.transaction() as session:
            await desk.directory.take(session, [order(BOB, at=20)])

    async with desk.database.transaction() as session:
        await session.execute(text("SELECT 1 FROM contacts WHERE id = :id FOR UPDATE"), {"id": ada})
        separating = asyncio.create_task(desk.separate(ada, bob))
        while not await desk.somebody_waits():  # noqa: ASYNC110  (the event is in the database)
            await asyncio.sleep(0.01)
        racing = asyncio.create_task(late())
        while await _waiting(desk) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await separating
    with pytest.raises(TransientError, match="taken apart"):
        await racing
    await late()
    assert (await desk.titles(bob))[0] == "Ordered 3 items for £42.30"


async def _waiting(desk: Desk) -> int:
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with desk.database.transaction() as session:
        return int((await session.execute(text(query))).scalar_one())
