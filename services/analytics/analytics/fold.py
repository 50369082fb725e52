"""A task's state as a fold of its partition of the log: the same records give the same state and the same words.

Nothing here reads a clock or does I/O. Time arrives as ticks, models as adoption records.
"""

import base64
from dataclasses import asdict
from datetime import datetime

import orjson

from analytics import episodes
from analytics.customers import Changes, Customers, moved_row
from analytics.events import PROFILE_MERGED, TYPES, WIDESPREAD_SILENCE, Event, What, emission, stable_id
from analytics.merging import merge_into
from analytics.noticing import Noticing
from analytics.operators import churn_risk, purchase_silence, support_load
from analytics.operators.base import Adopted, Kind, Population, World
from analytics.profile import DAY, Decayed, Profile, pack, unpack

OUTAGE_SECONDS = 600.0
WIDESPREAD_LEAST = 20
WIDESPREAD_SHARE = 0.2
WIDESPREAD_HALF_LIFE = DAY
_HALF_LIVES = {
    "web": churn_risk.WEB_HALF_LIFE,
    "opens": churn_risk.MAIL_HALF_LIFE,
    "clicks": churn_risk.MAIL_HALF_LIFE,
    "tickets": support_load.HALF_LIFE,
    "returned": churn_risk.RETURN_HALF_LIFE,
}


class Fold:
    """The customers of one partition. `apply` takes one record after the other; `take_changes` empties the dirt."""

    def __init__(self, partition: int, state: bytes | None = None) -> None:
        self.partition = partition
        self.world = World()
        self.last_tick = 0.0
        self.late = 0
        self.alarmed_at = 0.0
        self.silences = Decayed()
        self.model_versions: dict[str, int] = {}
        self._customers = Customers()
        self._noticing = Noticing(self.world, self._customers)
        if state:
            self._restore(orjson.loads(state))

    def _restore(self, state: dict[str, object]) -> None:
        self.world.population = Population(**state["population"])  # type: ignore[arg-type]
        self.last_tick = float(state["last_tick"])  # type: ignore[arg-type]
        self.silences = Decayed(**state["silences"])  # type: ignore[arg-type]
        self.alarmed_at = float(state["alarmed_at"])  # type: ignore[arg-type]
        self.model_versions = dict(state["models"])  # type: ignore[call-overload]

    def state(self) -> bytes:
        """Everything of this task that is not a customer's."""
        state = {
            "population": asdict(self.world.population),
            "last_tick": self.last_tick,
            "models": self.model_versions,
            "silences": asdict(self.silences),
            "alarmed_at": self.alarmed_at,
        }
        return orjson.dumps(state, option=orjson.OPT_SORT_KEYS)

    def load(self, customer: str, packed: bytes, pending: bytes | None) -> None:
        """Puts back one customer as the last checkpoint wrote it."""
        self._customers.load(customer, packed, pending)

    def customers(self) -> list[str]:
        """Everybody known here; sorted, so that two folds compare."""
        return self._customers.keys()

    def profile(self, customer: str) -> Profile | None:
        """As it stands now, for tests and comparison."""
        return self._customers.look(customer)

    def __len__(self) -> int:
        return len(self._customers)

    def passes_on(self, customer: str) -> bool:
        """Whether facts of this customer belong to another partition's fold since a merge."""
        return customer in self._customers.moved

    @property
    def urgent(self) -> bool:
        """Whether something was said that should not wait."""
        return bool(self._noticing.changes.triggers or self._noticing.changes.facts)

    def take_changes(self) -> Changes:
        """The dirt since the last call, packed. The fold goes on from the packed form."""
        changes, self._noticing.changes = self._noticing.changes, Changes()
        self._customers.collect(changes)
        return changes

    # -- records --------------------------------------------------------------------------------

    def adopt(self, event: Event, adopted: Adopted) -> None:
        """From this record on, score with this version."""
        del event
        self.world.models[adopted.name] = adopted
        self.model_versions[adopted.name] = adopted.version

    def apply(self, event: Event) -> None:
        """Folds one record in (adoptions come by `adopt`)."""
        if event.what is What.TICK:
            self._tick(event)
        elif event.what is What.IMPORT_ENDED:
            self._import_ended(event)
        elif event.what is What.MODEL_ADOPTED:
            return
        elif event.customer in self._customers.moved:
            self._pass_on(event)
        elif event.what is What.CONTACT_MERGED:
            self._move_away(event)
        elif event.what is What.PROFILE_MERGED:
            self._take_in(event)
        else:
            self._customer_event(event)

    def _customer_event(self, event: Event) -> None:
        customer = event.customer
        profile = self._customers.touch(customer)
        before = profile.next_due()
        self._noticing.ring(profile, customer, event.time, event)
        if event.backfill:
            profile.import_open = event.backfill
            profile.backfill_until = max(profile.backfill_until, event.backfill)
            self._customers.importing.add(customer)
        if event.time < profile.last_event_at:
            self.late += 1
        self._noticing.learn(profile, event)
        profile.last_event_at = max(profile.last_event_at, event.time)
        if profile.next_due() != before:
            self._customers.timers.set(profile.next_due(), customer)

    # -- merges -----------------------------------------------------------------------------------

    def _move_away(self, event: Event) -> None:
        """The losing side: ends its episodes, and sends what it learned to the survivor's partition as a fact."""
        customer, surviving = event.customer, str(event.data["surviving"])
        profile = self._customers.look(customer)
        changes = self._noticing.changes
        if profile is not None:
            for kind in sorted(profile.episodes):
                why = "This customer turned out to be another one that is known."
                said = episodes.clear(profile, Kind(kind), event, customer, event.time, why)
                if said:
                    changes.triggers.append(said)
            packed = base64.b64encode(pack(profile)).decode()
            id_ = stable_id("merged", customer, surviving, event.id)
            data = {"losing": customer, "profile": packed}
            changes.facts.append(emission(PROFILE_MERGED, surviving, data, event, event.time, id_))
        self._customers.move(customer, surviving)
        changes.profiles[customer] = moved_row(surviving)

    def _pass_on(self, event: Event) -> None:
        """A fact that still came under a lost key goes to the survivor, with its own id, so it counts once."""
        to = self._customers.moved[event.customer]
        fact = emission(TYPES[event.what], to, event.data, event, event.time, event.id)
        self._noticing.changes.facts.append(fact)

    def _take_in(self, event: Event) -> None:
        """The surviving side."""
        profile = self._customers.touch(event.customer)
        merge_into(profile, unpack(base64.b64decode(event.data["profile"])), _HALF_LIVES)
        if Kind.PURCHASE_SILENCE not in profile.episodes:
            profile.silence_due = purchase_silence.due(profile, self.world.population)
        if profile.import_open:
            self._customers.importing.add(event.customer)
        self._customers.timers.set(profile.next_due(), event.customer)

    # -- time and imports -------------------------------------------------------------------------

    def _tick(self, event: Event) -> None:
        gap = event.time - self.last_tick if self.last_tick else 0.0
        asleep_since = self.last_tick if gap > OUTAGE_SECONDS else None
        self.last_tick = max(self.last_tick, event.time)
        ringing = [self._ringing(customer, event.time) for _, customer in self._customers.timers.ringing(event.time)]
        awake = [(customer, profile) for customer, profile in ringing if profile is not None]
        if asleep_since is not None:
            for _, profile in awake:
                _postpone(profile, asleep_since, gap)
        hushed = self._widespread([p for _, p in awake if _falls_silent(p, event.time)], event)
        for customer, profile in awake:
            self._noticing.ring(profile, customer, event.time, event, hushed=hushed)
            self._customers.timers.set(profile.next_due(), customer)

    def _ringing(self, customer: str, until: float) -> tuple[str, Profile | None]:
        """The profile to ring, or None: an open import waits for its end, a stale entry is nobody's."""
        known = self._customers.look(customer)
        if known is None or customer in self._customers.importing:
            return customer, None
        if known.next_due() > until:
            self._customers.timers.set(known.next_due(), customer)
            return customer, None
        return customer, self._customers.touch(customer)

    def _widespread(self, silent: list[Profile], event: Event) -> bool:
        """Whether so many fall silent within a day that the fault is elsewhere: one alarm, no customer alerts."""
        limit = max(WIDESPREAD_LEAST, WIDESPREAD_SHARE * len(self))
        before = self.silences.read(event.time, WIDESPREAD_HALF_LIFE)
        if silent:
            self.silences.add(event.time, WIDESPREAD_HALF_LIFE, len(silent))
        if before + len(silent) < limit:
            return event.time - self.alarmed_at < DAY
        if event.time - self.alarmed_at > DAY:
            self._alarm(before + len(silent), event)
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


def _postpone(profile: Profile, asleep_since: float, gap: float) -> None:
    """Nobody could be heard while the log stood still: a silence that fell due then waits as long again."""
    if asleep_since < profile.silence_due <= asleep_since + gap:
        profile.silence_due += gap


def _falls_silent(profile: Profile, now: float) -> bool:
    fresh = Kind.PURCHASE_SILENCE not in profile.episodes
    return fresh and profile.backfill_until <= profile.silence_due <= now
