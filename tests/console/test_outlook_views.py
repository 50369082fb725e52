"""What comes next for a customer, and the segments of all: worked out without any page."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from console.clients.analytics.customers import Estimate, Evidence, Profile, Score, Window
from console.clients.analytics.segments import Loyalty, Repeat, Segment, Segments, Spent
from console.views.outlook import scores, tiles
from console.views.segments import Rate, groups, loyalty_chart, rates, share_chart
from tests.console import catalogue

NOW = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
LONDON = ZoneInfo("Europe/London")


def test_estimates_come_with_their_range_or_with_what_is_missing() -> None:
    profile = Profile.model_validate(
        {
            "customer": "c",
            "expected_next": {"at": NOW, "low": NOW - timedelta(days=1), "high": NOW + timedelta(days=3)},
            "expected_value": {"amount": "50", "low": "40", "high": "80", "currency": "GBP"},
            "year_value": {"amount": "1", "evidence": {"enough": False, "text": "too young"}},
        }
    )
    when, much, year = tiles(profile, NOW, LONDON)
    assert (when.value, when.low, when.high, when.at) == ("22 Nov 2026", "21 Nov", "25 Nov", 25.0)
    assert (much.value, much.low, much.high, much.at) == ("£50.00", "£40", "£80", 25.0)
    assert (year.value, year.missing) == ("", "too young")
    assert all(tile.missing and not tile.value for tile in tiles(Profile(customer="c"), NOW, LONDON))
    late = profile.model_copy(update={"expected_next": Window(at=NOW - timedelta(days=9))})
    assert tiles(late, NOW, LONDON)[0].note == "was expected 9 d ago"


AMOUNTS = st.sampled_from(["", "NaN", "-3", "0", "41.50", "1e999", "x"])
MOMENTS = st.datetimes(datetime(1970, 1, 2), datetime(9998, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(AMOUNTS, AMOUNTS, AMOUNTS, MOMENTS, MOMENTS)
def test_any_estimate_can_be_shown(value: str, low: str, high: str, at: datetime, until: datetime) -> None:
    estimate = Estimate(amount=value, low=low, high=high, currency="GBP")
    profile = Profile(
        customer="c", expected_next=Window(at=at, low=until, high=at), expected_value=estimate, year_value=estimate
    )
    for tile in tiles(profile, NOW, LONDON):
        assert tile.at is None or 0 <= tile.at <= 100


def test_scores_out_of_the_usual_come_first() -> None:
    def score(kind: str, level: str, value: float | None, version: str | None = None, *, enough: bool = True) -> Score:
        evidence = Evidence(enough=enough)
        return Score(kind=kind, label=kind, level=level, value=value, model_version=version, evidence=evidence)

    given = [
        score("segment", "ok", None, "5"),
        score("web", "unknown", None, enough=False),
        score("spend", "ok", 0.1),
        score("churn_risk", "ok", 0.2, "41"),
        score("support", "watch", 0.6),
        score("silence", "alarm", 0.9),
    ]
    placed = scores(Profile(customer="c", scores=given))
    assert [(one.kind, one.calm) for one in placed] == [
        ("silence", False), ("support", False), ("churn_risk", False), ("spend", True), ("web", True),
    ]  # fmt: skip


def test_segments_are_measured_in_one_currency() -> None:
    segments = Segments.model_validate(catalogue.segments())
    segments.items[0].spent.append(Spent(amount="9000000", currency="JPY", share=1.0))
    found = groups(segments)
    assert [group.name for group in found][:2] == ["One-timers", "New"]
    big = found[-1]
    assert (big.share, big.worth, big.spent) == (9.2, 47.4, "£48,210, JP¥9,000,000")
    assert ("Spent by each", "£524.02") in big.centre or ("Spent by each", "£524.03") in big.centre
    assert "Time between orders" not in dict(found[0].centre)
    drawn = share_chart(found)
    assert drawn
    assert drawn["customers"] == [36.1, 20.5, 19.4, 14.8, 9.2]
    assert share_chart(groups(Segments(items=[Segment(segment=1, name="new")]))) is None
    assert groups(Segments(items=[Segment(segment=1, name="", customers=0)]))[0].name == ""


def test_the_curve_of_loyalty_comes_with_its_chance() -> None:
    loyalty = Segments.model_validate(catalogue.segments()).loyalty
    drawn = rates(loyalty)
    assert [rate.purchase for rate in drawn] == [1, 2, 3, 4, 5, 6, 7]
    assert all(rate.low < rate.rate < rate.high for rate in drawn)
    assert drawn[0].high - drawn[0].low < drawn[-1].high - drawn[-1].low
    assert loyalty_chart(loyalty) == {"kind": "loyalty", "points": loyalty_points(drawn), "hooked": 4}
    assert loyalty_chart(Loyalty(purchases=loyalty.purchases[:1])) is None
    sure = rates(Loyalty(purchases=[Repeat(purchase=1, customers=30, again=99)]))[0]
    assert sure.rate == sure.high == 1


def loyalty_points(drawn: list[Rate]) -> list[list[float]]:
    return [[r.purchase, *(round(100 * v, 1) for v in (r.rate, r.low, r.high)), r.customers] for r in drawn]
