"""Two customers turn out to be one: their learned state meets in the survivor's partition, exactly once."""

import pytest

from analytics.events import TYPES, Event, What
from analytics.fold import Fold
from analytics.operators.purchase_silence import Rhythm
from analytics.orders import DAY, Orders
from analytics.profile import pack
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
    orders = profile.of(Orders)
    assert (orders.count, orders.days, profile.of(Rhythm).gaps) == (12, 12, 10)
    assert orders.mean_gap_days() == pytest.approx(9.0)
    assert here.profile("c_loser") is None


def test_the_lost_key_raises_nothing_more_and_passes_facts_on() -> None:
    here = Fold(0)
    fold_all(here, regular("c_loser", 10, 9))
    last = START + 81 * DAY

    here.apply(merged("c_loser", "c_kept", last + 41 * DAY))
    late = order("c_loser", last + 42 * DAY)
    late.data = {"total": "40.00", "currency": "GBP", "order_id": "x"}
    here.apply(late)
    changes = here.take_changes()

    assert changes.triggers == []
    passed = changes.facts[-1]
    assert (passed.type, passed.key, passed.id) == ("heed.order.placed.v1", "c_kept", late.id)
    assert here.passes_on(late)
    assert fold_all(here, ticks(last + 43 * DAY, last + 90 * DAY)) == []


def test_an_open_episode_goes_on_with_the_survivor() -> None:
    here, there = Fold(0), Fold(1)
    fold_all(here, regular("c_loser", 10, 9))
    last = START + 81 * DAY
    raised = fold_all(here, ticks(last, last + 40 * DAY))[0]

    here.apply(merged("c_loser", "c_kept", last + 41 * DAY))
    assert [e for fact in here.take_changes().facts for e in fold_all(there, [received(fact)])] == []
    ended = fold_all(there, [order("c_kept", last + 42 * DAY)])

    assert kinds(ended) == [("purchase_silence", "cleared")]
    assert (ended[0].key, ended[0].data["trigger"]) == ("c_kept", raised.data["trigger"])


def test_of_two_open_episodes_of_a_kind_the_lost_one_ends() -> None:
    here, there = Fold(0), Fold(1)
    last = START + 81 * DAY
    raised = {}
    for fold, customer in ((here, "c_loser"), (there, "c_kept")):
        fold_all(fold, regular(customer, 10, 9))
        raised[customer] = fold_all(fold, ticks(last, last + 40 * DAY))[0].data["trigger"]

    here.apply(merged("c_loser", "c_kept", last + 41 * DAY))
    said = [e for fact in here.take_changes().facts for e in fold_all(there, [received(fact)])]

    assert [(e.type.split(".")[2], e.data["trigger"]) for e in said] == [("cleared", raised["c_loser"])]


def test_a_new_owner_knows_who_moved() -> None:
    here = Fold(0)
    fold_all(here, regular("c_loser", 6, 9))
    here.apply(merged("c_loser", "c_kept", START + 60 * DAY))
    kept: dict[str, tuple[bytes, bytes | None]] = {}
    again = reloaded(here, here.take_changes(), kept)
    assert again.passes_on(order("c_loser", START + 61 * DAY))
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
