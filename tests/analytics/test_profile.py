import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.events import Event, What
from analytics.flows import Flows
from analytics.operators import OPERATORS
from analytics.operators.base import Operator
from analytics.orders import DAY, Orders
from analytics.pending import Pending
from analytics.profile import WEEKLY, Episode, Profile, pack, peek, unpack
from analytics.sections import SECTIONS, Section, stored

amounts = st.integers(0, 10**12)
currencies = st.sampled_from(["GBP", "EUR", "USD", "CHF", "SEK", "PLN", "JPY"])
made = st.lists(st.tuples(st.floats(0, 4e9), amounts, currencies), max_size=40)


def ordered(at: float, amount: int, currency: str = "GBP") -> Event:
    return Event(What.ORDER, "id", "c_a", at, at, 0.0, amount, currency)


@given(made)
def test_a_profile_survives_packing(orders: list[tuple[float, int, str]]) -> None:
    profile = Profile(last_event_at=5.0, import_open=3.0, segment=4, timers={2: 99.0, 1: 77.0})
    for at, amount, currency in sorted(orders):
        profile.of(Orders).note(ordered(at, amount, currency))
    for kind in range(1, 5):
        profile.episodes[kind] = Episode(kind, bytes(16), 1.0, 2.0, 0.123456789, 3, kind == 2)
    profile.pending.add(3, b"eight by")

    packed = pack(profile)
    again = unpack(packed, profile.pending.pack())

    assert pack(again) == packed
    assert again.of(Orders).recent() == profile.of(Orders).recent()
    assert again.pending.rows(3) == b"eight by"
    assert peek(packed) == (77.0, True)


def test_everything_at_once_stays_small() -> None:
    ringing = [int(operator.kind) for operator in OPERATORS if type(operator).ring is not Operator.ring]
    profile = Profile(timers=dict.fromkeys([WEEKLY, *ringing], 1.0))
    for at in range(40):
        profile.of(Orders).note(ordered(at * DAY, 5_000, ("GBP", "EUR")[at % 2]))
    for section in SECTIONS.values():
        if "Population" not in section.__name__ and section is not Flows:  # those are of a partition
            profile.of(section)
    assert len(pack(profile)) <= 1024


@given(made)
def test_orders_days_and_spend_are_exact(orders: list[tuple[float, int, str]]) -> None:
    kept = Orders()
    moments = sorted((at, amount) for at, amount, _ in orders)
    for at, amount in moments:
        kept.note(ordered(at, amount))

    days = sorted({int(at // DAY) for at, _ in moments})
    assert kept.count == len(moments)
    assert kept.days == len(days)
    assert sum(account.spent for account in kept.accounts.values()) == sum(amount for _, amount in moments)
    assert kept.mean_gap_days() == ((days[-1] - days[0]) / (len(days) - 1) if len(days) > 1 else None)


def test_returns_subtract_and_are_not_orders() -> None:
    kept = Orders()
    kept.note(ordered(1.0, 500_000))
    kept.note_return(ordered(2.0, 200_000))

    assert (kept.count, kept.returns, kept.accounts["GBP"].spent) == (1, 1, 300_000)


def test_a_late_order_counts_but_makes_no_gap() -> None:
    kept = Orders()
    for day in (10, 20, 12):
        kept.note(ordered(day * DAY, 1))

    assert math.isnan(kept.gap)
    assert (kept.count, kept.days, kept.late, kept.last_at) == (3, 2, 1, 20 * DAY)


def test_a_number_belongs_to_one_section() -> None:
    with pytest.raises(TypeError, match="section 1 is Orders already"):
        stored(type("Other", (Section,), {}), 1)


@given(st.dictionaries(st.integers(0, 255), st.binary(min_size=1, max_size=40)))
def test_what_waits_survives_packing(rows: dict[int, bytes]) -> None:
    waiting = Pending()
    for number, row in rows.items():
        waiting.put(number, row)
    assert Pending.unpack(waiting.pack()).pack() == waiting.pack()
