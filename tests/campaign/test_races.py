"""Everything at once, on a real database: locks, unique indexes and the rules together."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from campaign.domain import Status
from campaign.service.outgoing import Fate
from common.failures import TransientError

Act = Callable[[], Awaitable[object]]


async def insist(act: Act) -> None:
    """As consumers and jobs do: what fails for the moment is tried again."""
    for _ in range(20):
        try:
            await act()
            return
        except TransientError:
            await asyncio.sleep(0.01)
    raise AssertionError("never succeeded")


async def test_nobody_gets_a_step_twice_whatever_happens_at_once(cases: Any) -> None:
    chance = random.Random(7)
    people = [cases.new_customer() for _ in range(6)]
    handed_over: Counter[str] = Counter()

    async def send() -> None:
        owner = str(chance.random())
        claim = await cases.claim(owner)
        if claim:
            handed_over[claim.id] += 1
            fate = chance.choice([Fate.ACCEPTED, Fate.ACCEPTED, Fate.AMBIGUOUS, Fate.PUT_OFF, Fate.REFUSED])
            handed_over[claim.id] -= fate is Fate.PUT_OFF
            await insist(lambda: cases.settle(claim, fate, owner=owner))

    async def answer(customer: str) -> None:
        for message in await cases.messages(customer):
            if message.status == Status.SENT:
                await cases.opened(message)
                for token in await cases.links(message):
                    await cases.clicked(token)

    def acts(customer: str) -> list[Act]:
        trigger = cases.trigger(customer)
        return [
            lambda: cases.handle(cases.contact(customer), trigger),
            lambda: cases.handle(trigger),
            lambda: cases.pass_time(timedelta(hours=chance.choice([1, 80, 170]))),
            lambda: cases.pass_time(timedelta(0)),
            send,
            send,
            lambda: answer(customer),
            lambda: cases.handle(cases.order(customer)),
            lambda: cases.handle(cases.cleared(trigger)),
            lambda: cases.handle(cases.merged(customer, chance.choice(people))),
        ]

    for customer in people:
        await cases.handle(cases.contact(customer), cases.trigger(customer))
    for _ in range(8):
        todo = [act for customer in people for act in acts(customer) if chance.random() < 0.3]
        chance.shuffle(todo)
        await asyncio.gather(*(insist(act) for act in todo))

    assert handed_over
    assert max(handed_over.values()) == 1
    enrolments = [row for customer in people for row in await cases.enrolled(customer)]
    facts = [fact for customer in people for fact in await cases.emitted(customer)]
    ended = Counter(data["enrolment_id"] for type_, data in facts if type_ == "heed.journey.ended.v1")
    assert ended == {row.id: 1 for row in enrolments if row.outcome}
    per_message = Counter((type_, data.get("message_id")) for type_, data in facts if "message" in type_)
    assert set(per_message.values()) == {1}
    live = Counter(row.customer for row in enrolments if not row.outcome)
    assert max(live.values(), default=0) <= 1
