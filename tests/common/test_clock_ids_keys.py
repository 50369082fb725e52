"""Moments, ids and keys have one form."""

import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.clock import FakeClock, SystemClock, parse_rfc3339, rfc3339
from common.ids import new_id
from common.keys import entity_key

MOMENT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


@given(st.datetimes(timezones=st.timezones()))
def test_moments_survive_the_wire_unless_they_are_at_the_end_of_time(moment: datetime) -> None:
    if 1 < moment.year < 9999:
        text = rfc3339(moment)
        assert text.endswith("Z")
        assert parse_rfc3339(text) == moment.astimezone(UTC)


@given(st.text(max_size=40))
def test_any_text_is_a_moment_or_a_value_error(text: str) -> None:
    try:
        parse_rfc3339(text)
    except ValueError:
        return


@pytest.mark.parametrize("text", ["", "2026-03-01", "2026-03-01T09:30:00", "0001-01-01T00:00:00+14:00", "now"])
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parse_rfc3339(text)


def test_a_naive_moment_is_not_written() -> None:
    with pytest.raises(ValueError, match="naive"):
        rfc3339(MOMENT.replace(tzinfo=None))


def test_clocks() -> None:
    clock = FakeClock(MOMENT)
    clock.advance(timedelta(hours=1))
    assert clock.now() == MOMENT + timedelta(hours=1)
    assert SystemClock().now().tzinfo is UTC


def test_ids_are_version_7_and_sort_by_time() -> None:
    first = new_id()
    time.sleep(0.002)
    second = new_id()
    assert first < second
    assert UUID(first).version == 7
    assert UUID(first).variant == "specified in RFC 4122"
    assert len({new_id() for _ in range(1_000)}) == 1_000


def test_keys_are_the_same_everywhere() -> None:
    key = entity_key("c", "email", "ada@example.com")
    assert key == entity_key("c", "email", "ada@example.com")
    assert key != entity_key("c", "user_id", "ada@example.com")
    assert key.startswith("c_")
    assert len(key) == 28
