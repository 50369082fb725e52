"""What pages show, worked out without any page: pictures, words, days."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.clients.analytics.customers import Evidence, PastOrder, Profile, Window
from console.clients.analytics.models import CalibrationBin, Model
from console.clients.campaign import Journey, JourneyStep
from console.clients.contact import Entry
from console.clients.sales import Alert
from console.views import rhythm, timeline, wording
from console.views.alerts import AlertFilter, row, snooze_until
from console.views.funnel import funnel
from console.views.models import calibration, calibration_error, verdict
from console.views.sparkline import WIDTH, spark
from tests.console import shop

NOW = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
LONDON, TOKYO = ZoneInfo("Europe/London"), ZoneInfo("Asia/Tokyo")
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2026, 11, 1), timezones=st.just(UTC))  # noqa: DTZ001
KINDS = st.sampled_from(["spend_deviation", "churn_risk", "x"])
CURRENCIES = st.sampled_from(["GBP", "EUR", 3])
TOTALS = st.decimals(-1000, 100_000, places=2).map(str) | st.sampled_from(["NaN", "Infinity", "", "x", "1e999"])


def order(days_ago: float, total: str = "40.00") -> PastOrder:
    return PastOrder(at=NOW - timedelta(days=days_ago), total=total, currency="GBP")


def entry(kind: str, days_ago: float, /, **data: object) -> Entry:
    return Entry(id=f"{kind}-{days_ago}", kind=kind, time=NOW - timedelta(days=days_ago), title=kind, data=data)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "just now"),
        (44, "just now"),
        (60, "1 min ago"),
        (3569, "59 min ago"),
        (3600, "1 h ago"),
        (90_000, "1 d ago"),
        (86_400 * 45, "45 d ago"),
        (86_400 * 100, "3 months ago"),
        (86_400 * 800, "2 years ago"),
        (-7200, "in 2 h"),
    ],
)
def test_moments_are_said_as_people_do(seconds: int, said: str) -> None:
    assert wording.ago(NOW - timedelta(seconds=seconds), NOW) == said


def test_money_and_dates_are_set_well() -> None:
    assert wording.money("1204.5", "GBP") == "£1,204.50"
    assert wording.money("-3", "EUR") == "-€3.00"
    assert wording.money("12000", "JPY") == "JP¥12,000"
    assert wording.money("41.60", "GBP", whole=True) == "£42"
    assert wording.money("much", "GBP") == "much GBP"
    assert wording.money(None, "GBP") == "—"
    assert wording.absolute(NOW, TOKYO) == "Sun 22 Nov 2026, 16:00 JST"
    assert wording.day_heading(NOW - timedelta(hours=20), NOW, LONDON) == "Yesterday"
    assert wording.day_heading(NOW - timedelta(days=400), NOW, LONDON) == "Saturday 18 October 2025"
    assert wording.words("false_alarm") == "False alarm"
    assert wording.initials("Ada Byrne") == "AB"
    assert wording.initials("<script>") == "?"


def test_a_silence_is_drawn_to_the_moment_of_the_alert() -> None:
    drawn = spark([order(50), order(41), order(32), order(24)], "purchase_silence", NOW)
    assert drawn
    assert drawn.gap
    assert drawn.gap.start == drawn.bars[-1].x < drawn.gap.end <= WIDTH
    assert not any(bar.marked for bar in drawn.bars)
    assert "24 days of silence" in drawn.said


def test_an_odd_order_is_marked() -> None:
    drawn = spark([order(20), order(10), order(1, "6.20")], "spend_deviation", NOW)
    assert drawn
    assert drawn.gap is None
    assert [bar.marked for bar in drawn.bars] == [False, False, True]
    assert drawn.bars[-1].y > drawn.bars[0].y  # lower


@given(st.lists(st.builds(PastOrder, at=MOMENTS, total=TOTALS), max_size=8), KINDS)
def test_any_orders_can_be_drawn_small(orders: list[PastOrder], kind: str) -> None:
    drawn = spark(orders, kind, NOW)
    assert (drawn is None) == (not orders)
    for bar in drawn.bars if drawn else []:
        assert 0 <= bar.x <= WIDTH
        assert 0 <= bar.y <= 32


PLACED = st.builds(entry, st.sampled_from(["order", "return"]), st.floats(0, 4000), total=TOTALS, currency=CURRENCIES)


@given(st.lists(PLACED))
def test_any_orders_can_be_drawn_large(entries: list[Entry]) -> None:
    orders = rhythm.orders_of(entries, None)
    chart = rhythm.chart(orders, Profile.model_validate(shop.profile(shop.key(0))), NOW, LONDON)
    assert (chart is None) == (not orders)
    for mark in chart.marks if chart else []:
        assert 0 <= mark.x <= 100
        assert rhythm.TOP - 1 <= mark.y <= rhythm.BASE


def test_the_rhythm_shows_band_expectation_and_deviation() -> None:
    entries = [entry("order", days, total="40.00", currency="GBP") for days in (51, 42, 33, 24)]
    entries[-1] = entries[-1].model_copy(update={"id": "odd"})
    profile = Profile.model_validate(
        {
            "customer": "c",
            "mean_gap_days": 9,
            "usual_spend": {"amount": "42", "low": "30", "high": "55", "currency": "GBP"},
            "expected_next": {
                "at": NOW - timedelta(days=15),
                "low": NOW - timedelta(days=17),
                "high": NOW - timedelta(days=12),
            },
            "open_triggers": [{"kind": "spend_deviation", "sentence": "s", "event_ids": ["odd"]}],
        }
    )
    chart = rhythm.chart(rhythm.orders_of(entries, "GBP"), profile, NOW, LONDON)
    assert chart
    assert [mark.tone for mark in chart.marks] == ["", "", "", "bad"]
    assert chart.usual
    assert chart.usual.text == "Usually £30–£55"
    assert chart.silence
    assert chart.silence.text == "silent for 24 days"
    assert chart.last < chart.silence.start < chart.now
    assert chart.marks[1].observed == "£40.00, 9 days after the one before"
    assert chart.marks[1].expected == "£30 to £55, every 9 days"
    assert "Orders every 9 days; silent for 24 days" in chart.said


def test_a_noticed_silence_is_drawn_though_an_order_is_still_expected() -> None:
    entries = [entry("order", days, total="40.00", currency="GBP") for days in (51, 42, 33, 24)]
    silent = {"kind": "purchase_silence", "sentence": "s", "expected": {"value": 9, "unit": "days"}}
    coming = {"at": NOW + timedelta(days=2), "low": NOW, "high": NOW + timedelta(days=9)}
    profile = Profile.model_validate({"customer": "c", "expected_next": coming, "open_triggers": [silent]})
    orders = rhythm.orders_of(entries, "GBP")
    chart = rhythm.chart(orders, profile, NOW, LONDON)
    assert chart
    assert chart.silence
    assert chart.awaited
    assert chart.last < chart.silence.start < chart.silence.start + chart.silence.size < chart.awaited.start + 1
    unknown = profile.model_copy(update={"expected_next": Window(at=NOW, evidence=Evidence(enough=False))})
    calm = rhythm.chart(orders, unknown.model_copy(update={"open_triggers": []}), NOW, LONDON)
    assert calm
    assert calm.awaited is calm.silence is None


def test_sums_of_different_money_are_not_mixed() -> None:
    entries = [entry("order", 3, total="40", currency="GBP"), entry("order", 2, total="9000", currency="JPY")]
    assert [one.currency for one in rhythm.orders_of(entries, "GBP")] == ["GBP"]


def test_a_story_is_told_in_days_with_visits_folded() -> None:
    entries = [
        entry("touchpoint", 0.01, kind="page"),
        entry("touchpoint", 0.02, kind="page"),
        entry("order", 0.03),
        entry("touchpoint", 0.04, kind="page"),
        entry("touchpoint", 1.0, kind="track"),
        entry("touchpoint", 1.01, kind="track"),
    ]
    days = timeline.days(entries, NOW, LONDON)
    assert [day.heading for day in days] == ["Today", "Yesterday"]
    assert [len(item.entries) for item in days[0].items] == [2, 1, 1]
    assert [item.folded for item in days[1].items] == [False, False]
    assert len(timeline.days(entries, NOW, TOKYO)) == 2


def test_snoozing_ends_in_the_morning_where_one_is() -> None:
    assert snooze_until("hour", NOW, TOKYO) == NOW + timedelta(hours=1)
    assert snooze_until("tomorrow", NOW, TOKYO).isoformat() == "2026-11-23T09:00:00+09:00"
    assert snooze_until("week", NOW, LONDON).isoformat() == "2026-11-23T09:00:00+00:00"
    assert snooze_until("week", NOW + timedelta(days=1), LONDON).isoformat() == "2026-11-30T09:00:00+00:00"


def test_a_filter_shows_what_sales_would_list() -> None:
    alert = Alert.model_validate(shop.alert("a", 0, NOW))
    assert AlertFilter().shows(alert)
    assert AlertFilter("all", "purchase_silence", "u-priya").shows(alert)
    assert not AlertFilter("snoozed").shows(alert)
    waiting = alert.model_copy(update={"surfaced": False})
    assert not AlertFilter().shows(waiting)
    assert not AlertFilter(more=True).shows(alert)
    assert AlertFilter(more=True).shows(waiting)
    assert AlertFilter("all").shows(waiting)
    assert not AlertFilter(kind="churn_risk").shows(alert)
    assert not AlertFilter(owner="u-tom").shows(alert)
    assert (
        AlertFilter("open", "churn_risk", "u-1").query(status="resolved") == "?status=resolved&kind=churn_risk&owner=me"
    )
    assert AlertFilter().query() == ""
    assert AlertFilter(more=True).query(kind="churn_risk") == "?kind=churn_risk&more=1"


def test_a_row_says_when_it_is_late() -> None:
    alert = Alert.model_validate(shop.alert("a", 0, NOW))
    assert not row(alert, {}, NOW).overdue
    assert row(alert, {}, NOW + timedelta(hours=5)).overdue
    nameless = alert.model_copy(update={"customer": alert.customer.model_copy(update={"name": None})})
    assert row(nameless, {}, NOW).name == "Unnamed customer"
    assert row(nameless, {shop.key(0): "ada@example.com"}, NOW).name == "ada@example.com"


def test_a_funnel_is_measured_by_those_who_entered() -> None:
    step = JourneyStep(id="s", kind="email", title="Hello", entered=50, sent=40, opened=20, failed=1)
    steps = funnel(Journey(slug="j", name="J", steps=[step], enrolled=100))
    shares = {stage.label: stage.share for stage in steps[0].stages}
    assert shares == {"Entered": 50, "Sent": 40, "Opened": 20, "Clicked": 0, "Bought": 0}
    assert [stage.label for stage in steps[0].troubles] == ["Failed"]
    untouched = Journey(slug="j", name="J", steps=[JourneyStep(id="w", kind="wait", title="W")])
    assert funnel(untouched)[0].stages[0].share == 0


def part(predicted: float, observed: float, count: int) -> CalibrationBin:
    return CalibrationBin(predicted=predicted, observed=observed, count=count)


def test_models_are_judged_by_order_and_by_truth() -> None:
    good = [part(0.2, 0.21, 500), part(0.8, 0.79, 500)]
    bad = [part(0.2, 0.6, 900), part(0.8, 0.8, 100)]
    assert verdict(Model(model="m", version=1, examples=50, auc=0.9))[0] == "unknown"
    assert verdict(Model(model="m", version=1, examples=5000, auc=0.55))[0] == "alarm"
    assert verdict(Model(model="m", version=1, examples=5000, auc=0.78, calibration=good))[0] == "ok"
    assert verdict(Model(model="m", version=1, examples=5000, auc=0.78, calibration=bad))[0] == "watch"
    assert calibration_error(bad) == pytest.approx(0.36)
    assert calibration_error([]) is None
    points = calibration([*good, part(0.5, 0.5, 0)])
    assert [(point.x, point.y) for point in points] == [(20.0, 79.0), (80.0, 21.0)]
