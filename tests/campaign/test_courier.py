"""The courier on a real database and a real mail server."""

import asyncio
from typing import Any

from sqlalchemy import text

from campaign.courier import Pace
from campaign.domain import Status
from common.failures import TransientError

CONNECTIONS = 3


async def test_each_message_is_sent_once_on_few_connections(cases: Any, sink: Any, working: Any) -> None:
    customers = [await cases.queued() for _ in range(12)]
    async with working():
        for customer in customers:
            await cases.reaches(customer, Status.SENT)
    assert sorted(sink.recipients) == sorted(f"{customer}@example.com" for customer in customers)
    assert sink.connections <= 3
    assert sink.taken[0]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


async def test_several_are_handed_over_at_once_and_no_more(cases: Any, sink: Any, working: Any) -> None:
    sink.hold_data = asyncio.Event()
    customers = [await cases.queued() for _ in range(5)]

    async def busy() -> bool:
        return bool(sink.busy == CONNECTIONS)

    async with working():
        await cases.eventually(busy)
        sink.hold_data.set()
        for customer in customers:
            await cases.reaches(customer, Status.SENT)
    assert sink.most_busy == CONNECTIONS


async def test_the_pace_is_kept(cases: Any, sink: Any, working: Any) -> None:
    customers = [await cases.queued() for _ in range(4)]
    started = asyncio.get_running_loop().time()
    async with working(Pace(3, per_second=10, timeout_seconds=5)):
        for customer in customers:
            await cases.reaches(customer, Status.SENT)
    assert asyncio.get_running_loop().time() - started >= 0.3


async def test_a_message_that_comes_later_wakes_it(cases: Any, sink: Any, working: Any) -> None:
    async with working():
        for _ in range(2):
            await cases.reaches(await cases.queued(), Status.SENT)


async def test_refused_for_good(cases: Any, sink: Any, working: Any) -> None:
    customer = await cases.queued()
    sink.at_rcpt[f"{customer}@example.com"] = "550 no such user"
    async with working():
        message = await cases.reaches(customer, Status.FAILED)
    assert message.reason == "refused: 550 no such user"


async def test_an_address_that_is_none(cases: Any, sink: Any, working: Any) -> None:
    customer = await cases.queued(email="nobody at all")
    async with working():
        await cases.reaches(customer, Status.FAILED)
    assert sink.recipients == []


async def test_put_off_and_taken_later(cases: Any, sink: Any, working: Any) -> None:
    customer = await cases.queued()
    sink.at_rcpt[f"{customer}@example.com"] = "451 greylisted"

    async def tried() -> bool:
        (message,) = await cases.messages(customer)
        return bool(message.attempts >= 2)

    async with working():
        await cases.eventually(tried)
        sink.at_rcpt.clear()
        await cases.reaches(customer, Status.SENT)
    assert len(sink.recipients) == 1


async def test_a_connection_lost_in_the_middle_is_unknown_and_not_tried_again(
    cases: Any, sink: Any, working: Any
) -> None:
    customer = await cases.queued()
    sink.at_data[f"{customer}@example.com"] = "drop"
    async with working():
        message = await cases.reaches(customer, Status.UNKNOWN)
        await cases.reaches(await cases.queued(), Status.SENT)  # others go on
    assert sink.recipients.count(f"{customer}@example.com") == 1
    assert "connection lost" in message.reason
    assert (await cases.enrolment(customer)).step == "listen"


async def test_a_server_that_is_away_costs_nothing(
    cases: Any, sink: Any, working: Any, unused_port: int, serve: Any
) -> None:
    customer = await cases.queued()
    sink.port, port = unused_port, unused_port
    async with working():
        await asyncio.sleep(0.2)
        (message,) = await cases.messages(customer)
        assert (message.status, message.attempts) == (Status.QUEUED, 0)
        async with serve(sink, port):
            await cases.reaches(customer, Status.SENT)


async def test_a_second_courier_stands_by_and_mistakes_nothing(cases: Any, sink: Any, working: Any) -> None:
    sink.hold_data = asyncio.Event()
    customer = await cases.queued()
    async with working():
        await asyncio.wait_for(sink.reached.wait(), 10)
        async with working():
            await cases.eventually(lambda: waiting_for_the_lock(cases))
            assert await cases.statuses(customer) == [("hello", Status.SENDING)]
            sink.hold_data.set()
            await cases.reaches(customer, Status.SENT)
    assert len(sink.recipients) == 1


async def test_the_other_takes_over(cases: Any, sink: Any, working: Any) -> None:
    async with working():
        await cases.reaches(await cases.queued(), Status.SENT)
        async with working():
            await cases.eventually(lambda: waiting_for_the_lock(cases))
            await end_sessions_with_the_lock(cases)
            await cases.reaches(await cases.queued(), Status.SENT)


async def test_what_is_in_flight_is_finished_when_it_is_stopped(cases: Any, sink: Any, working: Any) -> None:
    sink.hold_data = asyncio.Event()
    customer = await cases.queued()
    async with working():
        await asyncio.wait_for(sink.reached.wait(), 10)
        asyncio.get_running_loop().call_later(0.1, sink.hold_data.set)
    assert await cases.statuses(customer) == [("hello", Status.SENT)]


_HERE = "locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"


async def waiting_for_the_lock(cases: Any) -> bool:
    return await _number(cases, f"SELECT count(*) FROM pg_locks WHERE {_HERE} AND NOT granted") == 1


async def end_sessions_with_the_lock(cases: Any) -> None:
    query = f"SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE {_HERE} AND granted"
    assert await _number(cases, query) == 1


async def _number(cases: Any, query: str) -> int:
    async with cases.database.transaction() as session:
        return int((await session.execute(text(query))).scalar_one())


async def test_connections_to_the_database_that_break_lose_and_repeat_nothing(
    cases: Any, sink: Any, working: Any
) -> None:
    sink.hold_data = asyncio.Event()
    customer = await cases.queued()
    async with working():
        await cases.eventually(lambda: received(sink))
        others = (
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        assert await _number(cases, others) >= 1
        sink.hold_data.set()
        await cases.reaches(customer, Status.SENT)
        await cases.reaches(await cases.queued(), Status.SENT)
    assert sink.recipients.count(f"{customer}@example.com") == 1


async def test_a_claim_whose_commit_nobody_saw_is_unknown(cases: Any, sink: Any, working: Any) -> None:
    customer = await cases.queued()
    async with working() as courier:
        letterbox = courier._letterbox
        claim = letterbox.claim

        async def lose_the_answer(session: Any, owner: str) -> None:
            letterbox.claim = claim
            await claim(session, owner)
            await session.commit()
            raise TransientError("the connection broke while it committed")

        letterbox.claim = lose_the_answer
        await cases.reaches(customer, Status.UNKNOWN)
    assert sink.recipients == []


async def received(sink: Any) -> bool:
    return bool(sink.recipients)
