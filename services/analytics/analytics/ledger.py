"""What a customer's log tells of merges and separations, and so which of its records count for them. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto

from analytics.events import Event, What
from analytics.separating import Parting, brings_back, facts_of, knows, members_of, passed_before, unpacked_episodes

RECORDS = frozenset({What.CONTACT_MERGED, What.CONTACT_SEPARATED, What.PROFILE_MERGED, What.PROFILE_RETURNED})


class Whose(Enum):
    """Who a record under a customer's key counts for: them, whoever is taken apart now, or somebody else."""

    THEIRS = auto()
    GIVEN_BACK = auto()
    ELSEWHERE = auto()


@dataclass(frozen=True, slots=True)
class _At:
    """Where in the log somebody was taken apart, or joined again."""

    offset: int
    who: str
    parting: Parting


@dataclass(slots=True)
class Learned:
    """What was learned of somebody who is part of a customer. `given_back`: it came inside another record; `passed_on`:
    it came when the customer was part of somebody else, and went there.
    """

    event: Event
    given_back: bool
    passed_on: bool


@dataclass
class Profiles:
    """What was learned of others: what counts for a customer, what goes back with the losing one, and the triggers
    that people were told of the losing one.
    """

    kept: list[Learned] = field(default_factory=list)
    returned: list[Event] = field(default_factory=list)
    theirs: set[bytes] = field(default_factory=set)


class Ledger:
    """Give it all records on merges under a customer's key up to and with `event`, which has them folded again.

    `returned` are the facts that others gave back to them.
    """

    def __init__(self, event: Event) -> None:
        self.event, self.customer = event, event.customer
        self.losing = str(event.data["losing"]) if event.what is What.CONTACT_SEPARATED else None
        self.returned: list[Event] = []
        self._moved_at: int | None = None
        self._away: list[tuple[int, int]] = []
        self._partings: list[_At] = []
        self._joined: list[_At] = []
        self._learned: dict[tuple[str, int], Learned] = {}

    def note(self, event: Event) -> None:
        """The next record on merges."""
        if event.what is What.PROFILE_MERGED:
            self._learn(event)
        elif event.what is What.PROFILE_RETURNED:
            for fact in facts_of(event):
                if fact.what is What.PROFILE_MERGED:
                    self._learn(fact, given_back=True)
                else:
                    self.returned.append(fact)
        elif event.what is What.CONTACT_MERGED:
            self._moved_at = event.offset if self._moved_at is None else self._moved_at
        elif event.customer == event.data["losing"]:
            if self._moved_at is not None:
                self._away.append((self._moved_at, event.offset))
            self._moved_at = None
            for learned in self._learned.values():
                learned.passed_on = False
        else:
            parting = Parting(int(event.data["separation"]), frozenset(event.data["keys"]))
            self._partings.append(_At(event.offset, str(event.data["losing"]), parting))

    def _learn(self, event: Event, *, given_back: bool = False) -> None:
        """A later profile of somebody holds all that an earlier one did, but for the past of standing queries."""
        data, losing = event.data, str(event.data["losing"])
        members, part = members_of(event), bool(data.get("part"))
        # What was before a query is told of whoever has joined by then.
        known = (
            next((a.parting for a in reversed(self._joined) if a.who == losing), None) if part else members.get(losing)
        )
        if any(at.who == losing and not knows(known, at.parting) for at in (*self._partings, *self._joined)):
            return
        if self._is_outdated(event, losing):
            return
        self._joined += (_At(event.offset, who, member) for who, member in members.items())
        place = (losing, event.offset if part else -1)
        before = self._learned.get(place)
        in_place = data.get("again") and before is not None and not before.passed_on
        passed_on = self._moved_at is not None and not in_place
        self._learned[place] = Learned(event, given_back, passed_on)

    def profiles(self) -> Profiles:
        """After the last record."""
        found = Profiles()
        for learned in self._learned.values():
            if learned.passed_on:
                continue
            event, losing = learned.event, str(learned.event.data["losing"])
            whose = self._by(self._leaving(event, losing))
            if whose is Whose.THEIRS:
                found.kept.append(learned)
            elif whose is Whose.GIVEN_BACK:
                found.theirs |= {episode.trigger for episode in unpacked_episodes(event.data).values()}
                if losing != self.losing and not self.is_known_to_them(event):
                    found.returned.append(event)
        return found

    def is_known_to_them(self, event: Event) -> bool:
        """Whether the log of whoever is taken apart now has it: it was passed on from there."""
        return self.losing in event.via

    def holds(self, losing: str) -> bool:
        """Whether what this customer sent on when they moved held what was learned of somebody."""
        learned = self._learned.get((losing, -1))
        return learned is not None and not learned.passed_on

    def was_passed_on(self, event: Event) -> bool:
        """Whether it was sent to a survivor, and may be under way to them still or again."""
        return any(since < event.offset < until for since, until in self._away)

    def whose(self, event: Event, key: str) -> Whose:
        """By the key of whoever a fact is about, and where it stands among the separations."""
        if self._moved_at is not None and event.offset > self._moved_at:
            return Whose.ELSEWHERE  # it was passed on
        if self._is_outdated(event, key):
            return Whose.ELSEWHERE
        return self._by(self._leaving(event, key)) if self._partings else Whose.THEIRS

    def _is_outdated(self, event: Event, key: str) -> bool:
        """As `Partings.outdated` says of what was passed on."""
        heard = [at for at in (*self._partings, *self._joined) if at.offset < event.offset and key in at.parting.keys]
        return any(passed_before(event, at.who, at.parting.number) for at in heard)

    def _by(self, leaving: Iterator[int]) -> Whose:
        partings = list(leaving)
        if not partings:
            return Whose.THEIRS
        return Whose.GIVEN_BACK if partings == [self.event.offset] else Whose.ELSEWHERE

    def _leaving(self, event: Event, key: str) -> Iterator[int]:
        """The separations by which a record is not this customer's. What comes after one is theirs once the other one
        has joined again.
        """
        for at in self._partings:
            if key in at.parting.keys:
                joined = (a for a in self._joined if at.offset < a.offset < event.offset and key in a.parting.keys)
                again = brings_back(event, at.who, at.parting.number) or any(
                    knows(a.parting, at.parting) for a in joined
                )
                if event.offset < at.offset or not again:
                    yield at.offset
