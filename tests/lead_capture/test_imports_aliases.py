"""Imports of history, and what contact says about customers."""

import asyncio
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import orjson

from common.bus import KafkaPublisher, Message
from common.clock import parse_rfc3339
from common.envelope import new_fact
from lead_capture.domain import customer_key

LEAD = {"email": "ada@example.com"}


def publish(capture: Any, type_: str, key: str, data: dict[str, Any]) -> None:
    """A fact of contact."""

    async def send() -> None:
        publisher = KafkaPublisher(capture.kafka)
        fact = new_fact(type_, "/heed/contact", key, data, time=datetime.now(UTC))
        message = Message(f"{capture.prefix}.identities", key, fact.value(), fact.headers())
        await publisher.publish([message])
        await publisher.stop()

    asyncio.run(send())


def test_an_import_marks_its_facts_and_ends_on_every_partition(capture: Any) -> None:
    headers = {"authorization": f"Bearer {capture.add_key('server', 'history')}"}
    begun = capture.http.post(f"{capture.url}/v1/imports", headers=headers)
    assert begun.status_code == 201
    import_id, started = begun.json()["id"], parse_rfc3339(begun.json()["started_at"])
    sent = datetime.now(UTC) - timedelta(hours=1)  # a wrong clock must not move history
    event = {"type": "page", "userId": "u1", "timestamp": "2011-12-09T12:50:00Z"}
    body = {"batch": [event], "sentAt": sent.isoformat()}
    marked = {**headers, "heed-import": import_id}
    assert capture.http.post(f"{capture.url}/v1/batch", json=body, headers=marked).status_code == 200
    for _ in range(2):
        assert capture.http.post(f"{capture.url}/v1/imports/{import_id}/end", headers=headers).status_code == 204
    [fact] = capture.facts("history")
    assert fact.backfill == started
    assert fact.time == datetime(2011, 12, 9, 12, 50, tzinfo=UTC)
    ends = [r for r in capture.records() if r.headers["ce_type"] == b"heed.import.ended.v1"]
    assert {record.partition for record in ends} == set(range(12))
    assert len({record.headers["ce_id"] for record in ends}) == 12
    assert all(orjson.loads(record.value)["import_id"] == import_id for record in ends)
    assert capture.http.post(f"{capture.url}/v1/batch", json=body, headers=marked).status_code == 409


def test_only_the_server_key_that_began_an_import_brings_history(capture: Any) -> None:
    owner, other, public = (capture.add_key(kind) for kind in ("server", "server", "public"))
    assert (
        capture.http.post(f"{capture.url}/v1/imports", headers={"authorization": f"Bearer {public}"}).status_code == 403
    )
    assert capture.http.post(f"{capture.url}/v1/imports").status_code == 401
    begun = capture.http.post(f"{capture.url}/v1/imports", headers={"authorization": f"Bearer {owner}"})
    import_id = begun.json()["id"]
    for key, id_, status in ((owner, import_id, 202), (other, import_id, 404), (public, import_id, 403)):
        headers = {"authorization": f"Bearer {key}", "heed-import": id_}
        assert capture.http.post(f"{capture.url}/v1/leads", json=LEAD, headers=headers).status_code == status
    for id_, status in ((str(uuid4()), 404), ("nonsense", 422)):
        headers = {"authorization": f"Bearer {owner}", "heed-import": id_}
        assert capture.http.post(f"{capture.url}/v1/leads", json=LEAD, headers=headers).status_code == status


def test_a_chain_of_merges_told_backwards_ends_at_the_last_survivor(capture: Any) -> None:
    headers = {"authorization": f"Bearer {capture.add_key('server', 'chain')}"}
    before = capture.status()["aliases"]
    one, two, three = (customer_key("user_id", f"chain-{number}") for number in range(3))
    for losing, surviving in ((two, three), (one, two)):
        merged = {"surviving": surviving, "losing": losing, "reason": "same phone"}
        publish(capture, "heed.contact.merged.v1", losing, merged)
    capture.wait_for(lambda: capture.status()["aliases"] == before + 2)
    body = {"userId": "chain-0", "event": "Clicked"}
    capture.http.post(f"{capture.url}/v1/track", json=body, headers=headers)
    assert [fact.key for fact in capture.facts("chain")] == [three]


def test_facts_go_to_the_customer_that_survives(capture: Any) -> None:
    headers = {"authorization": f"Bearer {capture.add_key('server', 'aliases')}"}
    before = capture.status()["aliases"]
    by_mail, by_user = customer_key("email", "eve@example.com"), customer_key("user_id", "eve")

    def key_of_the_next() -> str:
        capture.http.post(f"{capture.url}/v1/leads", json={"email": "eve@example.com"}, headers=headers)
        return str(capture.facts("aliases")[-1].key)

    assert key_of_the_next() == by_mail
    identifiers = {"user_id": ["eve"], "email": ["eve@example.com"]}
    publish(capture, "heed.contact.created.v1", by_user, {"contact": by_user, "identifiers": identifiers})
    capture.wait_for(lambda: capture.status()["aliases"] == before + 1)
    capture.http.post(f"{capture.url}/v1/leads", json={"email": "eve@example.com"}, headers=headers)
    assert [fact.key for fact in capture.facts("aliases") if fact.key == by_user] == [by_user]

    survivor = customer_key("user_id", "survivor")
    merged = {"surviving": survivor, "losing": by_user, "reason": "same phone"}
    publish(capture, "heed.contact.merged.v1", by_user, merged)
    capture.wait_for(lambda: capture.status()["aliases"] == before + 2)
    capture.http.post(f"{capture.url}/v1/leads", json={"email": "eve@example.com"}, headers=headers)
    body = {"userId": "eve", "event": "Clicked"}
    capture.http.post(f"{capture.url}/v1/track", json=body, headers=headers)
    assert len([fact for fact in capture.facts("aliases") if fact.key == survivor]) == 2
    identifiers = {"user_id": ["eve"]}
    publish(capture, "heed.contact.updated.v1", by_user, {"contact": by_user, "identifiers": identifiers})

    def goes_to_itself() -> bool:
        capture.http.post(f"{capture.url}/v1/track", json=body, headers=headers)
        return by_user in [fact.key for fact in capture.facts("aliases") if fact.data.get("name") == "Clicked"]

    capture.wait_for(goes_to_itself)


def test_a_merge_that_is_undone_gives_the_identifiers_back(capture: Any) -> None:
    """However its records and those of a later merge cross."""
    headers = {"authorization": f"Bearer {capture.add_key('server', 'parted')}"}
    ada, bob, mail, cleo = (customer_key("user_id", f"parted-{who}") for who in ("ada", "bob", "mail", "cleo"))
    before = capture.status()["aliases"]
    publish(capture, "heed.contact.merged.v1", mail, {"surviving": bob, "losing": mail, "reason": "same phone"})
    publish(capture, "heed.contact.merged.v1", bob, {"surviving": ada, "losing": bob, "reason": "same phone"})
    capture.wait_for(lambda: capture.status()["aliases"] == before + 2)
    parted = {"surviving": ada, "losing": bob, "keys": sorted([bob, mail])}
    # What was told of the survivor before, yet comes behind the losing side's record.
    stale = {"contact": ada, "identifiers": {"user_id": ["parted-ada", "parted-bob"]}}
    publish(capture, "heed.contact.separated.v1", bob, parted)
    publish(capture, "heed.contact.updated.v1", ada, stale)
    publish(capture, "heed.contact.separated.v1", ada, parted)
    last = {"contact": ada, "identifiers": {"user_id": ["parted-last"]}}
    publish(capture, "heed.contact.updated.v1", ada, last)

    def key_of(user: str) -> str:
        name = secrets.token_hex(4)
        body = {"userId": user, "event": name}
        capture.http.post(f"{capture.url}/v1/track", json=body, headers=headers)
        (fact,) = (fact for fact in capture.facts("parted") if fact.data.get("name") == name)
        return str(fact.key)

    capture.wait_for(lambda: key_of("parted-last") == ada)  # all that came before under her key is heard
    capture.wait_for(lambda: key_of("parted-bob") == bob)
    assert key_of("parted-mail") == bob
    assert key_of("parted-ada") == ada

    publish(capture, "heed.contact.merged.v1", bob, {"surviving": cleo, "losing": bob, "reason": "same card"})
    publish(capture, "heed.contact.separated.v1", ada, parted)
    capture.wait_for(lambda: key_of("parted-mail") == cleo)
    assert key_of("parted-bob") == cleo
