"""A task's state as a fold of its partition of the log: the same records give the same state and the same words.

Nothing here reads a clock or does I/O. Time arrives as ticks, models as adoption records.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from zlib import crc32

import orjson
from common.envelope import Envelope

from analytics import episodes
from analytics.events import EXAMPLE, WIDESPREAD_SILENCE, Event, What, emission, stable_id
from analytics.operators import churn_risk, purchase_silence, spend_deviation, support_load
from analytics.operators.base import Adopted, Kind, Population, World
from analytics.profile import DAY, NEVER, Decayed, Profile, money_of, note_order, note_return, pack, peek, unpack
from analytics.timers import Timers

OUTAGE_SECONDS = 600.0
WIDESPREAD_LEAST = 20
WIDESPREAD_SHARE = 0.2
WIDESPREAD_HALF_LIFE = DAY
_RANG_AT_MOST = 400  # timers of one customer before one event: far more than half a year of weeks


@dataclass
class Changes:
    """What a checkpoint has to write."""

    profiles: dict[str, bytes] = field(default_factory=dict)
    pending: dict[str, bytes] = field(default_factory=dict)
    triggers: list[Envelope] = field(default_factory=list)
    examples: list[Envelope] = field(default_factory=list)


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
        self._packed: dict[str, bytes] = {}
        self._pending: dict[str, bytes] = {}
        self._hot: dict[str, Profile] = {}
        self._importing: set[str] = set()
        self._timers = Timers()
        self._changes = Changes()
        if state:
            self._restore(orjson.loads(state))

    # -- what is kept beside the profiles -------------------------------------------------------

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
        due, importing = peek(packed)
        self._packed[customer] = packed
        if pending:
            self._pending[customer] = pending
        if importing:
            self._importing.add(customer)
        else:
            self._timers.set(due, customer)

    def customers(self) -> Iterable[str]:
        """Everybody known here; sorted, so that two folds compare."""
        return sorted(self._packed.keys() | self._hot.keys())

    def profile(self, customer: str) -> Profile | None:
        """As it stands now, for tests and comparison."""
        if customer in self._hot:
            return self._hot[customer]
        return unpack(self._packed[customer]) if customer in self._packed else None

    def __len__(self) -> int:
        return len(self._packed) + sum(1 for customer in self._hot if customer not in self._packed)

    @property
    def urgent(self) -> bool:
        """Whether something was said that should not wait."""
        return bool(self._changes.triggers)

    def take_changes(self) -> Changes:
        """The dirt since the last call, packed. The fold goes on from the packed form."""
        changes, self._changes = self._changes, Changes()
        for customer, profile in self._hot.items():
            self._packed[customer] = changes.profiles[customer] = pack(profile)
        self._hot.clear()
        if len(self._timers) > 4 * len(self._packed) + 1000:
            self._timers.compact({c: peek(p)[0] for c, p in self._packed.items() if c not in self._importing})
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
        elif event.what is not What.MODEL_ADOPTED:
            self._customer_event(event)

    def _customer_event(self, event: Event) -> None:
        customer = event.customer
        profile = self._touch(customer)
        before = profile.next_due()
        self._ring(profile, customer, event.time, event)
        if event.backfill:
            profile.import_open = event.backfill
            profile.backfill_until = max(profile.backfill_until, event.backfill)
            self._importing.add(customer)
        if event.time < profile.last_event_at:
            self.late += 1
        _APPLY[event.what](self, profile, event)
        profile.last_event_at = max(profile.last_event_at, event.time)
        due = profile.next_due()
        if due != before:
            self._timers.set(due, customer)

    def _touch(self, customer: str) -> Profile:
        profile = self._hot.get(customer)
        if profile is None:
            packed = self._packed.get(customer)
            profile = self._hot[customer] = unpack(packed) if packed else Profile()
        return profile

    def _tick(self, event: Event) -> None:
        gap = event.time - self.last_tick if self.last_tick else 0.0
        asleep_since = self.last_tick if gap > OUTAGE_SECONDS else None
        self.last_tick = max(self.last_tick, event.time)
        ringing = [self._ringing(customer, event.time) for _, customer in self._timers.ringing(event.time)]
        awake = [(customer, profile) for customer, profile in ringing if profile is not None]
        if asleep_since is not None:
            for _, profile in awake:
                _postpone(profile, asleep_since, gap)
        hushed = self._widespread([p for _, p in awake if _falls_silent(p, event.time)], event)
        for customer, profile in awake:
            self._ring(profile, customer, event.time, event, hushed=hushed)
            self._timers.set(profile.next_due(), customer)

    def _ringing(self, customer: str, until: float) -> tuple[str, Profile | None]:
        """The profile to ring, or None: an open import waits for its end, a stale entry is nobody's."""
        if customer in self._importing:
            return customer, None
        known = self._hot.get(customer) or unpack(self._packed[customer])
        if known.next_due() > until:
            self._timers.set(known.next_due(), customer)
            return customer, None
        self._hot[customer] = known
        return customer, known

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
        self._changes.triggers.append(emission(WIDESPREAD_SILENCE, "", data, event, event.time, id_))

    def _import_ended(self, event: Event) -> None:
        started = event.data.get("started_at")
        for customer in sorted(self._importing):
            profile = self._touch(customer)
            if started is None or abs(profile.import_open - datetime.fromisoformat(started).timestamp()) < 1e-3:
                profile.import_open = 0.0
                self._importing.discard(customer)
                self._timers.set(profile.next_due(), customer)

    # -- timers ---------------------------------------------------------------------------------

    def _ring(self, profile: Profile, customer: str, until: float, cause: Event, *, hushed: bool = False) -> None:
        """Fires this customer's timers due by `until`, earliest first."""
        for _ in range(_RANG_AT_MOST):
            due = profile.next_due()
            if due > until:
                return
            history = bool(cause.backfill) or due < profile.backfill_until or hushed
            if due == profile.silence_due:
                self._silent(profile, customer, due, cause, history)
            elif due == profile.scoring_due:
                self._weekly(profile, customer, due, cause, history)
            elif due == profile.support_due:
                profile.support_due = NEVER
                self._say(episodes.clear(profile, Kind.SUPPORT_LOAD, cause, customer, due, "Support is calm again."))
            else:
                profile.spend_due = NEVER
                why = "No further order in 30 days."
                self._say(episodes.clear(profile, Kind.SPEND_DEVIATION, cause, customer, due, why))
        profile.scoring_due = until + churn_risk.SCORE_EVERY

    def _silent(self, profile: Profile, customer: str, due: float, cause: Event, history: bool) -> None:
        finding = purchase_silence.explain(profile, self.world.population, due)
        said = episodes.raise_or_update(profile, finding, cause, customer, due, history=history, again=True)
        self._say(said)
        updates = profile.episodes[Kind.PURCHASE_SILENCE].updates
        silent = profile.episodes[Kind.PURCHASE_SILENCE].silent
        profile.silence_due = NEVER if silent else purchase_silence.next_update(profile, due, updates)

    def _weekly(self, profile: Profile, customer: str, due: float, cause: Event, history: bool) -> None:
        self.world.population.ticket_days += 7
        pending = self._complete_examples(customer, due, cause)
        if due - profile.last_order_at > churn_risk.STOP_AFTER:
            profile.scoring_due = due + churn_risk.SCORE_EVERY if pending else NEVER
            return
        profile.scoring_due = due + churn_risk.SCORE_EVERY
        x = churn_risk.features(profile, due)
        adopted = self.world.models.get(churn_risk.MODEL)
        risk = churn_risk.predict(adopted, x)
        self._keep(customer, churn_risk.keep(pending, due, risk, adopted.version if adopted else 0, x))
        self._judge(profile, customer, due, cause, x, risk, history)

    def _complete_examples(self, customer: str, now: float, cause: Event) -> bytes:
        known, rest = churn_risk.take_known(self._pending.get(customer, b""), now)
        for example in known:
            id_ = stable_id("example", customer, example["as_of"])
            data = {"customer": customer, **example}
            self._changes.examples.append(emission(EXAMPLE, customer, data, cause, now, id_))
        if known:
            self._keep(customer, rest)
        return rest

    def _keep(self, customer: str, pending: bytes) -> None:
        self._pending[customer] = self._changes.pending[customer] = pending

    def _judge(
        self,
        profile: Profile,
        customer: str,
        now: float,
        cause: Event,
        x: tuple[float, ...],
        risk: float | None,
        history: bool,
    ) -> None:
        adopted = self.world.models.get(churn_risk.MODEL)
        if risk is None or adopted is None or not churn_risk.enough(profile):
            return
        profile.churn_at, profile.churn_risk, profile.churn_version = now, risk, adopted.version
        if risk >= churn_risk.ALARM:
            finding = churn_risk.explain(profile, adopted, x, risk, now)
            self._say(episodes.raise_or_update(profile, finding, cause, customer, now, history=history))
        elif risk < churn_risk.CALM:
            why = f"The risk fell to {risk:.0%}."
            self._say(episodes.clear(profile, Kind.CHURN_RISK, cause, customer, now, why))

    # -- facts about one customer ---------------------------------------------------------------

    def _order(self, profile: Profile, event: Event) -> None:
        customer = event.customer
        gap = note_order(profile, event.time, event.amount, event.currency)
        if gap is not None and gap > 0:
            purchase_silence.learn_gap(profile, gap, self.world.population)
        self._spend(profile, event)
        self._say(episodes.clear(profile, Kind.PURCHASE_SILENCE, event, customer, event.time, "They ordered again."))
        profile.silence_due = purchase_silence.due(profile, self.world.population)
        if profile.scoring_due == NEVER:
            profile.scoring_due = event.time + _phase(customer)
        if customer in self._pending:
            self._keep(customer, churn_risk.mark_bought(self._pending[customer]))
        if Kind.CHURN_RISK in profile.episodes:
            x = churn_risk.features(profile, event.time)
            risk = churn_risk.predict(self.world.models.get(churn_risk.MODEL), x)
            self._judge(profile, customer, event.time, event, x, risk, bool(event.backfill))

    def _spend(self, profile: Profile, event: Event) -> None:
        money, population = money_of(profile, event.currency), self.world.population
        if money is None:
            return
        deviation = spend_deviation.assess(money, event.amount, population)
        lasting = spend_deviation.learn(money, event.amount, deviation, population)
        now, customer = event.time, event.customer
        if lasting:
            why = "Three orders in a row: this is the new usual."
            self._say(episodes.clear(profile, Kind.SPEND_DEVIATION, event, customer, now, why))
            profile.spend_due = NEVER
        elif deviation is not None and deviation.flagged:
            finding = spend_deviation.explain(profile, money, event.amount, deviation)
            history = bool(event.backfill)
            self._say(episodes.raise_or_update(profile, finding, event, customer, now, history=history))
            profile.spend_due = now + spend_deviation.EPISODE_SECONDS
        elif deviation is not None:
            why = "The next order was as usual."
            self._say(episodes.clear(profile, Kind.SPEND_DEVIATION, event, customer, now, why))
            profile.spend_due = NEVER

    def _return(self, profile: Profile, event: Event) -> None:
        note_return(profile, event.time, event.amount, event.currency, churn_risk.RETURN_HALF_LIFE)

    def _touchpoint(self, profile: Profile, event: Event) -> None:
        profile.web.add(event.time, churn_risk.WEB_HALF_LIFE)

    def _ticket_opened(self, profile: Profile, event: Event) -> None:
        population = self.world.population
        support_load.learn_ticket(profile, event.time, population)
        if support_load.alarmed(profile, population, event.time):
            finding = support_load.explain(profile, population, event.time)
            history = bool(event.backfill)
            self._say(
                episodes.raise_or_update(
                    profile, finding, event, event.customer, event.time, history=history, again=True
                )
            )
            profile.support_due = support_load.calm_at(profile, event.time)

    def _ticket_status(self, profile: Profile, event: Event) -> None:
        if event.data.get("status") == "solved":
            support_load.learn_solved(profile)

    def _opened(self, profile: Profile, event: Event) -> None:
        profile.opens.add(event.time, churn_risk.MAIL_HALF_LIFE)

    def _clicked(self, profile: Profile, event: Event) -> None:
        profile.clicks.add(event.time, churn_risk.MAIL_HALF_LIFE)

    def _say(self, envelope: Envelope | None) -> None:
        if envelope is not None:
            self._changes.triggers.append(envelope)


_APPLY: dict[What, Callable[[Fold, Profile, Event], None]] = {
    What.ORDER: Fold._order,
    What.RETURN: Fold._return,
    What.TOUCHPOINT: Fold._touchpoint,
    What.LEAD: Fold._touchpoint,
    What.TICKET_OPENED: Fold._ticket_opened,
    What.TICKET_STATUS: Fold._ticket_status,
    What.MESSAGE_OPENED: Fold._opened,
    What.MESSAGE_CLICKED: Fold._clicked,
}


def _postpone(profile: Profile, asleep_since: float, gap: float) -> None:
    """Nobody could be heard while the log stood still: a silence that fell due then waits as long again."""
    if asleep_since < profile.silence_due <= asleep_since + gap:
        profile.silence_due += gap


def _falls_silent(profile: Profile, now: float) -> bool:
    fresh = Kind.PURCHASE_SILENCE not in profile.episodes
    return fresh and profile.backfill_until <= profile.silence_due <= now


def _phase(customer: str) -> float:
    """Spreads the weekly scoring over the week; the same customer always has the same day and hour."""
    return DAY + crc32(customer.encode()) / 2**32 * churn_risk.SCORE_EVERY
