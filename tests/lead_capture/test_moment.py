"""When something happened."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lead_capture.domain import event_time, parse_moment, skew_corrected
from tests.lead_capture.intakes import NOW

moments = st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@pytest.mark.parametrize("text", ["2026-03-01T09:30:00", "2026-03-01", "1969-12-31T23:59:59Z", "soon", "", 17, None])
def test_times_that_cannot_be_meant_are_refused(text: object) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_moment(text)


def test_times_are_turned_to_utc() -> None:
    assert parse_moment("2026-03-01T10:30:00+01:00") == datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


@given(st.text(max_size=40))
@example("0001-01-01T00:00:00+14:00")
@example("9999-12-31T23:59:59.999999-14:00")
def test_parsing_times_never_breaks(text: str) -> None:
    try:
        assert parse_moment(text).tzinfo is UTC
    except ValueError:
        return


@given(moments)
def test_more_than_a_day_ahead_gives_way_to_the_receipt(claimed: datetime) -> None:
    time, adjusted = event_time(claimed, NOW)
    assert adjusted == (claimed - NOW > timedelta(hours=24))
    assert time == (NOW if adjusted else claimed)


def test_year_9999_gives_way_to_the_receipt() -> None:
    assert event_time(parse_moment("9999-12-31T23:59:59Z"), NOW) == (NOW, True)


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=2000)), moments)
def test_a_clock_that_is_wrong_by_anything_tells_the_right_age(age: timedelta, sent: datetime) -> None:
    assert skew_corrected(sent - age, sent, NOW) == NOW - age
