"""Folds one customer again from the stored facts, because a merge was undone.

The log is read up to the record that says so: once for what it tells of merges (the ledger), once for the facts, which
are folded in the order they came into a scratch fold. Nothing is said, and nobody else is taught: what is known of all
other customers is what the task knows at that record. So the outcome depends on the log before it alone.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Protocol

from analytics.events import TYPES, Event, What, decode, id_text
from analytics.fold import OUTAGE_SECONDS, Fold
from analytics.ledger import RECORDS, Ledger, Whose
from analytics.profile import NEVER, Profile
from analytics.queries.book import RulesPopulation
from analytics.sections import Sections
from analytics.separating import Rebuilt, own_key
from common.failures import InvalidError
from common.record import Record

Decoder = Callable[[Record], Event | None]

_ON_MERGES = frozenset(TYPES[what].encode() for what in RECORDS)
_TICK, _IMPORT_ENDED = (TYPES[what].encode() for what in (What.TICK, What.IMPORT_ENDED))


class Log(Protocol):
    """The records of a partition, as they were published."""

    def records(self, partition: int, first: int, end: int) -> AsyncIterator[Sequence[Record]]:
        """Those with offsets from `first` up to `end`, in order, some at a time."""
        ...


async def rebuild(log: Log, fold: Fold, event: Event, decoder: Decoder = decode) -> Rebuilt:
    """Folds the customer of `event` again, from all that the log holds before it. The fold itself stays as it is."""
    ledger, key, first = Ledger(event), event.customer.encode(), event.offset
    async for records in log.records(event.partition, 0, event.offset):
        mine = [record for record in records if record.key == key]
        if mine:
            first = min(first, mine[0].offset)
            _note(ledger, mine, decoder)
    ledger.note(event)
    again = Again(fold, ledger, decoder)
    async for records in log.records(event.partition, first, event.offset):
        for record in records:
            again.take(record)
    return again.end()


def _note(ledger: Ledger, records: Iterable[Record], decoder: Decoder) -> None:
    for record in records:
        if dict(record.headers).get("ce_type") in _ON_MERGES and (event := _decoded(record, decoder)):
            ledger.note(event)


class Again:
    """One customer's facts, folded again: `take` each record of the partition, then `end`."""

    def __init__(self, fold: Fold, ledger: Ledger, decoder: Decoder = decode) -> None:
        self._ledger, self._decode = ledger, decoder
        self._customer, self._key = ledger.customer, ledger.customer.encode()
        self._fold = fold.scratch()
        self._frozen = self._fold.world.sections.pack()
        self._rules = self._fold.world.of(RulesPopulation)  # facts never change it
        profiles = ledger.profiles()
        self._learned = {learned.event.offset: learned.event for learned in profiles.kept if not learned.given_back}
        given_back = [learned.event for learned in profiles.kept if learned.given_back]
        self._waiting = sorted([*ledger.returned, *given_back], key=attrgetter("received"), reverse=True)
        self._tickets: dict[str, str] = {}
        self._seen: set[str] = set()
        self._due = NEVER
        self._found = Rebuilt(Profile(), given_back=profiles.returned, theirs=profiles.theirs)
        if ledger.event.what is What.PROFILE_MERGED:
            self._found.sent_before = ledger.holds(str(ledger.event.data["losing"]))

    def take(self, record: Record) -> None:
        """The next record."""
        self._found.records += 1
        if record.key == self._key:
            event = _decoded(record, self._decode)
            if event is not None:
                self._catch_up(event.received)
                self._own(event)
        elif not record.key:
            self._partition_wide(record)

    def end(self) -> Rebuilt:
        """After the last record."""
        self._catch_up(NEVER)
        if learned := self._learned.get(self._ledger.event.offset):
            self._apply(learned)
        self._found.profile = self._fold.profile(self._customer) or Profile()
        return self._found

    def _own(self, event: Event) -> None:
        if event.what in RECORDS:
            counts = event.what is What.PROFILE_MERGED
            if learned := self._learned.get(event.offset):
                self._apply(learned)
        else:
            counts = self._fact(event)
        if counts and self._ledger.was_passed_on(event):
            self._found.ids[id_text(event.id)] = event.what is What.ORDER

    def _catch_up(self, received: float) -> None:
        """What was given back comes when it would have come."""
        while self._waiting and self._waiting[-1].received < received:
            event = self._waiting.pop()
            if event.what is What.PROFILE_MERGED:
                self._apply(event)
            else:
                self._fact(event)

    def _fact(self, event: Event) -> bool:
        """Whether it counts for this customer."""
        if event.id in self._seen:
            return False
        whose = self._ledger.whose(event, self._about(event))
        if whose is not Whose.ELSEWHERE:
            self._seen.add(event.id)
        if whose is Whose.THEIRS:
            self._apply(event)
        elif whose is Whose.GIVEN_BACK and not self._ledger.is_known_to_them(event):
            self._found.given_back.append(event)
        return whose is Whose.THEIRS

    def _about(self, event: Event) -> str:
        """The key of whoever it is about. What becomes of a ticket is about whoever opened it."""
        ticket = str(event.data.get("ticket_id"))
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


def _decoded(record: Record, decoder: Decoder) -> Event | None:
    """What the tasks bury is nobody's."""
    try:
        return decoder(record)
    except InvalidError:
        return None
