"""The fold: what is said when, and that only the log decides it."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.customers import Changes
from analytics.events import Event, What
from analytics.fold import Fold
from analytics.operators.churn_risk import MODEL
from analytics.operators.spend_deviation import Spend
from analytics.orders import DAY, Orders
from analytics.profile import pack
from tests.analytics.churn_shop import adopted
from tests.analytics.stories import (
    START,
    fold_all,
    kinds,
    order,
    regular,
    reloaded,
    solved,
    tick,
    ticket,
    ticks,
    visit,
)


def test_a_silence_is_raised_by_ticks_alone_and_cleared_by_the_next_order() -> None:
    fold = Fold(0)
    said = fold_all(fold, regular("c_a", 10, 9))
    assert said == []
    last = START + 9 * 9 * DAY

    said = fold_all(fold, ticks(last, last + 40 * DAY))
    assert kinds(said)[0] == ("purchase_silence", "raised")
    first = said[0]
    assert first.data["sentence"].startswith("Orders every 9 days; silent for ")
    assert first.time.timestamp() > last + 1.8 * 9 * DAY
    assert [action for _, action in kinds(said)].count("raised") == 1
    assert {e.data["trigger"] for e in said} == {first.data["trigger"]}

    said = fold_all(fold, [order("c_a", last + 41 * DAY)])
    assert kinds(said) == [("purchase_silence", "cleared")]


def test_an_unusual_order_is_raised_once_and_does_not_teach() -> None:
    fold = Fold(0)
    fold_all(fold, regular("c_a", 12, 7))
    then = START + 12 * 7 * DAY
    usual = fold.profile("c_a").of(Spend).baselines["GBP"].mean  # type: ignore[union-attr]

    said = fold_all(fold, [order("c_a", then, 900.0)])

    assert kinds(said) == [("spend_deviation", "raised")]
    assert said[0].data["direction"] == "good"
    assert said[0].data["sentence"] == "Spent £900; usually £39."
    assert len(said[0].data["recent_orders"]) == 8
    assert fold.profile("c_a").of(Spend).baselines["GBP"].mean == usual  # type: ignore[union-attr]
    assert kinds(fold_all(fold, [order("c_a", then + 7 * DAY, 41.0)])) == [("spend_deviation", "cleared")]


def test_a_lasting_change_becomes_the_new_usual_and_is_said_so() -> None:
    fold = Fold(0)
    fold_all(fold, regular("c_a", 12, 7))
    later = [order("c_a", START + (12 + i) * 7 * DAY, 400.0 + i) for i in range(4)]

    said = fold_all(fold, later)

    assert kinds(said) == [("spend_deviation", "raised"), ("spend_deviation", "cleared")]
    assert "new usual" in said[-1].data["sentence"]


def test_complaints_raise_support_load_until_it_is_calm() -> None:
    fold = Fold(0)
    fold_all(fold, regular("c_a", 10, 9))
    now = START + 90 * DAY

    said = fold_all(fold, [ticket("c_a", now + i * DAY) for i in range(3)])
    assert kinds(said) == [("support_load", "raised")]
    fold_all(fold, [solved("c_a", now + 4 * DAY)])
    said = fold_all(fold, ticks(now + 5 * DAY, now + 60 * DAY))
    assert ("support_load", "cleared") in kinds(said)


def test_history_never_alerts_nor_does_a_timer_due_before_the_import() -> None:
    fold = Fold(0)
    moment = START + 400 * DAY
    history = [*regular("c_a", 20, 9, backfill=moment), order("c_a", START + 185 * DAY, 999.0, backfill=moment)]

    assert fold_all(fold, history) == []
    assert fold_all(fold, ticks(moment, moment + DAY)) == [], "an open import ignores ticks"
    ended = Event(What.IMPORT_ENDED, "e", "", moment + DAY, moment + DAY, data={})
    assert fold_all(fold, [ended, *ticks(moment + DAY, moment + 200 * DAY)]) == []


def test_a_spell_that_goes_on_after_the_import_is_raised_then() -> None:
    fold = Fold(0)
    moment = START + 12 * 7 * DAY + 3600
    history = [*regular("c_a", 12, 7, backfill=moment), order("c_a", START + 12 * 7 * DAY, 900.0, backfill=moment)]
    ended = Event(What.IMPORT_ENDED, "e", "", moment, moment, data={})
    assert fold_all(fold, [*history, ended]) == []

    said = fold_all(fold, [order("c_a", moment + DAY, 950.0)])

    assert kinds(said) == [("spend_deviation", "raised")]


def test_a_silence_that_falls_due_after_the_import_is_raised() -> None:
    fold = Fold(0)
    history = regular("c_a", 20, 9, backfill=START + 19 * 9 * DAY + 3600)
    moment = history[0].backfill
    ended = Event(What.IMPORT_ENDED, "e", "", moment, moment, data={})

    said = fold_all(fold, [*history, ended, *ticks(moment, moment + 30 * DAY)])

    assert kinds(said)[0] == ("purchase_silence", "raised")


def test_an_outage_of_the_log_is_not_read_as_silence() -> None:
    fold = Fold(0)
    fold_all(fold, regular("c_a", 10, 9))
    last = START + 81 * DAY
    fold_all(fold, ticks(last, last + 10 * DAY))

    # Nothing, not even ticks, for three weeks: nobody could be heard.
    assert fold_all(fold, [tick(last + 31 * DAY)]) == []


def test_many_silent_at_once_is_one_alarm_and_no_alerts() -> None:
    fold = Fold(0)
    customers = [f"c_{i}" for i in range(40)]
    fold_all(fold, [order(customer, START + i * 9 * DAY) for i in range(10) for customer in customers])
    last = START + 81 * DAY

    said = fold_all(fold, ticks(last, last + 60 * DAY))

    alarms = [e for e in said if e.type == "heed.silence.widespread.v1"]
    assert len(alarms) == 1
    assert alarms[0].data["customers"] >= 20
    assert [e for e in said if e.type != alarms[0].type] == []


def test_a_source_that_stops_is_not_taken_for_silent_customers() -> None:
    """One importer is down for weeks; the web shop goes on, and its own silent customer is noticed."""
    fold, r = Fold(0), random.Random(5)
    events = []
    for i in range(60):
        source = "till" if i % 2 else "shop"
        for event in regular(f"c_{i}", 30, 9, start=START + r.random() * 9 * DAY):
            event.data = {"source": source}
            if event.time < START + 120 * DAY or (source == "shop" and event.customer != "c_0"):
                events.append(event)
    events += ticks(START, START + 165 * DAY, 500.0)

    said = fold_all(fold, sorted(events, key=lambda event: event.time))

    assert [(e.key, e.data["kind"]) for e in said if e.type == "heed.trigger.raised.v1"] == [
        ("c_0", "purchase_silence")
    ]
    assert [e.type for e in said if e.key == ""] == ["heed.silence.widespread.v1"]


def test_orders_that_waited_out_an_outage_are_no_silence() -> None:
    """Facts come before the clock: what was ordered while nothing could be heard is known before time passes."""
    fold = Fold(0)
    fold_all(fold, [*regular("c_a", 10, 9), *ticks(START, START + 85 * DAY)])
    waited = [order("c_a", START + 90 * DAY), order("c_a", START + 130 * DAY)]

    assert fold_all(fold, [*waited, tick(START + 131 * DAY)]) == []


def test_without_a_model_or_a_history_nothing_is_claimed() -> None:
    fold = Fold(0)
    said = fold_all(fold, [order("c_a", START), *ticks(START, START + 100 * DAY)])
    assert said == []


def story(seed: int) -> list[Event]:
    """A few months of several customers, in the order of the log, with ticks between: several timers ring at one."""
    r = random.Random(seed)
    stride = r.choice((6, 168)) * 3600.0
    events: list[Event] = []
    for i in range(24):
        customer, at, gap = f"c_{i}", START + r.random() * 10 * DAY, r.uniform(2, 12)
        while at < START + 150 * DAY:
            amount = r.lognormvariate(3.5, 0.3) * (9 if r.random() < 0.03 else 1)
            events.append(order(customer, at, amount))
            events.extend(visit(customer, at + r.random() * DAY) for _ in range(r.randrange(2)))
            if r.random() < 0.08:
                events.extend(ticket(customer, at + k * 3600) for k in range(r.randrange(1, 5)))
            at += gap * DAY * r.lognormvariate(0, 0.4) * (6 if r.random() < 0.05 else 1)
    events.extend(ticks(START, START + 160 * DAY, stride))
    return sorted(events, key=lambda e: e.time + (e.what is not What.TICK) * r.random() * 600)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 10_000), st.booleans())
def test_checkpoints_and_new_owners_change_nothing(seed: int, cuts: int, with_model: bool) -> None:
    """The same log gives the same bytes and the same words in the same order, wherever checkpoints fall and however
    often the owner changes.
    """
    events, r = story(seed), random.Random(cuts)
    models = {MODEL: adopted()} if with_model else {}

    straight = Fold(0)
    straight.world.models = dict(models)
    for event in events:
        straight.apply(event)
    expected = straight.take_changes()

    fold = Fold(0)
    fold.world.models = dict(models)
    triggers, examples = list[str](), list[str]()
    kept: dict[str, tuple[bytes, bytes | None]] = {}
    for event in events:
        fold.apply(event)
        if r.random() < 0.02:
            changes = fold.take_changes()
            triggers += _triggers(changes)
            examples += _examples(changes)
            new_owner = reloaded(fold, changes, kept)
            fold = new_owner if r.random() < 0.5 else fold
    changes = fold.take_changes()
    assert triggers + _triggers(changes) == _triggers(expected)
    assert examples + _examples(changes) == _examples(expected)
    assert fold.state() == straight.state()
    for customer in straight.customers():
        assert pack(fold.profile(customer)) == pack(straight.profile(customer))  # type: ignore[arg-type]


@pytest.mark.parametrize("at", [0.0, -1e9, 253_402_300_799.0, START])
def test_odd_times_neither_crash_nor_loop(at: float) -> None:
    fold = Fold(0)
    fold_all(fold, regular("c_a", 5, 9))
    fold_all(fold, [order("c_a", at), order("c_b", at), tick(START + 400 * DAY), order("c_b", START + 500 * DAY)])
    assert fold.profile("c_a").of(Orders).count == 6  # type: ignore[union-attr]


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_every_trigger_is_raised_once_and_cleared_at_most_once(seed: int) -> None:
    fold = Fold(0)
    fold.world.models = {MODEL: adopted()}
    said = [e for e in fold_all(fold, story(seed)) if "trigger" in e.data]
    by_trigger: dict[str, list[str]] = {}
    for envelope in said:
        by_trigger.setdefault(envelope.data["trigger"], []).append(envelope.type.split(".")[2])
    for actions in by_trigger.values():
        assert actions[0] == "raised"
        assert actions.count("raised") == 1
        assert "cleared" not in actions[:-1]


_ODD_TIMES = (0.0, 253_402_300_000.0, START - 400 * DAY)
_MOST_PACKED, _MOST_WAITING = 3_072, 16_384


def test_a_customer_of_many_odd_facts_stays_small() -> None:
    """Years 1970 and 9999, late ones, sums beyond what eight bytes hold, hundreds of channels and products."""
    r, fold = random.Random(5), Fold(0)
    takes = (What.ORDER, What.RETURN, What.LEAD, What.TOUCHPOINT, What.TICKET_OPENED, What.MESSAGE_SENT)
    for n in range(6_000):
        now = START + n * 1_000.0
        event = order("c", now if r.random() < 0.99 else r.choice(_ODD_TIMES), n=n)
        event.what, event.received = r.choice(takes), now
        event.amount, event.currency = r.choice((0, 1, 400_000, 2**61)), r.choice(("GBP", "EUR", "USD", "JPY", "SEK"))
        items = [{"sku": f"s{r.randrange(900)}", "quantity": r.choice((1, -1, 1e300, "x", None))}]
        data = {"channel": f"ch{r.randrange(300)}", "source": f"s{r.randrange(90)}", "campaign": f"k{r.randrange(50)}"}
        event.data = {**data, "items": items * r.randrange(4), "ticket_id": f"t{n}", "message_id": f"m{n}"}
        fold.apply(event)
        fold.apply(tick(now))
    fold.take_changes()
    profile = fold.profile("c")
    assert profile is not None
    assert len(pack(profile)) <= _MOST_PACKED
    assert len(profile.pending.pack()) <= _MOST_WAITING
    assert len(fold.state()) < 16_384


def _triggers(changes: Changes) -> list[str]:
    return [trigger.id for trigger in changes.triggers]


def _examples(changes: Changes) -> list[str]:
    return [f"{told.example.model} {told.customer} {told.example.as_of}" for told in changes.examples]
