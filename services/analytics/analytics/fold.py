"""A task's state as a fold of its partition of the log: the same records give the same state and the same words.

Nothing here reads a clock or does I/O. Time arrives as ticks, models as adoption records.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from struct import Struct
from typing import Final

import orjson

from analytics import merging, separating, standing
from analytics.activity import faded
from analytics.customers import Changes, Customers, Stored
from analytics.events import AWAY, WIDESPREAD_SILENCE, Event, What, emission, stable_id
from analytics.flows import Flows
from analytics.noticing import Noticing
from analytics.operators import OPERATORS
from analytics.operators.base import Adopted, Kind, Operator, Plan, World
from analytics.orders import DAY, Orders
from analytics.profile import NEVER, Profile
from analytics.queries.history import Histories
from analytics.sections import Sections
from analytics.separating import Partings, Rebuilt
from common.envelope import Envelope

OUTAGE_SECONDS: Final = 600.0
WIDESPREAD_LEAST: Final = 20
WIDESPREAD_SHARE: Final = 0.2
_HOLD_LEAST: Final = 60.0
_HOLD_SHARE: Final = 0.1
_SILENCE: Final = int(Kind.PURCHASE_SILENCE)
_BY_TICKS = (_SILENCE, int(Kind.STANDING_QUERY))  # what notices that something did not come
_ABOUT_IDENTITY = frozenset({What.CONTACT_MERGED, What.CONTACT_SEPARATED})
# Last tick, alarmed at, recent silences and their moment, length of what is known by name.
_HEAD: Final = Struct("<4dI")


class Fold:
    """The customers of one partition. `apply` takes one record after the other; `take_changes` empties the dirt.

    Records before the offset `quiet_until` were folded once before, by an older version: they teach, nobody is told.
    """

    def __init__(
        self,
        partition: int,
        state: bytes | None = None,
        plan: Plan | None = None,
        quiet_until: int = 0,
        operators: Sequence[Operator] = OPERATORS,
    ) -> None:
        self.partition = partition
        self.world = World(plan)
        self.last_tick = 0.0
        self.alarmed_at = 0.0
        self.silences, self.silences_at = 0.0, 0.0
        self.model_versions: dict[str, int] = {}
        self._partings = Partings()
        if state:
            self._restore(state)
        self._customers = Customers()
        self._operators = operators
        self._noticing = Noticing(self.world, operators)
        self._noticing.quiet_until = quiet_until

    def _restore(self, state: bytes) -> None:
        self.last_tick, self.alarmed_at, self.silences, self.silences_at, size = _HEAD.unpack_from(state)
        at = _HEAD.size
        known = orjson.loads(state[at : at + size])
        self.model_versions, self._partings = known["models"], Partings(known["partings"])
        self.world.sections = Sections.unpack(state, at + size)

    def state(self) -> bytes:
        """Everything of this task that is not a customer's."""
        known = {"models": self.model_versions, "partings": self._partings.packed()}
        told = orjson.dumps(known, option=orjson.OPT_SORT_KEYS)
        head = _HEAD.pack(self.last_tick, self.alarmed_at, self.silences, self.silences_at, len(told))
        return head + told + self.world.sections.pack()

    def load(self, customers: Iterable[Stored]) -> None:
        """Puts customers back as the last checkpoint wrote them."""
        self._customers.load(customers)

    def customers(self) -> list[str]:
        """Everybody known here; sorted, so that two folds compare."""
        return self._customers.keys()

    def profile(self, customer: str) -> Profile | None:
        """As it stands now, for tests and comparison."""
        return self._customers.look(customer)

    def __len__(self) -> int:
        return len(self._customers)

    def passes_on(self, event: Event) -> bool:
        """Whether a fact belongs to another partition's fold since a merge, or since one was undone."""
        return self._partings.outdated(event) is None and self._goes_to(event) is not None

    @property
    def noticed(self) -> bool:
        """Whether there are triggers to tell."""
        return bool(self._noticing.changes.triggers)

    @property
    def urgent(self) -> bool:
        """Whether a fact was said, which others fold: it should not wait."""
        return bool(self._noticing.changes.facts)

    def take_triggers(self) -> list[Envelope]:
        """The steps of triggers since the last call."""
        triggers, self._noticing.changes.triggers = self._noticing.changes.triggers, []
        return triggers

    def take_said(self) -> Changes:
        """What was said since the last call. The profiles stay as they are, unpacked."""
        changes, self._noticing.changes = self._noticing.changes, Changes()
        return changes

    def take_changes(self) -> Changes:
        """What was said, and the dirt, packed. The fold goes on from the packed form."""
        changes = self.take_said()
        self._customers.collect(changes)
        return changes

    # -- records --------------------------------------------------------------------------------

    def adopt(self, event: Event, adopted: Adopted) -> None:
        """From this record on, score with this version."""
        del event
        self.world.models[adopted.name] = adopted
        self.model_versions[adopted.name] = adopted.version

    def prime(self, event: Event, histories: Histories) -> None:
        """From this record on a standing query speaks; `histories` is what was before it was activated."""
        standing.start(self.world, self._customers, self._noticing.changes, event, histories)

    def apply(self, event: Event) -> None:
        """Folds one record in (adoptions come by `adopt`, what was before a query by `prime`, what was before a merge
        by `rebuilt`).
        """
        if (who := self._partings.outdated(event)) is not None:
            self._turn_away(event, who)
        elif (onward := self._goes_to(event)) is not None and event.what is not What.PROFILE_RETURNED:
            self._pass_on(event, *onward)
        else:
            _APPLY.get(event.what, Fold._customer_event)(self, event)

    def _turn_away(self, event: Event, who: str) -> None:
        merging.turn_away(self._noticing.changes, event, who)
        if event.what is What.PROFILE_RETURNED:
            self._given_back(replace(event, data={**event.data, "episodes": ""}))

    def _pass_on(self, event: Event, to: str, via: Mapping[str, int]) -> None:
        if event.what is What.PROFILE_MERGED and via[event.customer] != AWAY:
            self._partings.join(event)
        self._noticing.changes.facts.append(separating.passed_on(event, to, via))

    def complete(self, until: float, cause: Event) -> None:
        """Turns all examples into what they teach whose label is known by `until`, whoever is scored next."""
        for customer in self.customers():
            profile = self._customers.look(customer)
            if profile is not None and profile.pending:
                self._noticing.complete(self._customers.touch(customer), customer, until, cause)

    def _customer_event(self, event: Event) -> None:
        customer = event.customer
        profile = self._customers.touch(customer)
        before = profile.next_due()
        if before <= event.time:
            self._ring_before(profile, event)
        if event.backfill:
            profile.import_open = event.backfill
            profile.backfill_until = max(profile.backfill_until, event.backfill)
            self._customers.importing.add(customer)
        if event.time < profile.last_event_at:
            self._noticing.changes.late += 1
        self._noticing.learn(profile, event)
        profile.last_event_at = max(profile.last_event_at, event.time)
        due = profile.next_due()
        if due != before:
            self._customers.timers.set(due, customer)

    def _ring_before(self, profile: Profile, event: Event) -> None:
        """Fires what was due before an event. Silence is told by ticks alone: until the log's clock has passed a
        moment, orders made before it may still be on their way.
        """
        timers = profile.timers
        held = {kind: timers[kind] for kind in _BY_TICKS if self.last_tick < timers.get(kind, 0.0) <= event.time}
        for kind in held:
            del timers[kind]
        self._noticing.ring(profile, event.customer, event.time, event)
        timers.update(held)

    # -- merges -----------------------------------------------------------------------------------

    def _goes_to(self, event: Event) -> tuple[str, Mapping[str, int]] | None:
        """Whose a fact is that belongs to no customer of this fold, and its way there; records about merges stay."""
        customer, what = event.customer, event.what
        if customer in self._partings.of and what not in _ABOUT_IDENTITY and (to := self._partings.whose(event)):
            return to, separating.away(event)
        if customer not in self._customers.moved or what in _ABOUT_IDENTITY:
            return None
        if what is What.PROFILE_MERGED and event.data.get("again"):
            return None  # what was sent on holds what this is in place of
        return self._customers.moved[customer], separating.up(event, self._partings)

    def _take_in(self, event: Event) -> None:
        self._partings.join(event)
        if not event.data.get("again"):
            self.take_in(event)

    def take_in(self, event: Event) -> None:
        """Merges what was learned of somebody into this customer."""
        merging.take_in(self._customers, self._noticing.changes, self._operators, event, self.world)

    def _given_back(self, event: Event) -> None:
        """The last of them has the customer folded again; what is about somebody taken apart since goes on to them."""
        into = self._customers.moved.get(event.customer)
        self._noticing.changes.facts += separating.given_on(event, self._partings, into)

    def _separate(self, event: Event) -> None:
        """Until they are folded again (`rebuilt`) the survivor stays as it is, and the other one is blank."""
        self._partings.part(event)
        if event.customer == event.data["losing"]:
            self._customers.moved.pop(event.customer, None)
            self._customers.touch(event.customer)

    def rebuilds(self, event: Event) -> bool:
        """Whether the customer of this record, which was just applied, is to be folded again from the log."""
        sign = separating.SIGNS.get(event.what)
        if sign is None or not event.data.get(sign):
            return False
        if event.what is What.PROFILE_RETURNED:
            return event.customer not in self._customers.moved
        return self._partings.outdated(event) is None

    def scratch(self) -> "Fold":
        """An empty fold of the same partition that knows what this one knows of everybody else."""
        fold = Fold(self.partition, plan=self.world.plan, operators=self._operators)
        fold.world.models = self.world.models
        fold.world.sections = Sections.unpack(self.world.sections.pack())
        return fold

    def rebuilt(self, event: Event, found: Rebuilt) -> None:
        """Puts a customer in place who was folded again because of this record."""
        before = self._customers.look(event.customer)
        if separating.put(self._customers, self._noticing.changes, event, found, self._partings):
            self._noticing.replaced(before, found.profile, event)

    # -- time and imports -------------------------------------------------------------------------

    def _tick(self, event: Event) -> None:
        gap = event.time - self.last_tick if self.last_tick else 0.0
        asleep_since = self.last_tick if gap > OUTAGE_SECONDS else None
        self.last_tick = max(self.last_tick, event.time)
        maybe = self._customers.timers.ringing(event.time)
        found = [(customer, p) for customer in maybe if (p := self._ringing(customer, event.time)) is not None]
        awake = sorted(found, key=_by_due)  # stale entries are gone after a takeover: theirs would be another order
        if asleep_since is not None:
            for _, profile in awake:
                _postpone(profile, asleep_since, gap)
        silent = [profile for _, profile in awake if _falls_silent(profile, event.time)]
        hushed = self._widespread(len(silent), event)
        for profile in silent:
            self._hold(profile, event.time)
        for customer, profile in awake:
            self._noticing.ring(profile, customer, event.time, event, hushed=hushed)
            self._customers.timers.set(profile.next_due(), customer)

    def _hold(self, profile: Profile, now: float) -> None:
        """Where nobody's orders come from this customer's source, theirs are not missing: ask again later."""
        quiet = self.world.of(Flows).quiet_for(profile.of(Orders).source, now)
        if quiet:
            profile.timers[_SILENCE] = now + max(_HOLD_LEAST, quiet * _HOLD_SHARE)

    def _ringing(self, customer: str, until: float) -> Profile | None:
        """The profile to ring, or None: an open import waits for its end, a stale entry is nobody's."""
        due = self._customers.next_due(customer)
        if customer in self._customers.importing:
            return None
        if due > until:
            self._customers.timers.set(due, customer)
            return None
        return self._customers.touch(customer)

    def _widespread(self, silent: int, event: Event) -> bool:
        """Whether so many fall silent within a day that the fault is elsewhere: one alarm, no customer alerts."""
        recent = faded(self.silences, self.silences_at, event.time, DAY)
        if silent:
            recent += silent
            self.silences, self.silences_at = recent, event.time
        limit = max(WIDESPREAD_LEAST, WIDESPREAD_SHARE * len(self))
        if recent < limit:
            if recent < limit / 4 and not self.world.of(Flows).any_quiet(event.time):
                self.alarmed_at = 0.0
            return bool(self.alarmed_at)
        if not self.alarmed_at:
            self._alarm(recent, event)
        return True

    def _alarm(self, silent: float, event: Event) -> None:
        self.alarmed_at = event.time
        data = {"partition": self.partition, "customers": round(silent), "of": len(self)}
        id_ = stable_id("widespread", self.partition, event.id)
        self._noticing.changes.triggers.append(emission(WIDESPREAD_SILENCE, "", data, event, event.time, id_))

    def _import_ended(self, event: Event) -> None:
        started = event.data.get("started_at")
        for customer in sorted(self._customers.importing):
            profile = self._customers.touch(customer)
            if started is None or abs(profile.import_open - datetime.fromisoformat(started).timestamp()) < 1e-3:
                profile.import_open = 0.0
                self._customers.importing.discard(customer)
                self._customers.timers.set(profile.next_due(), customer)


def _by_due(one: tuple[str, Profile]) -> tuple[float, str]:
    customer, profile = one
    return profile.next_due(), customer


def _postpone(profile: Profile, asleep_since: float, gap: float) -> None:
    """Nobody could be heard while the log stood still: a silence that fell due then waits as long again."""
    for kind in _BY_TICKS:
        due = profile.timers.get(kind, NEVER)
        if asleep_since < due <= asleep_since + gap:
            profile.timers[kind] = due + gap


def _falls_silent(profile: Profile, now: float) -> bool:
    due = profile.timers.get(_SILENCE, NEVER)
    return _SILENCE not in profile.episodes and profile.backfill_until <= due <= now


def _nothing(fold: Fold, event: Event) -> None:
    """Such a record only names what comes by a method of its own."""


_APPLY: dict[What, Callable[[Fold, Event], None]] = {
    What.TICK: Fold._tick,
    What.IMPORT_ENDED: Fold._import_ended,
    What.MODEL_ADOPTED: _nothing,
    What.QUERY_ACTIVATED: lambda f, event: standing.activate(f.world, event),
    What.QUERY_PRIMED: _nothing,
    What.QUERY_RETIRED: lambda f, event: standing.retire(f.world, f._customers, f._noticing.changes, event),
    What.CONTACT_MERGED: lambda f, event: merging.move_away(f._customers, f._partings, f._noticing.changes, event),
    What.PROFILE_MERGED: Fold._take_in,
    What.CONTACT_SEPARATED: Fold._separate,
    What.PROFILE_RETURNED: Fold._given_back,
}
