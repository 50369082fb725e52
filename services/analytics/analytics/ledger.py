"""What a customer's log tells of merges and separations, and so which of its records count for them. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto

from analytics.events import Event, What
from analytics.separating import facts_of, unpacked_episodes

RECORDS = frozenset({What.CONTACT_MERGED, What.CONTACT_SEPARATED, What.PROFILE_MERGED, What.PROFILE_RETURNED})


class Whose(Enum):
    """Who a record under a customer's key counts for: them, whoever is taken apart now, or somebody else."""

    THEIRS = auto()
    GIVEN_BACK = auto()
    ELSEWHERE = auto()


@dataclass(frozen=True, slots=True)
class _Parting:
    offset: int
    losing: str
    keys: frozenset[str]


@dataclass(frozen=True, slots=True)
class Learned:
    """What was learned of somebody who is part of a customer; `given_back` came inside another record."""

    event: Event
    given_back: bool


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
        self._partings: list[_Parting] = []
        self._decisions: dict[str, str] = {}
        self._rejoined: dict[str, list[int]] = {}
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
        else:
            losing = str(event.data["losing"])
            self._decisions[losing] = str(event.data["separation"])
            self._partings.append(_Parting(event.offset, losing, frozenset(event.data["keys"])))

    def _learn(self, event: Event, *, given_back: bool = False) -> None:
        """A later profile of somebody holds all that an earlier one did, but for the past of standing queries."""
        data, losing = event.data, str(event.data["losing"])
        decision = self._decisions.get(losing)
        if decision is not None and decision not in data.get("after", ()):
            return
        if decision is not None:
            del self._decisions[losing]
            self._rejoined.setdefault(losing, []).append(event.offset)
        self._learned[(losing, event.offset if data.get("part") else -1)] = Learned(event, given_back)

    def profiles(self) -> Profiles:
        """After the last record."""
        found = Profiles()
        for learned in self._learned.values():
            event, losing = learned.event, str(learned.event.data["losing"])
            whose = self._by(self._leaving(event.offset, losing, learned_of=losing))
            if whose is Whose.THEIRS:
                found.kept.append(learned)
            elif whose is Whose.GIVEN_BACK:
                found.theirs |= {episode.trigger for episode in unpacked_episodes(event.data).values()}
                if losing != self.losing:  # they know of themselves what they learned
                    found.returned.append(event)
        return found

    def was_passed_on(self, event: Event) -> bool:
        """Whether it was sent to a survivor, and may be under way to them still or again."""
        return any(since < event.offset < until for since, until in self._away)

    def whose(self, event: Event, key: str) -> Whose:
        """By the key of whoever a fact is about, and where it stands among the separations."""
        if self._moved_at is not None and event.offset > self._moved_at:
            return Whose.ELSEWHERE  # it was passed on
        return self._by(self._leaving(event.offset, key)) if self._partings else Whose.THEIRS

    def _by(self, leaving: Iterator[int]) -> Whose:
        partings = list(leaving)
        if not partings:
            return Whose.THEIRS
        return Whose.GIVEN_BACK if partings == [self.event.offset] else Whose.ELSEWHERE

    def _leaving(self, offset: int, key: str, *, learned_of: str | None = None) -> Iterator[int]:
        """The separations by which it is no longer this customer's. What comes after one is theirs once the two are
        merged again, and what was learned of the other one comes only then.
        """
        for parting in self._partings:
            if key in parting.keys:
                since = (at for at in self._rejoined.get(parting.losing, ()) if parting.offset < at < offset)
                merged_again = learned_of == parting.losing or any(True for _ in since)
                if offset < parting.offset or not merged_again:
                    yield parting.offset
