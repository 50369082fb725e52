"""Standing queries in the fold: when a rule speaks, of whom, and that only the log decides it."""

import base64
import json
import random
from pathlib import Path
from uuid import UUID

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.events import CLEARED, PROFILE_MERGED, RAISED, Event, What
from analytics.fold import Fold
from analytics.operators.base import SEVERAL, Kind
from analytics.operators.standing_query import SCORES, StandingQuery
from analytics.operators.state_values import READERS
from analytics.orders import DAY
from analytics.profile import pack
from analytics.queries.checking import check
from analytics.queries.history import Histories
from analytics.queries.remembered import Remembered
from analytics.queries.vocabulary import STATES
from analytics.queries.windows import Shape
from common.envelope import Envelope
from tests.analytics.stories import START, fold_all, hash_of, order, reloaded, solved, tick, ticket, ticks

CONTRACTS = Path(__file__).parents[2] / "contracts"
THE_RULE = "sum(order.total) over 7d > 3 * mean over 90d and tickets.open > 0"


def activated(rule: str, number: int = 1, name: str = "Rule", *, at: float = START, first_track: int = 1) -> Event:
    plan = check(rule)
    data = {
        "query": f"q{number}",
        "number": number,
        "name": name,
        "rule": plan.text,
        "severity": "high",
        "direction": "good",
        "tracks": {track.text: first_track + i for i, track in enumerate(plan.tracks)},
    }
    return Event(What.QUERY_ACTIVATED, f"a{number}", "", at, at, data=data)


def primed(number: int = 1, *, at: float = START) -> Event:
    return Event(What.QUERY_PRIMED, f"p{number}", "", at, at, data={"query": f"q{number}"})


def retired(number: int = 1, *, at: float = START) -> Event:
    return Event(What.QUERY_RETIRED, f"r{number}", "", at, at, data={"query": f"q{number}"})


def running(*rules: str, at: float = START) -> Fold:
    """A fold with these rules, of which nothing was missed."""
    fold, track = Fold(0), 1
    for number, rule in enumerate(rules, 1):
        fold.apply(activated(rule, number, at=at, first_track=track))
        fold.prime(primed(number, at=at), Histories(float("-inf")))
        track += len(check(rule).tracks)
    return fold


def lead(customer: str, at: float) -> Event:
    return Event(What.LEAD, str(UUID(int=hash_of(customer, "lead", at))), customer, at, at)


def visit(customer: str, at: float) -> Event:
    id_ = str(UUID(int=hash_of(customer, "visit", at)))
    return Event(What.TOUCHPOINT, id_, customer, at, at, data={"kind": "page"})


def rules_said(said: list[Envelope]) -> list[tuple[str, str]]:
    """(rule, action) of each step of a standing query."""
    mine = [e for e in said if e.data.get("kind") == "standing_query"]
    return [(e.data.get("rule", ""), e.type.split(".")[2]) for e in mine]


# -- the sentence of the documentation ------------------------------------------------------------------


def test_a_week_that_is_three_times_the_usual_is_told_with_its_numbers() -> None:
    fold = running(THE_RULE)
    weekly = [order("c_a", START + week * 7 * DAY, 28.0) for week in range(14)]
    now = START + 14 * 7 * DAY
    assert rules_said(fold_all(fold, [*weekly, ticket("c_a", now)])) == []

    said = fold_all(fold, [order("c_a", now + 3600, 310.0)])

    assert rules_said(said) == [("q1", "raised")]
    raised = next(e for e in said if e.data["kind"] == "standing_query").data
    assert raised["sentence"] == "Rule: 7-day spend £310 > 3 × £28 and open tickets 1 > 0."
    assert raised["observed"] == {"value": 310.0, "unit": "GBP", "text": "7-day spend £310"}
    assert raised["expected"]["unit"] == "GBP"
    assert (raised["severity"], raised["direction"]) == ("high", "good")
    assert StandingQuery().score_again(raised["features"], None) == raised["score"] == SCORES["high"]


def test_the_usual_is_that_of_the_time_before_and_of_those_known_long_enough() -> None:
    fold = running("sum(order.total) over 7d > 3 * mean over 90d")
    # 13 orders of 28 in 84 days are 30.33 a week, and three times that is 91.
    fold_all(fold, [order("c_a", START + week * 7 * DAY, 28.0) for week in range(13)])
    assert rules_said(fold_all(fold, [order("c_a", START + 13 * 7 * DAY, 90.9)])) == []
    assert rules_said(fold_all(fold, [order("c_a", START + 13 * 7 * DAY + 1, 0.2)])) == [("q1", "raised")]
    # A newcomer has no usual, however large the first orders are.
    assert rules_said(fold_all(fold, [order("c_new", START + day * DAY, 500.0) for day in range(10)])) == []


def test_what_is_said_keeps_its_contracts() -> None:
    fold = running("tickets.open > 0")
    said = fold_all(fold, [ticket("c_a", START), solved("c_a", START + DAY), ticket("c_a", START + 2 * DAY), retired()])
    mine = [envelope for envelope in said if envelope.data["kind"] == "standing_query"]
    assert [envelope.type for envelope in mine] == [RAISED, CLEARED, RAISED, CLEARED]
    for envelope in mine:
        schema = json.loads((CONTRACTS / f"{envelope.type}.json").read_text())["schema"]
        jsonschema.validate(json.loads(envelope.value()), schema)


# -- absence --------------------------------------------------------------------------------------------


def test_an_absence_is_told_by_time_alone_and_ends_with_the_event() -> None:
    fold = running("no(order) over 21d and count(lead) over 60d > 0")
    assert fold_all(fold, [lead("c_a", START), order("c_a", START + DAY)]) == []
    assert rules_said(fold_all(fold, ticks(START, START + 21 * DAY))) == []

    said = fold_all(fold, ticks(START + 21 * DAY, START + 23 * DAY))
    assert rules_said(said) == [("q1", "raised")]
    assert said[0].time.timestamp() == START + 22 * DAY
    assert said[0].data["sentence"] == "Rule: no order for 21 days and 60-day leads 1 > 0."
    assert rules_said(fold_all(fold, [order("c_a", START + 25 * DAY)])) == [("", "cleared")]


def test_an_absence_after_something() -> None:
    fold = running("no(order) over 21d after lead")
    fold_all(fold, [order("c_buyer", START), order("c_a", START), lead("c_a", START + 10 * DAY)])
    fold_all(fold, [lead("c_b", START), order("c_b", START + 20 * DAY)])

    said = fold_all(fold, ticks(START, START + 80 * DAY))

    assert [(e.data["customer"], e.time.timestamp()) for e in said if e.data["kind"] == "standing_query"] == [
        ("c_a", START + 31 * DAY)
    ]


def test_nobody_is_absent_before_they_were_known_so_long() -> None:
    fold = running("no(order) over 21d")
    fold_all(fold, [visit("c_a", START + 5 * DAY)])
    said = fold_all(fold, ticks(START + 5 * DAY, START + 40 * DAY))
    assert [e.time.timestamp() for e in said] == [START + 26 * DAY]


def test_an_outage_of_the_log_is_no_absence() -> None:
    fold = running("no(visit) over 3d")
    fold_all(fold, [visit("c_a", START), *ticks(START, START + 2 * DAY)])
    assert rules_said(fold_all(fold, [tick(START + 4 * DAY)])) == []
    assert rules_said(fold_all(fold, ticks(START + 4 * DAY, START + 6 * DAY))) == [("q1", "raised")]


def test_a_time_since_is_told_when_it_is_over() -> None:
    fold = running("days_since(order) > 9 and orders.count >= 2")
    fold_all(fold, [order("c_a", START), order("c_a", START + DAY), order("c_once", START)])
    said = fold_all(fold, ticks(START, START + 20 * DAY))
    assert [(e.data["customer"], e.time.timestamp()) for e in said] == [("c_a", START + 10 * DAY)]


# -- episodes -------------------------------------------------------------------------------------------


def test_a_rule_speaks_once_while_it_stays_true_and_again_after_it_was_not() -> None:
    fold = running("count(order) over 7d >= 2")
    said = fold_all(fold, [order("c_a", START + hour * 3600) for hour in range(5)])
    assert rules_said(said) == [("q1", "raised")]
    said = fold_all(fold, ticks(START + DAY, START + 9 * DAY))
    assert rules_said(said) == [("", "cleared")]
    assert said[0].time.timestamp() == START + 7 * DAY + 3 * 3600
    said = fold_all(fold, [order("c_a", START + 20 * DAY), order("c_a", START + 21 * DAY)])
    assert rules_said(said) == [("q1", "raised")]


def test_a_rule_that_wants_quiet_speaks_no_sooner() -> None:
    fold = running("tickets.open > 0 then quiet for 7d")
    said = fold_all(fold, [ticket("c_a", START), solved("c_a", START + 3600), ticket("c_a", START + 7200)])
    assert [action for _, action in rules_said(said)] == ["raised", "cleared"]
    said = fold_all(fold, ticks(START + 7200, START + 8 * DAY))
    mine = [e for e in said if e.data["kind"] == "standing_query"]
    assert [(e.type, e.time.timestamp()) for e in mine] == [(RAISED, START + 7 * DAY)]


def test_who_is_so_already_is_told_only_when_it_comes_to_be_again() -> None:
    fold = Fold(0)
    fold_all(fold, [ticket("c_a", START), ticket("c_b", START), visit("c_c", START)])
    fold.apply(activated("tickets.open > 0", at=START + DAY))
    fold.prime(primed(at=START + DAY), Histories(START))
    assert rules_said(fold_all(fold, [visit("c_a", START + 2 * DAY), ticket("c_c", START + 2 * DAY)])) == [
        ("q1", "raised")
    ]
    said = fold_all(fold, [solved("c_a", START + 3 * DAY), ticket("c_a", START + 4 * DAY)])
    assert rules_said(said) == [("q1", "raised")]


def test_history_opens_episodes_silently() -> None:
    fold = running("count(order) over 30d >= 3")
    moment = START + 100 * DAY
    said = fold_all(fold, [order("c_a", START + day * DAY, backfill=moment) for day in range(9)])
    ended = Event(What.IMPORT_ENDED, "e", "", moment, moment, data={})
    assert rules_said([*said, *fold_all(fold, [ended, *ticks(moment, moment + DAY)])]) == []
    said = fold_all(fold, [order("c_a", moment + day * DAY) for day in range(2, 5)])
    assert rules_said(said) == [("q1", "raised")]


def test_a_rule_that_is_ended_ends_its_episodes() -> None:
    fold = running("tickets.open > 0", "tickets.open > 1")
    fold_all(fold, [ticket("c_a", START), ticket("c_a", START + 1), ticket("c_b", START)])
    fold.take_changes()
    said = fold_all(fold, [retired(1), retired(1)])
    assert [(e.type, e.data["customer"]) for e in said] == [(CLEARED, "c_a"), (CLEARED, "c_b")]
    assert SEVERAL * Kind.STANDING_QUERY + 2 in fold.profile("c_a").episodes  # type: ignore[union-attr]
    # What the bus says twice does not bring it back.
    assert rules_said(fold_all(fold, [activated("tickets.open > 0"), ticket("c_d", START)])) == []


def test_amounts_of_two_currencies_do_not_compare() -> None:
    fold = running("sum(order.total) over 30d > 2 * sum(return.total) over 30d")
    euros = order("c_a", START + 1, 100.0)
    euros.currency = "EUR"
    back = Event(What.RETURN, "r", "c_a", START + 2, START + 2, 0.0, 10_000, "GBP")
    assert rules_said(fold_all(fold, [back])) == []
    assert rules_said(fold_all(fold, [euros])) == []
    fold = running("sum(order.total) over 30d > £50")
    assert rules_said(fold_all(fold, [euros])) == []
    assert rules_said(fold_all(fold, [order("c_a", START + 2, 60.0)])) == [("q1", "raised")]


def test_a_state_of_another_currency_than_the_rules_does_not_compare() -> None:
    fold = running("spend.total > £50 and orders.count > 0", "spend.total > 50 and orders.count > 0")
    euros = order("c_a", START, 100.0)
    euros.currency = "EUR"
    assert rules_said(fold_all(fold, [euros])) == [("q2", "raised")]


def test_filters_look_at_the_order_and_at_its_lines() -> None:
    fold = running(
        'sum(order.total where sku = "A1") over 7d >= 30',
        'sum(order.quantity where order.channel in ("web", "app")) over 7d > 2',
        "distinct(order.sku) over 7d = 2",
    )
    bought = order("c_a", START, 100.0)
    bought.data = {
        "channel": "web",
        "items": [
            {"sku": "A1", "quantity": 3, "unit_price": "10.00"},
            {"sku": "B2", "quantity": 1, "unit_price": "70.00"},
        ],
    }
    assert [rule for rule, _ in rules_said(fold_all(fold, [bought]))] == ["q1", "q2", "q3"]
    odd = order("c_b", START, 100.0)
    odd.data = {"channel": 5, "items": [None, {"sku": 3, "quantity": "many"}, "x"]}
    assert rules_said(fold_all(fold, [odd])) == []


# -- what was before ------------------------------------------------------------------------------------


def test_what_was_before_the_rule_counts_once_it_is_primed() -> None:
    before = [order("c_a", START + day * DAY) for day in range(2)]
    past = running("count(order) over 7d >= 3")
    fold_all(past, before)
    known = {"c_a": past.profile("c_a").of(Remembered)}  # type: ignore[union-attr]

    fold = Fold(0)
    fold_all(fold, before)
    fold.apply(activated("count(order) over 7d >= 3", at=START + 2 * DAY))
    fold_all(fold, [order("c_b", START + 2 * DAY)])
    histories = Histories.unpack(Histories(START - 5 * DAY, known).pack())
    for _ in range(2):  # the bus may say it twice
        fold.prime(primed(at=START + 2 * DAY), histories)
    assert rules_said(fold_all(fold, [order("c_a", START + 3 * DAY)])) == [("q1", "raised")]
    assert rules_said(fold_all(fold, [order("c_b", START + 3 * DAY)])) == []


def test_an_absence_of_what_never_came_is_told_of_those_who_were_known_before() -> None:
    fold = Fold(0)
    fold_all(fold, [order("c_a", START), order("c_a", START + 5 * DAY)])
    fold.apply(activated("no(lead) over 9d", at=START + 6 * DAY))
    fold.prime(primed(at=START + 6 * DAY), Histories(float("-inf")))
    fold = reloaded(fold, fold.take_changes(), {})
    said = fold_all(fold, ticks(START + 6 * DAY, START + 10 * DAY))
    assert [e.time.timestamp() for e in said if e.data["kind"] == "standing_query"] == [START + 9 * DAY]


def test_a_window_that_is_not_all_known_says_nothing_until_it_is() -> None:
    fold = Fold(0)
    fold_all(fold, [order("c_a", START - 2 * DAY)])
    fold.apply(activated("count(order) over 7d < 1"))
    fold.prime(primed(), Histories(START - DAY))
    assert rules_said(fold_all(fold, [visit("c_a", START + DAY)])) == []
    said = fold_all(fold, ticks(START + DAY, START + 9 * DAY))
    assert [e.time.timestamp() for e in said if e.type == RAISED] == [START + 6 * DAY]


def test_who_was_merged_while_a_rule_was_primed_is_sent_on() -> None:
    past = running("count(order) over 7d >= 3")
    fold_all(past, [order("c_lost", START)])
    fold = Fold(0)
    fold_all(fold, [order("c_lost", START)])
    fold.apply(activated("count(order) over 7d >= 3"))
    fold.apply(Event(What.CONTACT_MERGED, "m", "c_lost", START, START, data={"surviving": "c_kept"}))
    fold.take_changes()
    fold.prime(primed(), Histories(START, {"c_lost": past.profile("c_lost").of(Remembered)}))  # type: ignore[union-attr]
    facts = fold.take_changes().facts
    assert [(fact.type, fact.key) for fact in facts] == [(PROFILE_MERGED, "c_kept")]


# -- merges ---------------------------------------------------------------------------------------------


def test_two_customers_who_are_one_count_together_and_have_one_episode() -> None:
    rules = ("count(order) over 30d >= 4", "tickets.open > 0")
    losing, surviving = running(*rules), running(*rules)
    fold_all(losing, [order("c_lost", START + hour * 3600) for hour in range(2)] + [ticket("c_lost", START)])
    fold_all(surviving, [order("c_kept", START + hour * 3600, n=1) for hour in range(2)] + [ticket("c_kept", START)])

    merged = Event(What.CONTACT_MERGED, "m", "c_lost", START + DAY, START + DAY, data={"surviving": "c_kept"})
    losing.apply(merged)
    fact = losing.take_changes().facts[0]
    said = fold_all(
        surviving,
        [
            Event(What.PROFILE_MERGED, fact.id, "c_kept", START + DAY, START + DAY, data=dict(fact.data)),
            tick(START + 2 * DAY),
        ],
    )

    # The episode both had ends for the one that was lost; what both together make true is told.
    assert rules_said(said) == [("", "cleared"), ("q1", "raised")]
    assert base64.b64decode(fact.data["profile"])


# -- only the log decides -------------------------------------------------------------------------------

RULES = (
    "count(order) over 7d >= 3 then quiet for 14d",
    "sum(order.total) over 7d > 2 * mean over 30d",
    "no(order) over 10d and count(visit) over 20d > 0",
    "no(order) over 5d after ticket or tickets.open > 2",
    "silence > 12d",
    "distinct(order.currency) over 30d > 0 and mean(order.total) over 14d < £40",
)


def story(seed: int) -> list[Event]:
    r = random.Random(seed)
    events: list[Event] = []
    for i in range(4):
        customer, at = f"c_{i}", START + r.random() * 5 * DAY
        while at < START + 60 * DAY:
            kind = r.random()
            events.append(
                order(customer, at, r.lognormvariate(3.5, 0.6))
                if kind < 0.5
                else visit(customer, at)
                if kind < 0.75
                else ticket(customer, at)
                if kind < 0.87
                else solved(customer, at)
            )
            at += r.expovariate(1 / 2.0) * DAY * (8 if r.random() < 0.1 else 1)
    events.extend(ticks(START, START + 70 * DAY, 6 * 3600.0))
    # The log's clock never passes a fact that is still to come.
    return sorted(events, key=lambda e: (e.time, e.what is What.TICK))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_checkpoints_and_new_owners_change_nothing(seed: int, cuts: int) -> None:
    events, r = story(seed), random.Random(cuts)
    straight, fold = running(*RULES), running(*RULES)
    kept: dict[str, tuple[bytes, bytes | None]] = {}
    said: list[Envelope] = []
    for event in events:
        straight.apply(event)
        fold.apply(event)
        if r.random() < 0.03:
            changes = fold.take_changes()
            said.extend(changes.triggers)
            fold = reloaded(fold, changes, kept)
    expected = straight.take_changes().triggers
    said.extend(fold.take_changes().triggers)
    assert [e.id for e in said] == [e.id for e in expected]
    assert fold.state() == straight.state()
    for customer in straight.customers():
        assert pack(fold.profile(customer)) == pack(straight.profile(customer))  # type: ignore[arg-type]


# Whether a rule holds at `now`, from all facts of a customer up to then.
_BRUTE = {
    "q1": lambda facts, now: _count(facts, What.ORDER, now, 7) >= 3,
    "q2": lambda facts, now: _usual(facts, now),
    "q3": lambda facts, now: _absent(facts, now, 10) and _count(facts, What.TOUCHPOINT, now, 20) > 0,
}

_DAY = int(DAY)
_WINDOWS = {
    "q1": ((What.ORDER, Shape((7 * _DAY,))),),
    "q2": ((What.ORDER, Shape((7 * _DAY, 37 * _DAY))),),
    "q3": ((What.ORDER, Shape((10 * _DAY,))), (What.TOUCHPOINT, Shape((20 * _DAY,)))),
}


def _since(facts: list[Event], what: What, now: float, days: float) -> list[Event]:
    return [e for e in facts if e.what is what and now - days * DAY < e.time <= now]


def _count(facts: list[Event], what: What, now: float, days: float) -> int:
    return len(_since(facts, what, now, days))


def _absent(facts: list[Event], now: float, days: float) -> bool:
    return facts[0].time <= now - days * DAY and not _since(facts, What.ORDER, now, days)


def _usual(facts: list[Event], now: float) -> bool:
    week = sum(e.amount for e in _since(facts, What.ORDER, now, 7))
    before = sum(e.amount for e in _since(facts, What.ORDER, now, 37)) - week
    observed = min(30.0, (now - facts[0].time) / DAY - 7)
    return observed >= 14 and week > 2 * before * 7 / observed


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_a_rule_speaks_whenever_a_recomputation_from_all_facts_says_so(seed: int) -> None:
    """After every event of a customer an episode is open if and only if the rule holds of all facts so far."""
    events = [event for event in story(seed) if event.what is not What.TICK]
    fold = running(*(RULES[i].partition(" then")[0] for i in range(3)))
    facts: dict[str, list[Event]] = {}
    for event in events:
        fold.apply(event)
        facts.setdefault(event.customer, []).append(event)
        profile = fold.profile(event.customer)
        assert profile is not None
        for number, rule in enumerate(RULES[:3], 1):
            looked_at = event.what in check(rule).facts
            if looked_at and not _on_the_edge(facts[event.customer], event.time, f"q{number}"):
                holds = _BRUTE[f"q{number}"](facts[event.customer], event.time)
                assert (SEVERAL * Kind.STANDING_QUERY + number in profile.episodes) == holds, (number, event)


def _on_the_edge(facts: list[Event], now: float, rule: str) -> bool:
    """Facts are kept to the second: one that leaves a window within this second may count or not. Once they are many,
    one may count for a slot too long, never too short.
    """
    for what, shape in _WINDOWS[rule]:
        ages = [now - e.time for e in facts if e.what is what]
        for window in shape.windows:
            late = 1 if len(ages) <= shape.most else shape.late_by(window)
            if any(-1 < age - window < late for age in ages):
                return True
    return False


def test_every_state_value_can_be_read() -> None:
    assert READERS.keys() == STATES.keys()


@pytest.mark.parametrize("at", [0.0, -1e9, 253_402_300_799.0])
def test_odd_times_neither_crash_nor_loop(at: float) -> None:
    fold = running(*RULES)
    fold_all(fold, [order("c_a", START), order("c_a", at), visit("c_a", at), tick(START + DAY), order("c_a", START)])
    assert fold.profile("c_a") is not None


def test_memory_is_bounded_for_a_customer_with_very_many_events() -> None:
    fold = running(*RULES)
    fold_all(fold, [order("c_a", START + i * 600.0) for i in range(5_000)])
    most = sum(check(rule).bytes for rule in RULES)
    assert len(fold.profile("c_a").of(Remembered).pack()) <= most + 200  # type: ignore[union-attr]
