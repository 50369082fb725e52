"""Standing queries as part of the fold: records of the log say when a rule remembers, speaks and ends."""

import base64

from analytics import episodes
from analytics.customers import Changes, Customers
from analytics.events import PROFILE_MERGED, Event, emission, stable_id
from analytics.operators.base import SEVERAL, Kind, World
from analytics.operators.standing_query import begin, know
from analytics.profile import Profile, pack
from analytics.queries.book import RulesPopulation
from analytics.queries.history import Histories
from analytics.queries.remembered import Remembered


def activate(world: World, event: Event) -> None:
    """From this record on the rule's aggregates are remembered."""
    world.of(RulesPopulation).activate(event.data)


def start(world: World, customers: Customers, changes: Changes, event: Event, histories: Histories) -> None:
    """Takes in what was before the rule was activated; from this record on it speaks.

    Looks at every customer once, so it takes some seconds for a million of them. Who was merged meanwhile is sent on.
    """
    book = world.of(RulesPopulation)
    rule = book.start(str(event.data["query"]), event.time, histories.covered_from)
    if rule is None:
        return
    for customer, before in histories.of_customers.items():
        if customer in customers.moved:
            _send_on(customer, customers.moved[customer], before, event, changes)
        elif customers.look(customer) is not None:
            _take_in(customers.touch(customer), before, book)
    everybody = customers.keys()
    for customer in everybody:
        copy = customers.copy(customer)
        if copy is None:
            continue
        # Never before what is known of them.
        now = max(event.time, copy.last_event_at)
        if begun := begin(copy, rule, now, world):
            begun.keep(customers.touch(customer), rule, now)
            _set_timer(customer, customers)


def retire(world: World, customers: Customers, changes: Changes, event: Event) -> None:
    """The rule is over, and with it every episode of it."""
    book = world.of(RulesPopulation)
    rules = dict(book.rules)
    number = book.retire(str(event.data["query"]))
    if number is None:
        return
    key = SEVERAL * Kind.STANDING_QUERY + number
    for customer in customers.with_episode(key):
        episode = customers.touch(customer).episodes.pop(key)
        why = f"“{rules[number].name}” is not asked for any more."
        if said := episodes.end(episode, why, event, customer, event.time):
            changes.triggers.append(said)


def _take_in(profile: Profile, before: Remembered, book: RulesPopulation) -> None:
    remembered = profile.of(Remembered)
    remembered.merge(before)
    remembered.recall(book.tracks)
    know(profile, remembered)


def _set_timer(customer: str, customers: Customers) -> None:
    if customer not in customers.importing:
        customers.timers.set(customers.touch(customer).next_due(), customer)


def _send_on(customer: str, to: str, before: Remembered, event: Event, changes: Changes) -> None:
    """To the survivor's partition, as part of what was learned of the one who was lost."""
    profile = Profile()
    profile.of(Remembered).merge(before)
    data = {"losing": customer, "profile": base64.b64encode(pack(profile)).decode(), "pending": "", "part": True}
    id_ = stable_id("primed", customer, to, event.data["query"])
    changes.facts.append(emission(PROFILE_MERGED, to, data, event, event.time, id_))
