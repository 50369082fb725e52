from hypothesis import given
from hypothesis import strategies as st

from analytics.profile import DAY, Episode, Profile, note_order, note_return, pack, peek, unpack

orders = st.lists(
    st.tuples(
        st.floats(0, 4e9), st.integers(0, 10**12), st.sampled_from(["GBP", "EUR", "USD", "CHF", "SEK", "PLN", "JPY"])
    ),
    max_size=40,
)


@given(orders)
def test_a_profile_survives_packing_and_stays_small(made: list[tuple[float, int, str]]) -> None:
    profile = Profile(last_event_at=5.0, silence_due=77.0, import_open=3.0)
    for at, amount, currency in sorted(made):
        note_order(profile, at, amount, currency)
    for kind in range(1, 5):
        profile.episodes[kind] = Episode(kind, bytes(16), 1.0, 2.0, 0.123456789, 3, kind == 2)

    packed = pack(profile)

    assert pack(unpack(packed)) == packed
    assert len(packed) <= 1024
    assert peek(packed) == (77.0, True)


@given(orders)
def test_orders_days_and_spend_are_exact(made: list[tuple[float, int, str]]) -> None:
    profile = Profile()
    made = sorted((at, amount, "GBP") for at, amount, _ in made)
    for at, amount, currency in made:
        note_order(profile, at, amount, currency)

    days = sorted({int(at // DAY) for at, _, _ in made})
    assert profile.orders == len(made)
    assert profile.order_days == len(days)
    assert sum(m.spent for m in profile.money.values()) == sum(amount for _, amount, _ in made)
    if len(days) > 1:
        assert profile.mean_gap_days() == (days[-1] - days[0]) / (len(days) - 1)
    else:
        assert profile.mean_gap_days() is None


def test_returns_subtract_and_are_not_orders() -> None:
    profile = Profile()
    note_order(profile, 1.0, 500_000, "GBP")
    note_return(profile, 2.0, 200_000, "GBP", DAY)

    assert (profile.orders, profile.returns, profile.money["GBP"].spent) == (1, 1, 300_000)


def test_a_late_order_counts_but_teaches_no_rhythm() -> None:
    profile = Profile()
    note_order(profile, 10 * DAY, 1, "GBP")
    note_order(profile, 20 * DAY, 1, "GBP")

    assert note_order(profile, 12 * DAY, 1, "GBP") is None
    assert (profile.orders, profile.late, profile.last_order_at) == (3, 1, 20 * DAY)
