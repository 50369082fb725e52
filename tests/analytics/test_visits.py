"""What teaches: visits instead of views, no robots, nothing twice; and that people are not taken for robots."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from analytics.activity import Activity
from analytics.checkpoint import Checkpoint
from analytics.events import Event, What, decode
from analytics.fold import Fold
from analytics.noticing import Noticing
from analytics.operators.base import NOTHING, Operator, Outcome, World
from analytics.operators.spend_deviation import Spend
from analytics.orders import DAY, Orders
from analytics.profile import Profile, pack
from analytics.task import Task, Topics
from analytics.visits import PAUSE_SECONDS, VIEWS_AT_ONCE, LastBasket, Sifted, Visits, is_robot, sift
from common.failures import InvalidError
from tests.analytics.stories import START, hash_of, order, regular, reloaded

MINUTE = 60.0
CHROME = "Mozilla/5.0 ({}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 {}Safari/537.36"
ROBOTS = (
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/120.0.0.0 Mobile Safari/537.36 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/120.0.0.0 Safari/537.36",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
    "python-requests/2.31.0",
    "curl/8.5.0",
)
PEOPLE = (
    CHROME.format("Windows NT 10.0; Win64; x64", ""),
    CHROME.format("Linux; Android 10; K", "Mobile "),
    CHROME.format("Linux; Android 12; CUBOT NOTE 20", "Mobile "),
    CHROME.format("Linux; Android 8.1; Spider X9", "Mobile "),
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.2 "
    "Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:121.0) Gecko/20100101 Firefox/121.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 "
    "Instagram 309.0.0.24.108",
    "Dalvik/2.1.0 (Linux; U; Android 13; Pixel 7 Build/TQ3A)",
    "",
)


def touch(at: float, kind: str = "page", name: str | None = None, n: int = 0, **more: Any) -> Event:
    data = {"kind": kind, "name": name or f"page {at}", **more}
    return Event(What.TOUCHPOINT, str(UUID(int=hash_of(kind, name, at, n))), "c_a", START + at, START + at, data=data)


def bought(at: float, total: float = 40.0, *skus: str, n: int = 0) -> Event:
    event = order("c_a", START + at, total, n=n)
    event.data = {"items": [{"sku": sku, "quantity": 1} for sku in skus]}
    return event


def taken(*events: Event) -> list[Sifted]:
    profile = Profile()
    return [sift(profile, event) for event in events]


def folded(*events: Event) -> tuple[Fold, Any]:
    fold = Fold(0)
    for event in events:
        fold.apply(event)
    return fold, fold.take_changes()


def section(fold: Fold, cls: type[Any]) -> Any:
    profile = fold.profile("c_a")
    assert profile is not None
    return profile.of(cls)


# Visits


def test_page_views_of_a_visit_count_once() -> None:
    found = taken(*(touch(at) for at in (0, 60, 25 * MINUTE, 54 * MINUTE, 85 * MINUTE)))
    assert found == [Sifted.OPENS, Sifted.WITHIN, Sifted.WITHIN, Sifted.WITHIN, Sifted.OPENS]


def test_churn_learns_from_visits() -> None:
    fold, _ = folded(*(touch(minute * MINUTE) for minute in range(20)), touch(5 * DAY))
    activity = section(fold, Activity)
    assert activity.web == pytest.approx(1 + 0.5 ** (5 / 7))


class Listener(Operator):
    """Writes down what it is told."""

    takes = frozenset({What.VISIT, What.TOUCHPOINT, What.LEAD})

    def __init__(self) -> None:
        self.told: list[tuple[What, float]] = []

    def learn(self, profile: Profile, event: Event, world: World) -> Sequence[Outcome]:
        self.told.append((event.what, event.time - START))
        return NOTHING


def test_operators_are_told_of_visits_and_of_each_web_fact() -> None:
    listener = Listener()
    noticing, profile = Noticing(World(), [listener]), Profile()
    lead = Event(What.LEAD, str(UUID(int=1)), "c_a", START + 90, START + 90, data={"form": "contact"})
    robot = touch(61, user_agent=ROBOTS[0])
    for event in (touch(0), touch(60), robot, lead, touch(90, "identify"), touch(DAY)):
        noticing.learn(profile, event)
    first = [(What.VISIT, 0), (What.TOUCHPOINT, 0), (What.TOUCHPOINT, 60), (What.LEAD, 90), (What.TOUCHPOINT, 90)]
    assert listener.told == [*first, (What.VISIT, DAY), (What.TOUCHPOINT, DAY)]


def test_what_is_said_about_a_customer_is_no_visit() -> None:
    assert taken(touch(0, "identify"), touch(1, "group"), touch(2, "alias")) == [Sifted.ABOUT] * 3
    fold, _ = folded(touch(0, "identify"))
    assert section(fold, Activity).web == 0


def test_a_form_may_open_a_visit_and_is_taken_once() -> None:
    leads = [
        Event(What.LEAD, str(UUID(int=n)), "c_a", START + n, START + n, data={"form": "contact", "page_url": "/c"})
        for n in (1, 2, 40)
    ]
    assert taken(*leads, touch(60)) == [Sifted.OPENS, Sifted.TWICE, Sifted.WITHIN, Sifted.WITHIN]


def test_what_comes_late_opens_no_visit() -> None:
    found = taken(touch(0), touch(10 * DAY), *(touch(5 * DAY + n * MINUTE) for n in range(20)))
    assert found == [Sifted.OPENS, Sifted.OPENS, *[Sifted.WITHIN] * 20]


@given(st.lists(st.floats(4, 3 * PAUSE_SECONDS), max_size=60))
def test_visits_are_cut_by_half_an_hour_of_nothing(pauses: list[float]) -> None:
    moments = [sum(pauses[:n]) for n in range(len(pauses) + 1)]
    found = taken(*(touch(at, "track") for at in moments))
    opened = [after >= before + PAUSE_SECONDS for before, after in pairwise(START + at for at in moments)]
    assert found == [Sifted.OPENS, *(Sifted.OPENS if opens else Sifted.WITHIN for opens in opened)]


events = st.builds(
    touch,
    at=st.floats(-1e9, 1e9) | st.floats(0, 7_200),
    kind=st.sampled_from(["page", "screen", "track", "identify"]),
    name=st.sampled_from(["a", "b", "c"]),
    properties=st.none() | st.dictionaries(st.text(max_size=3), st.integers() | st.floats() | st.text(max_size=3)),
    user_agent=st.none() | st.sampled_from([*ROBOTS, *PEOPLE]) | st.integers(),
)


@given(st.lists(events | st.builds(bought, st.floats(0, 200), st.sampled_from([40.0, 50.0]), st.just("A"))))
def test_the_state_is_small_and_a_fold_goes_on_from_it(facts: list[Event]) -> None:
    whole, halved = Fold(0), Fold(0)
    kept: dict[str, tuple[bytes, bytes | None]] = {}
    for nth, event in enumerate(facts):
        whole.apply(event)
        halved.apply(event)
        if nth % 3 == 2:
            halved = reloaded(halved, halved.take_changes(), kept)
    assert {c: pack(whole.profile(c)) for c in whole.customers()} == {  # type: ignore[arg-type]
        c: pack(halved.profile(c))  # type: ignore[arg-type]
        for c in halved.customers()
    }
    assert Visits.LAYOUT.size + LastBasket.LAYOUT.size <= 64


# Twice


def test_a_post_that_comes_twice_counts_once() -> None:
    assert taken(touch(0, name="Home"), touch(0.4, name="Home", n=1))[1] is Sifted.TWICE
    assert taken(touch(0, name="Home"), touch(4, name="Home", n=1))[1] is Sifted.WITHIN
    assert taken(touch(1, name="Home"), touch(0, name="Home", n=1))[1] is Sifted.TWICE  # whichever comes first


def test_two_trackers_may_interleave() -> None:
    a, b = touch(0, name="Home"), touch(0.1, "track", "Seen")
    again = [touch(0.2, name="Home", n=1, properties={"title": "Home"}), touch(0.3, "track", "Seen", n=1)]
    assert taken(a, b, *again)[2:] == [Sifted.TWICE] * 2


def test_what_differs_is_not_twice() -> None:
    added = [touch(n / 10, "track", "Product Added", properties={"sku": sku}) for n, sku in enumerate("ABC")]
    assert Sifted.TWICE not in taken(*added)
    assert Sifted.TWICE not in taken(touch(0, name="P", page_url="/a"), touch(0.1, name="P", page_url="/b"))


def test_an_order_that_comes_twice_is_money_and_teaches_once() -> None:
    once = [*regular("c_a", 6, 7), bought(60 * DAY, 44, "TEA", "MUG")]
    fold, changes = folded(*once, bought(60 * DAY + 30, 44, "TEA", "MUG", n=1))
    alone, _ = folded(*once)
    assert (section(fold, Orders).count, section(fold, Orders).days) == (8, 7)
    assert section(fold, Spend).pack() == section(alone, Spend).pack()
    assert changes.sifted == {Sifted.ORDER_TWICE: 1}


@pytest.mark.parametrize(
    "second",
    [
        bought(61, 44, "TEA", "MUG"),
        bought(30, 45, "TEA", "MUG"),
        bought(30, 44, "TEA", "POT"),
        bought(30, 44, "TEA"),
        bought(30, 44),
    ],
)
def test_orders_that_differ_are_two(second: Event) -> None:
    assert taken(bought(0, 44, "TEA", "MUG"), second) == [Sifted.ABOUT] * 2


def test_orders_without_items_cannot_be_told_apart_and_are_two() -> None:
    assert taken(bought(0), bought(1, n=1)) == [Sifted.ABOUT] * 2
    strange = [order("c_a", START + n) for n in range(3)]
    for event, items in zip(strange, ({"a": 1}, "ab", [None, 3]), strict=True):
        event.data = {"items": items}
    assert taken(*strange) == [Sifted.ABOUT] * 3


# Robots


@pytest.mark.parametrize("agent", ROBOTS)
def test_robots_that_say_so_teach_nothing(agent: str) -> None:
    assert is_robot(agent)
    fold, changes = folded(*(touch(n * DAY, user_agent=agent) for n in range(3)))
    assert section(fold, Activity).web == 0
    assert changes.sifted == {Sifted.ROBOT: 3}


@pytest.mark.parametrize("agent", PEOPLE)
def test_people_are_not_taken_for_robots(agent: str) -> None:
    assert not is_robot(agent)


@pytest.mark.parametrize("agent", [None, 3, ["curl"], {"a": 1}])
def test_a_user_agent_that_is_none_is_no_robot(agent: Any) -> None:
    assert not is_robot(agent)


def test_who_views_pages_faster_than_anybody_reads_is_a_robot_for_that_visit() -> None:
    crawl = [touch(n / 2) for n in range(1_000)]
    found = taken(*crawl)
    first = found.index(Sifted.PACE)
    assert VIEWS_AT_ONCE <= first < 80  # half a minute at two pages a second
    assert set(found[first:]) == {Sifted.PACE}
    assert found[:first].count(Sifted.OPENS) == 1
    slow_end = [touch(500 + n * 10 * MINUTE) for n in range(3)]
    assert taken(*crawl, *slow_end)[-3:] == [Sifted.PACE] * 3
    assert taken(*crawl, touch(DAY))[-1] is Sifted.OPENS  # and then trusted again


def test_what_a_fast_visitor_asks_for_is_heard() -> None:
    lead = Event(What.LEAD, str(UUID(int=1)), "c_a", START + 501, START + 501, data={"form": "contact"})
    assert taken(*(touch(n / 2) for n in range(1_000)), lead)[-1] is Sifted.WITHIN


@given(st.lists(st.floats(3.01, 600), max_size=200), st.integers(1, 55))
def test_nobody_who_reads_is_a_robot(pauses: list[float], tabs: int) -> None:
    """A view every three seconds for ever, and dozens of tabs opened at once."""
    moments = [sum(pauses[:n]) for n in range(len(pauses) + 1)]
    opened = [moments[-1] + n * 0.2 for n in range(tabs)]
    assert Sifted.PACE not in taken(*(touch(at, n=n) for n, at in enumerate([*moments, *opened])))


def test_people_who_click_much_are_no_robots() -> None:
    assert Sifted.PACE not in taken(*(touch(n / 10, "track", f"scrolled {n}") for n in range(2_000)))


# Beyond one customer's facts


def test_what_teaches_nothing_is_counted() -> None:
    def counted(reason: str) -> float:
        return REGISTRY.get_sample_value("heed_analytics_filtered_total", {"reason": reason}) or 0.0

    before = {reason: counted(reason) for reason in ("robot", "twice", "pace", "order_twice")}
    task = Task(partition=0, fold=Fold(0), written=0, folded=0)
    for event in (touch(0, name="Home"), touch(1, name="Home", n=1), touch(2, user_agent=ROBOTS[0])):
        task.apply(event, event.id)
        task.folded += 1
    task.collect(Checkpoint(), Topics("facts", "triggers", "examples"))
    assert {reason: counted(reason) - was for reason, was in before.items()} == {
        "robot": 1,
        "twice": 1,
        "pace": 0,
        "order_twice": 0,
    }


def test_two_people_who_are_one_have_one_present_visit() -> None:
    early, late = Profile(), Profile()
    for n in range(3):
        sift(early, touch(n * DAY))
        sift(late, touch(n * DAY + 7 * 3_600))
    sift(early, bought(0, 40, "TEA"))
    early.sections.merge(late.sections)
    assert early.of(Visits).count == 6
    assert sift(early, touch(2 * DAY + 7 * 3_600 + MINUTE)) is Sifted.WITHIN
    assert sift(early, bought(30, 40, "TEA", n=1)) is Sifted.ORDER_TWICE


@pytest.mark.parametrize("body", [b"[]", b"3", b"null", b'"x"'])
def test_a_fact_whose_data_is_no_object_is_invalid(body: bytes) -> None:
    class Letter:
        key, value, partition, offset, topic = b"c_a", body, 0, 0, "facts"
        headers = (
            ("ce_type", b"heed.touchpoint.captured.v1"),
            ("ce_id", b"x"),
            ("ce_time", b"2026-01-01T00:00:00Z"),
        )

    with pytest.raises(InvalidError):
        decode(Letter())
