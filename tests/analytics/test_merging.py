"""Two customers turn out to be one: their learned state meets in the survivor's partition, exactly once."""

import pytest

from analytics.events import TYPES, Event, What
from analytics.fold import Fold
from analytics.profile import DAY, pack
from common.envelope import Envelope
from tests.analytics.stories import START, fold_all, kinds, order, regular, reloaded, ticks


def merged(losing: str, surviving: str, at: float) -> Event:
    data = {"surviving": surviving, "losing": losing, "reason": "same card"}
    return Event(What.CONTACT_MERGED, f"m-{losing}", losing, at, at, data=data)


def received(envelope: Envelope) -> Event:
    """What the surviving partition's task reads."""
    what = next(what for what, type_ in TYPES.items() if type_ == envelope.type)
    at = envelope.time.timestamp()
    event = Event(what, envelope.id, envelope.key, at, envelope.received.timestamp(), data=envelope.data)
    if what is What.ORDER:
        event.amount, event.currency = 400_000, "GBP"
    return event


def test_the_survivor_gets_what_the_loser_learned() -> None:
    here, there = Fold(0), Fold(1)
    fold_all(here, regular("c_loser", 6, 9))
    fold_all(there, regular("c_kept", 6, 9, start=START + 54 * DAY))

    here.apply(merged("c_loser", "c_kept", START + 110 * DAY))
    facts = here.take_changes().facts
    assert [(f.type, f.key) for f in facts] == [("heed.profile.merged.v1", "c_kept")]
    for fact in facts:
        there.apply(received(fact))

    profile = there.profile("c_kept")
    assert profile is not None
    assert (profile.orders, profile.order_days, profile.gaps) == (12, 12, 10)
    assert profile.mean_gap_days() == pytest.approx(9.0)
    assert here.profile("c_loser") is None


def test_the_lost_key_raises_nothing_more_and_passes_facts_on() -> None:
    here = Fold(0)
    fold_all(here, regular("c_loser", 10, 9))
    last = START + 81 * DAY
    assert kinds(fold_all(here, ticks(last, last + 40 * DAY)))[0] == ("purchase_silence", "raised")

    here.apply(merged("c_loser", "c_kept", last + 41 * DAY))
    late = order("c_loser", last + 42 * DAY)
    late.data = {"total": "40.00", "currency": "GBP", "order_id": "x"}
    here.apply(late)
    changes = here.take_changes()

    assert [e.type for e in changes.triggers] == ["heed.trigger.cleared.v1"]
    passed = changes.facts[-1]
    assert (passed.type, passed.key, passed.id) == ("heed.order.placed.v1", "c_kept", late.id)
    assert here.passes_on("c_loser")
    assert fold_all(here, ticks(last + 43 * DAY, last + 90 * DAY)) == []


def test_a_new_owner_knows_who_moved() -> None:
    here = Fold(0)
    fold_all(here, regular("c_loser", 6, 9))
    here.apply(merged("c_loser", "c_kept", START + 60 * DAY))
    kept: dict[str, tuple[bytes, bytes | None]] = {}
    again = reloaded(here, here.take_changes(), kept)
    assert again.passes_on("c_loser")
    assert again.customers() == []


def test_merging_with_nobody_changes_nothing() -> None:
    there = Fold(1)
    fold_all(there, regular("c_kept", 6, 9))
    before = pack(there.profile("c_kept"))  # type: ignore[arg-type]
    empty = Fold(0)
    empty.apply(merged("c_ghost", "c_kept", START + 60 * DAY))
    changes = empty.take_changes()
    assert changes.facts == []
    assert pack(there.profile("c_kept")) == before  # type: ignore[arg-type]
