"""Folds one customer again from the stored facts, because a merge was undone.

The log is read up to the record that says so, once for what it tells of merges (`Ledger`) and once for the facts, which
are folded in the order they came into a scratch fold (`Again`). Nothing is said, and nobody else is taught: what is
known of all other customers is what the task knows at that record. So the outcome depends on the log alone.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from datetime import datetime
from enum import Enum, auto
from operator import attrgetter
from typing import Any, Protocol

from analytics.events import TYPES, Event, What, decode, id_text
from analytics.fold import OUTAGE_SECONDS, Fold
from analytics.profile import NEVER, Profile
from analytics.queries.book import RulesPopulation
from analytics.repository import KEEP_IDS
from analytics.sections import Sections
from analytics.separating import Rebuilt, facts_of, own_key, unpacked_episodes
from common.failures import InvalidError
from common.record import Record

Decoder = Callable[[Record], Event | None]

_ON_MERGES = frozenset({What.CONTACT_SEPARATED, What.PROFILE_MERGED, What.PROFILE_RETURNED})
_ON_MERGES_TYPES = frozenset(TYPES[what].encode() for what in _ON_MERGES)
_TICK, _IMPORT_ENDED = (TYPES[what].encode() for what in (What.TICK, What.IMPORT_ENDED))
_NO_FACTS = _ON_MERGES | {What.CONTACT_MERGED}


class Log(Protocol):
    """The records of a partition, as they were published."""

    def records(self, partition: int, first: int, end: int) -> AsyncIterator[Sequence[Record]]:
        """Those with offsets from `first` up to `end`, in order, some at a time."""
        ...


class Whose(Enum):
    """Who a record under a customer's key counts for: them, whoever is taken apart now, or somebody taken apart before."""

    THEIRS = auto()
    GIVEN_BACK = auto()
    ELSEWHERE = auto()


class Ledger:
    """What the log tells of a customer's merges up to and with `event`, the record that has them folded again."""

    def __init__(self, event: Event) -> None:
        self.event, self.customer = event, event.customer
        self.first = event.offset
        self.returned: list[Event] = []
        self._partings: list[tuple[int, str, frozenset[str]]] = []
        self._decisions: dict[str, str] = {}
        self._rejoined: dict[str, list[int]] = {}
        self._profiles: dict[tuple[str, int], Event] = {}

    def note(self, event: Event) -> None:
        """The next record on merges."""
        if event.what is What.PROFILE_MERGED:
            self._merged(event)
        elif event.what is What.PROFILE_RETURNED:
            for fact in facts_of(event):
                if fact.what is What.PROFILE_MERGED:
                    self._merged(fact)
                else:
                    self.returned.append(fact)
        elif event.customer != event.data["losing"]:
            losing = str(event.data["losing"])
            self._decisions[losing] = str(event.data["separation"])
            self._partings.append((event.offset, losing, frozenset(event.data["keys"])))

    def _merged(self, event: Event) -> None:
        """Later profiles of the same customer hold all that earlier ones did, but for what was before a query."""
        data, losing = event.data, str(event.data["losing"])
        decision = self._decisions.get(losing)
        if decision is not None and decision not in data.get("after", ()):
            return
        if self._decisions.pop(losing, None):
            self._rejoined.setdefault(losing, []).append(event.offset)
        self._profiles[(losing, event.offset if data.get("part") else -1)] = event

    @property
    def parts_anybody(self) -> bool:
        """Whether some records may be somebody else's."""
        return bool(self._partings)

    def profiles(self) -> tuple[list[Event], list[Event], set[bytes]]:
        """What was learned of others: what counts here; what is given back; triggers of whoever is taken apart now."""
        kept, given_back, theirs = [], [], set()
        losing = str(self.event.data["losing"]) if self.event.what is What.CONTACT_SEPARATED else None
        for event in self._profiles.values():
            whose = self.whose(event.offset, str(event.data["losing"]), is_profile=True)
            if whose is Whose.THEIRS:
                kept.append(event)
            elif whose is Whose.GIVEN_BACK:
                theirs |= {episode.trigger for episode in unpacked_episodes(event.data).values()}
                if event.data["losing"] != losing:
                    given_back.append(event)
        return kept, given_back, theirs

    def whose(self, offset: int, key: str, *, is_profile: bool = False) -> Whose:
        """By its own key and where it stands among the separations."""
        gone = [at for at, losing, keys in self._partings if key in keys and self._gone(offset, at, losing, key, is_profile)]
        if not gone:
            return Whose.THEIRS
        return Whose.GIVEN_BACK if gone == [self.event.offset] else Whose.ELSEWHERE

    def _gone(self, offset: int, parted_at: int, losing: str, key: str, is_profile: bool) -> bool:
        if offset < parted_at:
            return True
        if is_profile and key == losing:
            return False  # merged again
        return not any(parted_at < at < offset for at in self._rejoined.get(losing, ()))


class Again:
    """One customer's facts, folded again."""

    def __init__(self, fold: Fold, ledger: Ledger, decoder: Decoder = decode) -> None:
        self._ledger, self._decode = ledger, decoder
        self._customer, self._key = ledger.customer, ledger.customer.encode()
        self._losing = str(ledger.event.data["losing"]) if ledger.event.what is What.CONTACT_SEPARATED else ""
        self._known_from = ledger.event.received - KEEP_IDS.total_seconds()
        self._frozen = fold.world.sections.pack()
        self._rules = fold.scratch().world.of(RulesPopulation)  # facts never change it
        self._fold = fold.scratch()
        kept, given_back, theirs = ledger.profiles()
        self._profiles = {event.offset: event for event in kept if not _came_back(event, ledger)}
        nested = [event for event in kept if _came_back(event, ledger)]
        self._waiting = sorted([*ledger.returned, *nested], key=attrgetter("received"), reverse=True)
        self._tickets: dict[Any, str] = {}
        self._seen: set[str] = set()
        self._due = NEVER
        self.found = Rebuilt(Profile(), given_back=given_back, theirs=theirs)

    def take(self, record: Record) -> None:
        """The next record of the partition."""
        self.found.records += 1
        if record.key == self._key:
            event = _decoded(record, self._decode)
            if event is None:
                return
            self._catch_up(event.received)
            if event.what not in _NO_FACTS:
                self._fact(event, own_log=True)
            elif merged := self._profiles.get(record.offset):
                self._apply(merged)
        elif not record.key:
            self._partition_wide(record)

    def end(self) -> Rebuilt:
        """After the last record."""
        self._catch_up(NEVER)
        self.found.profile = self._fold.profile(self._customer) or Profile()
        return self.found

    def _catch_up(self, received: float) -> None:
        """Facts that were given back come where they would have come."""
        while self._waiting and self._waiting[-1].received < received:
            event = self._waiting.pop()
            if event.what is What.PROFILE_MERGED:
                self._apply(event)
            else:
                self._fact(event)

    def _fact(self, event: Event, *, own_log: bool = False) -> None:
        if event.id in self._seen:
            return
        self._seen.add(event.id)
        whose = self._ledger.whose(event.offset, self._own_key(event)) if self._ledger.parts_anybody else Whose.THEIRS
        if whose is Whose.THEIRS:
            if own_log and event.received >= self._known_from:
                self.found.ids[id_text(event.id)] = event.what is What.ORDER
            self._apply(event)
        elif whose is Whose.GIVEN_BACK and event.said_of != self._losing:  # else it is on the losing one's own log
            self.found.given_back.append(event)

    def _own_key(self, event: Event) -> str:
        """What becomes of a ticket is about whoever opened it."""
        ticket = event.data.get("ticket_id")
        if event.what is What.TICKET_STATUS and ticket in self._tickets:
            return self._tickets[ticket]
        key = own_key(event)
        if event.what is What.TICKET_OPENED:
            self._tickets[ticket] = key
        return key

    def _partition_wide(self, record: Record) -> None:
        headers = dict(record.headers)
        type_ = headers.get("ce_type")
        if type_ == _TICK:
            self._tick(record, datetime.fromisoformat(headers["ce_time"].decode()).timestamp())
        elif type_ == _IMPORT_ENDED and (event := _decoded(record, self._decode)):
            self._apply(event)

    def _tick(self, record: Record, time: float) -> None:
        """Most ticks ring nothing; only how late it is has to be known."""
        self._catch_up(time)
        last = self._fold.last_tick
        if time < self._due and (not last or time - last <= OUTAGE_SECONDS):
            self._fold.last_tick = max(last, time)
        elif event := _decoded(record, self._decode):
            self._apply(event)

    def _apply(self, event: Event) -> None:
        sections = Sections.unpack(self._frozen)
        sections.opened[RulesPopulation] = self._rules
        self._fold.world.sections = sections
        if event.what is What.PROFILE_MERGED:
            self._fold.take_in(event)
        else:
            self._fold.apply(event)
        self._fold.take_said()
        profile = self._fold.profile(self._customer)
        self._due = NEVER if profile is None or profile.import_open else profile.next_due()


async def rebuild(log: Log, fold: Fold, event: Event, decoder: Decoder = decode) -> Rebuilt:
    """Folds the customer of `event` again, from all that the log holds before it. The fold itself stays as it is."""
    ledger, key = Ledger(event), event.customer.encode()
    async for records in log.records(event.partition, 0, event.offset):
        _note(ledger, (record for record in records if record.key == key), decoder)
    if event.what in _ON_MERGES:
        ledger.note(event)
    again = Again(fold, ledger, decoder)
    async for records in log.records(event.partition, ledger.first, event.offset):
        for record in records:
            again.take(record)
    return again.end()


def _note(ledger: Ledger, records: Iterable[Record], decoder: Decoder) -> None:
    for record in records:
        ledger.first = min(ledger.first, record.offset)
        if dict(record.headers).get("ce_type") in _ON_MERGES_TYPES and (event := _decoded(record, decoder)):
            ledger.note(event)


def _decoded(record: Record, decoder: Decoder) -> Event | None:
    """What the tasks would bury is nobody's."""
    try:
        return decoder(record)
    except InvalidError:
        return None


def _came_back(event: Event, ledger: Ledger) -> bool:
    """Whether a profile is inside a record that gave it back, and not a record of its own."""
    return any(event is other for other in ()) or event.data.get("came_back", False)
