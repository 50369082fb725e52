"""Batches of facts on a real database."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest
from pydantic import ValidationError

from common.envelope import Envelope
from common.failures import InvalidError, TransientError
from contact import reading
from contact.domain.people import People
from contact.domain.person import STRENGTH
from tests.contact.conftest import IDENTITIES, START, Desk, captured, identify, key, order, page

ADA = {"email": "ada@example.com"}
CREATED, UPDATED, MERGED = (f"heed.contact.{what}.v1" for what in ("created", "updated", "merged"))


def ticket(customer: str, at: int = 0) -> Envelope:
    data = {"ticket_id": "t-1", "number": 1001, "subject": "Late", "priority": "high", "status": "new"}
    moment = START + timedelta(minutes=at)
    return Envelope("heed.ticket.opened.v1", "/heed/ticketing", customer, data, moment, moment)


async def test_a_batch_makes_people_lines_and_facts(desk: Desk) -> None:
    ada, bob = key("email", "ada@example.com"), key("user_id", "bob")
    await desk.take(order(ADA, name="Ada Byron"), page({"user_id": "bob"}, "Pricing", at=1), ticket(ada, at=2))
    assert await desk.titles(ada) == ["Ticket 1001 opened: Late", "Ordered 3 items for £42.30"]
    assert await desk.titles(bob) == ["Viewed Pricing"]
    assert await desk.said() == [(CREATED, ada), (CREATED, bob)]


async def test_touches_are_not_told(desk: Desk) -> None:
    ada = key("email", "ada@example.com")
    await desk.take(order(ADA))
    await desk.take(order(ADA, at=5), page(ADA, "Pricing", at=6))
    await desk.take(order(ADA, at=7, name="Ada Byron"))
    assert await desk.said() == [(CREATED, ada), (UPDATED, ada)]
    assert await desk.said(IDENTITIES) == [(CREATED, ada)]
    assert (await desk.rows("outbox", "position"))[-1]["value"].count(b'"changed":["name"]') == 1
    assert (await desk.get(f"/{ada}"))["last_seen_at"] == "2026-03-01T09:07:00Z"


@pytest.mark.parametrize("batches", [1, 3])
async def test_a_merge_moves_everything_and_the_old_id_answers(desk: Desk, batches: int) -> None:
    visitor, ada = key("anonymous_id", "b1"), key("email", "ada@example.com")
    facts = [page({"anonymous_id": "b1"}, "Pricing"), order(ADA, at=1), identify({**ADA, "anonymous_id": "b1"}, at=2)]
    for start in range(batches):
        await desk.take(*facts[start::batches])
    titles = ["Said who they are", "Ordered 3 items for £42.30", "Viewed Pricing"]
    assert await desk.titles(ada) == await desk.titles(visitor) == titles
    assert (await desk.get(f"/{visitor}"))["id"] == ada
    assert (MERGED, visitor) in await desk.said()
    assert (MERGED, visitor) in await desk.said(IDENTITIES)
    assert len(await desk.rows("contacts", "id")) == 1


async def test_merges_in_a_chain_end_at_the_last_survivor(desk: Desk) -> None:
    await desk.take(page({"anonymous_id": "b1"}, "One"), page({"anonymous_id": "b2"}, "Two", at=1))
    await desk.take(order({"phone": "+441", "anonymous_id": "b1"}, at=2), order({"email": "e@x.y"}, at=-5))
    await desk.take(order({"email": "e@x.y", "phone": "+441", "anonymous_id": "b2"}, at=3))
    survivor = key("email", "e@x.y")
    for old in (key("anonymous_id", "b1"), key("anonymous_id", "b2"), key("phone", "+441")):
        assert (await desk.get(f"/{old}"))["id"] == survivor
    assert len(await desk.titles(survivor)) == 5


async def test_a_shared_address_is_noted_and_nobody_is_merged(desk: Desk) -> None:
    one, two = ({"user_id": user, "email": "home@example.com"} for user in ("u1", "u2"))
    await desk.take(order(one, name="Ada"), order(two, at=1, name="Bob"))
    await desk.take(order(two, at=2))
    for mine, theirs, name in (("u1", "u2", "Bob"), ("u2", "u1", "Ada")):
        conflict = {"kind": "email", "value": "home@example.com", "contact": key("user_id", theirs), "label": name}
        assert (await desk.get(f"/{key('user_id', mine)}"))["conflicts"] == [conflict]
    assert MERGED not in {type_ for type_, _ in await desk.said()}


async def test_a_conflict_ends_when_the_two_turn_out_to_be_one(desk: Desk) -> None:
    await desk.take(order({"user_id": "u1", "email": "e@x.y"}), order({"user_id": "u2", "email": "e@x.y"}, at=1))
    alias = captured("heed.touchpoint.captured.v1", {"user_id": "u2"}, at=2, kind="alias", previous_id="u1")
    await desk.take(alias)
    person = await desk.get(f"/{key('user_id', 'u2')}")
    assert person["id"] == key("user_id", "u1")
    assert person["conflicts"] == []
    assert person["identifiers"]["user_id"] == ["u1", "u2"]


async def test_a_repeated_fact_leaves_one_line(desk: Desk) -> None:
    fact = order(ADA)
    await desk.take(fact)
    await desk.take(fact)
    assert len(await desk.titles(key("email", "ada@example.com"))) == 1
    assert len(await desk.said()) == 1


async def test_what_is_told_carries_the_mark_of_its_cause(desk: Desk) -> None:
    old = replace(order(ADA), backfill=START, correlation_id="chain")
    await desk.take(old)
    headers = (await desk.rows("outbox", "position"))[0]["headers"]
    assert headers["ce_heedbackfill"] == "2026-03-01T09:00:00Z"
    assert headers["ce_correlationid"] == "chain"
    assert headers["ce_causationid"] == old.id
    assert (await desk.get(f"/{key('email', 'ada@example.com')}/timeline"))["items"][0]["backfill"] is True


async def test_our_own_facts_are_lines_and_cause_nothing(desk: Desk) -> None:
    ada = key("email", "ada@example.com")
    await desk.take(order(ADA, name="Ada"))
    own = Envelope(CREATED, "/heed/contact", ada, {"contact": ada, "name": "Eve", "identifiers": {}}, START, START)
    await desk.take(own)
    assert await desk.said() == [(CREATED, ada)]
    assert "Seen for the first time" in await desk.titles(ada)
    assert (await desk.get(f"/{ada}"))["name"] == "Ada"


async def test_a_type_nobody_knows_gets_a_plain_line(desk: Desk) -> None:
    ada = key("email", "ada@example.com")
    won = Envelope(
        "heed.deal.won.v1", "/heed/sales", ada, {"name": "Big one", "deep": {"a": {"b": {"c": 1}}}}, START, START
    )
    await desk.take(won)
    (entry,) = (await desk.get(f"/{ada}/timeline"))["items"]
    assert (entry["kind"], entry["title"], entry["detail"]) == ("deal", "Deal won", "Big one")


async def test_facts_of_no_customer_are_left_out(desk: Desk) -> None:
    tick = Envelope("heed.clock.ticked.v1", "/heed/lead_capture", "", {"time": "x"}, START, START)
    strange = Envelope("heed.rollup.made.v1", "/heed/else", "2026-03", {}, START, START)
    await desk.take(tick, strange)
    assert await desk.rows("timeline", "id") == []


@pytest.mark.parametrize(
    ("fact", "failure"),
    [
        (order(ADA, total=None), ValidationError),
        (order(ADA, items="many"), ValidationError),
        (captured("heed.touchpoint.captured.v1", ADA), ValidationError),
        (order(ADA, name="A\x00da"), InvalidError),
        (captured("heed.deal.won.v1", ADA, **{"na\x00me": 1}), InvalidError),
    ],
)
async def test_what_is_not_as_promised_is_refused(desk: Desk, fact: Envelope, failure: type[Exception]) -> None:
    with pytest.raises(failure):
        await desk.take(fact)
    assert await desk.rows("contacts", "id") == []


async def test_strange_identifiers_are_passed_over(desk: Desk) -> None:
    strange = {"email": "ada@example.com", "phone": 17, "user_id": " ", "fax": "1", "anonymous_id": "x" * 300}
    fact = Envelope(
        "heed.deal.won.v1", "/heed/sales", key("email", "ada@example.com"), {"identifiers": strange}, START, START
    )
    await desk.take(fact)
    assert (await desk.get(f"/{fact.key}"))["identifiers"] == {"email": ["ada@example.com"]}


async def test_a_text_that_only_looks_like_an_escaped_nul_is_kept(desk: Desk) -> None:
    await desk.take(order(ADA, name="back\\u0000slash"))
    assert (await desk.get(f"/{key('email', 'ada@example.com')}"))["name"] == "back\\u0000slash"


async def test_two_processes_that_make_the_same_person_try_again(desk: Desk) -> None:
    async def second() -> None:
        async with desk.database.transaction() as session:
            await desk.directory.take(session, [order(ADA, at=1)])

    async with desk.database.transaction() as first:
        await desk.directory.take(first, [order(ADA)])
        racing = asyncio.create_task(second())
        while not await desk.somebody_waits():  # noqa: ASYNC110  (the event is in the database)
            await asyncio.sleep(0.01)
    with pytest.raises(TransientError):
        await racing
    await desk.take(order(ADA, at=1))
    assert len(await desk.titles(key("email", "ada@example.com"))) == 2


@pytest.mark.parametrize("seed", range(6))
async def test_batches_and_rows_are_what_the_rules_say(desk: Desk, seed: int) -> None:
    """Any story in batches of any size: the tables hold the people of the rules, and every line, once."""
    random = Random(seed)
    facts = [_some_order(random, at) for at in range(40)]
    rest = [*facts, *random.sample(facts, 8)]
    while rest:
        size = random.randint(1, 8)
        await desk.take(*{fact.id: fact for fact in rest[:size]}.values())
        rest = rest[size:]
    rules = People([], [])
    for fact in facts:
        rules.apply(reading.fact(fact))
    stored = {row["key"]: row["contact_id"] for row in await desk.rows("identities", "key")}
    assert stored == {key_: rules.current(identity.contact) for key_, identity in rules.identities.items()}
    assert {row["id"] for row in await desk.rows("contacts", "id")} == set(rules.persons)
    lines = {row["id"]: row["contact_id"] for row in await desk.rows("timeline", "id")}
    assert set(lines) == {fact.id for fact in facts}
    assert all(lines[fact.id] == stored[fact.key] for fact in facts)


async def test_several_processes_agree_on_who_is_who(desk: Desk) -> None:
    """Workers with overlapping people, each trying again as the consumer loop does."""
    random = Random(1)
    weak = ("email", "phone", "anonymous_id")
    facts = [_some_order(random, at, weak) for at in range(90)]

    async def work(mine: list[Envelope]) -> None:
        while mine:
            try:
                await desk.take(*mine[:6])
            except TransientError:
                continue
            mine = mine[6:]

    async with asyncio.timeout(60), asyncio.TaskGroup() as workers:
        for number in range(3):
            workers.create_task(work(facts[number::3]))
    rules = People([], [])
    for fact in facts:
        rules.apply(reading.fact(fact))
    stored = {row["key"]: row["contact_id"] for row in await desk.rows("identities", "key")}
    assert _groups(stored) == _groups({key_: rules.current(i.contact) for key_, i in rules.identities.items()})
    lines = {row["id"]: row["contact_id"] for row in await desk.rows("timeline", "id")}
    assert lines == {fact.id: stored[fact.key] for fact in facts}


def _groups(owners: dict[str, str]) -> set[frozenset[str]]:
    return {frozenset(key_ for key_, owner in owners.items() if owner == each) for each in owners.values()}


def _some_order(random: Random, at: int, among: tuple[str, ...] = STRENGTH) -> Envelope:
    kinds = random.sample(among, random.randint(1, 3))
    return order({kind: f"{kind}-{random.randint(1, 12)}" for kind in kinds}, at=at)
