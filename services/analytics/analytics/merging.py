"""Two customers turn out to be one: what was learned of both becomes one profile. Pure."""

import base64
from collections.abc import Sequence
from typing import Final

from analytics import episodes
from analytics.customers import Changes, Customers, moved_row
from analytics.events import Event, What
from analytics.operators.base import Operator, World
from analytics.profile import WEEKLY, Episode, Profile, readable, unpack
from analytics.separating import Partings, learned, returned, unpacked_episodes

_SAME_PERSON: Final = "The same was noticed about this customer under another key."


def merge_into(kept: Profile, lost: Profile) -> list[Episode]:
    """Folds `lost` into `kept`: every section by its own rule, timers to the earlier moment, waiting examples, open
    episodes. Returns the episodes of `lost` that end, because `kept` has one of that kind open already.
    """
    kept.sections.merge(lost.sections)
    kept.pending.merge(lost.pending)
    kept.last_event_at = max(kept.last_event_at, lost.last_event_at)
    kept.backfill_until = max(kept.backfill_until, lost.backfill_until)
    kept.import_open = max(kept.import_open, lost.import_open)
    for kind, due in lost.timers.items():
        if kind == WEEKLY and WEEKLY in kept.timers:
            continue  # the survivor keeps its own day of the week
        kept.timers[kind] = min(due, kept.timers.get(kind, due))
    return [
        episode
        for key, episode in sorted(lost.episodes.items())
        if kept.episodes.setdefault(key, episode) is not episode
    ]


def move_away(customers: Customers, partings: Partings, changes: Changes, event: Event) -> None:
    """The losing side sends what it learned, open episodes and all, to the survivor's partition as a fact.

    Of somebody who moved before it is told again, when whoever they moved to was taken apart.
    """
    customer, surviving = event.customer, str(event.data["surviving"])
    profile = customers.look(customer)
    if profile is not None:
        changes.facts.append(learned(event, customer, surviving, profile, partings.members(customer)))
    if customers.move(customer, surviving):
        changes.pending[customer] = b""
    changes.profiles[customer] = moved_row(surviving)


def take_in(customers: Customers, changes: Changes, operators: Sequence[Operator], event: Event, world: World) -> None:
    """The surviving side. An episode that both had open ends for the one that was lost."""
    customer, data = event.customer, event.data
    profile = customers.touch(customer)
    packed = base64.b64decode(data["profile"])
    if not readable(packed):
        return  # of an older version; the losing side says it again in this one's form
    lost = unpack(packed, base64.b64decode(data.get("pending", "")))
    for episode in merge_into(profile, lost):
        if said := episodes.end(episode, _SAME_PERSON, event, customer, event.time):
            changes.triggers.append(said)
    for operator in operators:
        operator.merged(profile, world)
    if profile.import_open:
        customers.importing.add(customer)
    customers.timers.set(profile.next_due(), customer)


def turn_away(changes: Changes, event: Event, whose: str) -> None:
    """What came by somebody who was taken apart meanwhile: they know it; what was noticed and is open goes to them."""
    if event.what in (What.PROFILE_MERGED, What.PROFILE_RETURNED):
        changes.facts += returned(event, whose, (), unpacked_episodes(event.data))
