"""The use cases on a real database; the clock is moved by hand."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from campaign.domain import MAX_ATTEMPTS, Status
from campaign.service.outgoing import Fate
from campaign.templates import TemplateError
from common.ids import new_id
from common.outbox import OUTBOX

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


async def test_the_whole_way_without_an_answer(cases: Any) -> None:
    customer = cases.new_customer()
    await cases.mailed(customer)
    await cases.pass_time(7 * DAY)
    await cases.send()
    await cases.pass_time(7 * DAY)
    row = await cases.enrolment(customer)
    assert row.outcome == "no_response"
    assert row.visited == ["settle", "hello", "listen", "response", "reminder", "last_chance", "over"]
    assert await cases.statuses(customer) == [("hello", Status.SENT), ("reminder", Status.SENT)]
    assert await cases.emitted_types(customer) == ["journey.entered", "message.sent", "message.sent", "journey.ended"]


async def test_an_open_leads_to_the_offer(cases: Any) -> None:
    customer = cases.new_customer()
    message = await cases.mailed(customer)
    await cases.opened(message)
    await cases.opened(message)
    await cases.pass_time(7 * DAY)
    assert [step for step, _ in await cases.statuses(customer)] == ["hello", "offer"]
    assert (await cases.emitted_types(customer)).count("message.opened") == 1


async def test_a_click_counts_as_open_and_ends_the_wait(cases: Any) -> None:
    customer = cases.new_customer()
    (link,) = await cases.links(await cases.mailed(customer))
    first = await cases.clicked(link)
    assert first == await cases.clicked(link)
    assert first.startswith("https://shop.example/?utm_source=heed")
    assert (await cases.enrolment(customer)).step == "consider"
    assert (await cases.emitted_types(customer))[2:] == ["message.opened", "message.clicked"]
    assert await cases.clicked("nobody-knows-it") is None


async def test_backfill_good_news_and_other_kinds_start_nothing(cases: Any) -> None:
    customer = cases.new_customer()
    await cases.handle(
        cases.contact(customer),
        cases.trigger(customer, backfill=cases.clock.now()),
        cases.trigger(customer, data={"direction": "good"}),
        cases.trigger(customer, data={"kind": "support_load"}),
    )
    assert await cases.enrolled(customer) == []


async def test_a_repeated_trigger_does_not_start_again_within_thirty_days(cases: Any) -> None:
    customer = cases.new_customer()
    raised = await cases.enrol(customer)
    await cases.handle(cases.trigger(customer))
    await cases.handle(cases.order(customer))
    assert (await cases.enrolment(customer)).outcome == "won_back"
    cases.clock.advance(29 * DAY)
    await cases.handle(cases.trigger(customer))
    assert len(await cases.enrolled(customer)) == 1
    cases.clock.advance(2 * DAY)
    await cases.handle(cases.fact(raised.type, customer, raised.data))  # the same episode never does
    assert len(await cases.enrolled(customer)) == 1
    await cases.handle(cases.trigger(customer))
    assert len(await cases.enrolled(customer)) == 2


async def test_cleared_before_the_first_mail_ends_it(cases: Any) -> None:
    customer = cases.new_customer()
    raised = await cases.enrol(customer)
    await cases.pass_time(HOUR)
    await cases.handle(cases.cleared(raised))
    assert (await cases.enrolment(customer)).outcome == "recovered"
    assert await cases.statuses(customer) == [("hello", Status.SUPPRESSED)]
    assert await cases.claim() is None


async def test_cleared_after_a_mail_changes_nothing(cases: Any) -> None:
    customer = cases.new_customer()
    raised = await cases.enrol(customer)
    await cases.pass_time(HOUR)
    await cases.send()
    await cases.handle(cases.cleared(raised))
    assert (await cases.enrolment(customer)).outcome is None


async def test_another_trigger_that_clears_changes_nothing(cases: Any) -> None:
    customer = cases.new_customer()
    await cases.enrol(customer)
    await cases.handle(cases.cleared(cases.trigger(customer)))
    assert (await cases.enrolment(customer)).outcome is None


async def test_an_order_after_a_mail_converts_the_last_message_once(cases: Any) -> None:
    customer = cases.new_customer()
    await cases.mailed(customer)
    await cases.pass_time(7 * DAY)
    await cases.send()
    await cases.pass_time(HOUR)
    order = cases.order(customer)
    await cases.handle(order, cases.order(customer))
    assert (await cases.enrolment(customer)).outcome == "won_back"
    told = [data for type_, data in await cases.emitted(customer) if type_ == "heed.message.converted.v1"]
    assert [(data["step"], data["order_id"]) for data in told] == [("reminder", order.data["order_id"])]


@pytest.mark.parametrize("late", [15 * DAY, -HOUR])
async def test_an_order_outside_the_window_converts_nothing(cases: Any, late: timedelta) -> None:
    customer = cases.new_customer()
    await cases.mailed(customer)
    await cases.handle(cases.order(customer, time=cases.clock.now() + late))
    assert "message.converted" not in await cases.emitted_types(customer)


async def test_backfilled_orders_make_a_customer_but_end_nothing(cases: Any) -> None:
    customer = cases.new_customer()
    await cases.enrol(customer, consent={"email": None})
    await cases.handle(cases.order(customer, backfill=cases.clock.now(), time=cases.clock.now() - 90 * DAY))
    assert (await cases.enrolment(customer)).outcome is None
    await cases.pass_time(HOUR)
    assert (await cases.claim()) is not None


@pytest.mark.parametrize(
    ("contact", "reason"),
    [
        ({"email": None}, "no e-mail address"),
        ({"consent": {"email": False}}, "consent to e-mail was refused"),
        ({"consent": {"email": None}}, "no consent to e-mail, and never ordered"),
    ],
)
async def test_whom_nobody_may_write_to(cases: Any, contact: dict[str, Any], reason: str) -> None:
    customer = cases.new_customer()
    await cases.enrol(customer, **contact)
    await cases.pass_time(HOUR)
    assert await cases.claim() is None
    (message,) = await cases.messages(customer)
    assert (message.status, message.reason) == (Status.SUPPRESSED, reason)
    assert (await cases.enrolment(customer)).outcome == "suppressed"


async def test_consent_counts_when_it_is_sent_not_when_it_is_queued(cases: Any) -> None:
    customer = cases.new_customer()
    await cases.enrol(customer)
    await cases.pass_time(HOUR)
    await cases.handle(cases.contact(customer, consent={"email": False}))
    assert await cases.claim() is None


async def test_unsubscribing_holds_against_a_later_projection(cases: Any) -> None:
    customer = cases.new_customer()
    message = await cases.mailed(customer)
    assert await cases.unsubscribe(message.token)
    assert await cases.unsubscribe(message.token)
    assert (await cases.enrolment(customer)).outcome == "unsubscribed"
    facts = await cases.emitted(customer)
    assert [data for type_, data in facts if type_ == "heed.consent.changed.v1"] == [
        {"channel": "email", "given": False, "reason": "unsubscribed by link"}
    ]
    cases.clock.advance(40 * DAY)
    await cases.enrol(customer)  # the contact service still says consent: true
    await cases.pass_time(HOUR)
    assert await cases.claim() is None
    assert not await cases.unsubscribe("nobody-knows-it")


async def test_a_later_yes_lifts_the_suppression(cases: Any) -> None:
    customer = cases.new_customer()
    await cases.unsubscribe((await cases.mailed(customer)).token)
    yes = {"channel": "email", "given": True, "reason": "asked for it"}
    await cases.handle(cases.fact("heed.consent.changed.v1", customer, yes, time=cases.clock.now() - HOUR))
    cases.clock.advance(31 * DAY)
    await cases.enrol(customer)
    await cases.pass_time(HOUR)
    assert await cases.claim() is None  # that yes was older than the no
    await cases.handle(cases.fact("heed.consent.changed.v1", customer, yes))
    cases.clock.advance(31 * DAY)
    await cases.enrol(customer)
    await cases.pass_time(HOUR)
    assert await cases.claim() is not None


async def test_a_no_told_elsewhere_ends_journeys(cases: Any) -> None:
    customer = cases.new_customer()
    await cases.enrol(customer)
    no = {"channel": "email", "given": False, "reason": "told Ann Lee"}
    await cases.handle(cases.fact("heed.consent.changed.v1", customer, no | {"channel": "phone"}))
    await cases.handle(cases.fact("heed.consent.changed.v1", customer, no, source="/heed/campaign"))
    assert (await cases.enrolment(customer)).outcome is None
    await cases.handle(cases.fact("heed.consent.changed.v1", customer, no, source="/heed/contact"))
    assert (await cases.enrolment(customer)).outcome == "unsubscribed"


async def test_a_merge_moves_everything_and_keeps_the_older_enrolment(cases: Any) -> None:
    losing, surviving = cases.new_customer(), cases.new_customer()
    message = await cases.mailed(losing)
    await cases.enrol(surviving)
    await cases.pass_time(HOUR)  # the survivor's first message waits in the queue
    await cases.handle(cases.merged(losing, surviving))
    older, newer = await cases.enrolled(surviving)
    assert (older.outcome, newer.outcome) == (None, "merged")
    assert await cases.enrolled(losing) == []
    assert (await cases.message(message.id)).customer == surviving
    assert await cases.claim() is None
    await cases.handle(cases.merged(losing, surviving), cases.order(losing))
    assert [row.outcome for row in await cases.enrolled(surviving)] == ["won_back", "merged"]
    assert (await cases.emitted_types(surviving))[-2:] == ["message.converted", "journey.ended"]


async def test_merges_in_a_chain_lead_to_the_last_survivor(cases: Any) -> None:
    a, b, c = (cases.new_customer() for _ in range(3))
    await cases.handle(cases.contact(a), cases.merged(a, b), cases.merged(b, c), cases.merged(a, c))
    await cases.handle(cases.trigger(a))
    assert (await cases.enrolment(c)).outcome is None
    await cases.handle(cases.order(a), cases.order(b))
    assert (await cases.enrolment(c)).outcome == "won_back"


async def test_a_merge_that_is_undone_gives_journeys_and_messages_back(cases: Any) -> None:
    earlier, losing, surviving = (cases.new_customer() for _ in range(3))
    message = await cases.mailed(losing)
    await cases.handle(cases.merged(earlier, losing), cases.merged(losing, surviving))
    assert [row.customer for row in await cases.enrolled(surviving)] == [surviving]
    parted = cases.separated(losing, surviving, earlier)
    await cases.handle(
        replace(parted, id=new_id(), key=surviving), parted, cases.contact(losing), cases.contact(surviving)
    )

    assert (await cases.enrolment(losing)).outcome is None
    assert await cases.enrolled(surviving) == []
    assert (await cases.message(message.id)).customer == losing
    assert (await cases.contact_row(losing)).email == f"{losing}@example.com"
    await cases.handle(cases.trigger(surviving))
    assert (await cases.enrolment(surviving)).outcome is None
    await cases.handle(cases.order(earlier))
    assert (await cases.enrolment(losing)).outcome == "won_back"
    assert (await cases.enrolment(surviving)).outcome is None


async def test_after_a_separation_each_may_be_written_to_by_their_own_orders(cases: Any) -> None:
    """Nothing was said about mail: an order is what counts, and only of whoever made it."""
    losing, surviving = cases.new_customer(), cases.new_customer()
    await cases.handle(cases.contact(losing), cases.order(losing), cases.merged(losing, surviving))
    assert (await cases.contact_row(surviving)).last_order_at is not None
    ordered = (await cases.contact_row(surviving)).last_order_at
    await cases.handle(cases.separated(losing, surviving, ordered=ordered))
    assert (await cases.contact_row(surviving)).last_order_at is None
    assert (await cases.contact_row(losing)).last_order_at == ordered


async def test_a_merge_seen_from_both_ends_settles(cases: Any) -> None:
    a, b = cases.new_customer(), cases.new_customer()
    await cases.handle(cases.merged(a, b), cases.merged(b, a), cases.trigger(a))
    assert len(await cases.enrolled(b)) == 1


async def test_a_refusal_for_good_ends_the_journey(cases: Any) -> None:
    customer = cases.new_customer()
    await cases.enrol(customer)
    await cases.pass_time(HOUR)
    assert (await cases.send(Fate.REFUSED)).status == Status.FAILED
    assert (await cases.enrolment(customer)).outcome == "undeliverable"


async def test_a_fate_that_nobody_knows_goes_on_and_is_never_sent_again(cases: Any) -> None:
    customer = cases.new_customer()
    await cases.enrol(customer)
    await cases.pass_time(HOUR)
    assert (await cases.send(Fate.AMBIGUOUS)).status == Status.UNKNOWN
    assert (await cases.enrolment(customer)).step == "listen"
    assert await cases.claim() is None


async def test_a_refusal_for_now_is_tried_again_later_and_given_up_at_last(cases: Any) -> None:
    customer = cases.new_customer()
    await cases.enrol(customer)
    await cases.pass_time(HOUR)
    for attempt in range(1, MAX_ATTEMPTS):
        assert (await cases.send(Fate.PUT_OFF)).attempts == attempt
        assert await cases.claim() is None
        cases.clock.advance(HOUR)
    assert (await cases.send(Fate.PUT_OFF)).status == Status.FAILED
    assert (await cases.enrolment(customer)).outcome == "undeliverable"


async def test_an_order_while_it_is_being_sent(cases: Any) -> None:
    customer = cases.new_customer()
    await cases.enrol(customer)
    await cases.pass_time(HOUR)
    sending = await cases.claim()
    await cases.handle(cases.order(customer))
    assert await cases.settle(sending, Fate.ACCEPTED)
    assert await cases.statuses(customer) == [("hello", Status.SENT)]
    assert (await cases.enrolment(customer)).outcome == "won_back"


async def test_what_is_put_off_after_the_end_is_not_sent(cases: Any) -> None:
    customer = cases.new_customer()
    await cases.enrol(customer)
    await cases.pass_time(HOUR)
    sending = await cases.claim()
    await cases.handle(cases.order(customer))
    await cases.settle(sending, Fate.PUT_OFF, "451 later")
    assert await cases.statuses(customer) == [("hello", Status.SUPPRESSED)]


async def test_what_another_sender_left_is_unknown(cases: Any) -> None:
    customer = cases.new_customer()
    await cases.enrol(customer)
    await cases.pass_time(HOUR)
    claim = await cases.claim("gone")
    async with cases.database.transaction() as session:
        assert await cases.letterbox.give_up_abandoned(session, {claim.id}) == 0
        assert await cases.letterbox.give_up_abandoned(session, ()) == 1
    assert not await cases.settle(claim, Fate.ACCEPTED, owner="gone")
    assert await cases.statuses(customer) == [("hello", Status.UNKNOWN)]
    assert (await cases.emitted_types(customer))[-1] == "message.unknown"


async def test_a_message_that_cannot_be_written_fails_with_its_reason(cases: Any, monkeypatch: Any) -> None:
    def refuse(*_: object) -> None:
        raise TemplateError("the template cannot be rendered: takes longer than 0.5 s")

    monkeypatch.setattr(cases.composer, "compose", refuse)
    customer = cases.new_customer()
    await cases.enrol(customer)
    await cases.pass_time(HOUR)
    (message,) = await cases.messages(customer)
    assert message.status == Status.FAILED
    assert "takes longer" in message.reason
    assert await cases.emitted_types(customer) == ["journey.entered", "message.failed", "journey.ended"]


async def test_facts_of_a_chain_keep_its_ids(cases: Any) -> None:
    customer = cases.new_customer()
    raised = cases.trigger(customer, correlation_id="chain")
    await cases.handle(cases.contact(customer), raised)
    async with cases.database.transaction() as session:
        row = (await session.execute(select(OUTBOX).where(OUTBOX.c.key == customer))).one()
    assert row.headers["ce_correlationid"] == "chain"
    assert row.headers["ce_causationid"] == raised.id
    assert row.headers["ce_heedreceived"] == row.headers["ce_time"]


async def test_whoever_is_in_a_journey_that_is_gone_is_withdrawn(cases: Any) -> None:
    customer = cases.new_customer()
    await cases.enrol(customer)
    cases.plans.clear()
    await cases.pass_time(HOUR)
    assert (await cases.enrolment(customer)).outcome == "withdrawn"
