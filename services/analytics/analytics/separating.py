"""A merge that is undone: whose facts are whose from then on, and what becomes of what was noticed of both. Pure.

The strongest identifier of a fact says whose it is; one without identifiers is about the key it was first said under.
"""

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

import orjson

from analytics import episodes
from analytics.customers import Changes, Customers
from analytics.events import AWAY, PROFILE_MERGED, PROFILE_RETURNED, TYPES, Event, What, emission, read_money, stable_id
from analytics.profile import Episode, Profile, pack, readable, unpack
from common.envelope import Envelope
from common.keys import entity_key

_STRENGTH = ("user_id", "loyalty_number", "email", "phone", "anonymous_id")  # the strongest first, as capture has it
_FORM: Final = 2  # of profiles on the log
_LONGEST: Final = 255
_RECORD_BYTES: Final = 256 * 1024  # of facts in one record; a single larger one goes alone
_TWO_PEOPLE: Final = "They turned out to be two people: of this one alone it is not so."
_SAME: Final = "The same was noticed about this customer meanwhile."
# What in a record says that its customer is to be folded again.
SIGNS = {What.CONTACT_SEPARATED: "separation", What.PROFILE_RETURNED: "last", What.PROFILE_MERGED: "again"}
_WHATS = {type_: what for what, type_ in TYPES.items()}


def own_key(event: Event) -> str:
    """The customer key of whoever a fact is about, whatever key it travels under."""
    identifiers = event.data.get("identifiers")
    if isinstance(identifiers, Mapping):
        for kind in _STRENGTH:
            value = identifiers.get(kind)
            if isinstance(value, str) and value.strip() and len(value) <= _LONGEST:
                return entity_key("c", kind, value)
    return next(iter(event.via), event.customer)


Packed = Sequence[Any]  # a Parting as JSON has it: its number, its keys


@dataclass(frozen=True, slots=True)
class Parting:
    """Somebody was made a person of their own: by which decision (contact counts them), and all keys of theirs."""

    number: int
    keys: frozenset[str]

    @classmethod
    def unpacked(cls, packed: Packed) -> "Parting":
        number, keys = packed
        return cls(int(number), frozenset(keys))

    def packed(self) -> Packed:
        return self.number, sorted(self.keys)

    def without(self, keys: frozenset[str]) -> "Parting":
        return Parting(self.number, self.keys - keys)


def _unpacked(packed: Mapping[str, Packed]) -> dict[str, Parting]:
    return {who: Parting.unpacked(parting) for who, parting in packed.items()}


def _packed(partings: Mapping[str, Parting]) -> dict[str, Packed]:
    return {who: parting.packed() for who, parting in partings.items()}


class Taken(NamedTuple):
    """A key that is not a customer's any more: by which decision, and whose it became."""

    number: int
    who: str


class Partings:
    """Who was taken apart from whom, as far as one partition has heard.

    `of` are the keys that were taken from a customer, each with the last decision and whose it became; `alone` those of
    this partition who were made a person of their own once; `joined` such people who are part of a customer again, by
    both keys.
    """

    def __init__(self, packed: Mapping[str, Any] | None = None) -> None:
        given = packed or {"of": {}, "alone": {}, "joined": {}}
        self.of: dict[str, dict[str, Taken]] = {
            customer: {key: Taken(*taken) for key, taken in keys.items()} for customer, keys in given["of"].items()
        }
        self.alone = _unpacked(given["alone"])
        self.joined = {customer: _unpacked(joined) for customer, joined in given["joined"].items()}

    def packed(self) -> dict[str, Any]:
        """Everything, as JSON can hold it; the same for the same."""
        joined = {customer: _packed(joined) for customer, joined in self.joined.items()}
        of = {customer: {key: tuple(taken) for key, taken in keys.items()} for customer, keys in self.of.items()}
        return {"of": of, "alone": _packed(self.alone), "joined": joined}

    def part(self, event: Event) -> None:
        """Hears of a separation, under the key of the losing one or of somebody they were part of."""
        customer, losing = event.customer, str(event.data["losing"])
        parting = Parting(int(event.data["separation"]), frozenset(event.data["keys"]))
        if customer == losing:
            self.alone[losing] = parting
            return
        self.of.setdefault(customer, {}).update(dict.fromkeys(parting.keys, Taken(parting.number, losing)))
        if customer in self.alone:
            self.alone[customer] = self.alone[customer].without(parting.keys)
        joined = self.joined.pop(customer, {})
        kept = {who: other.without(parting.keys) for who, other in joined.items() if who not in parting.keys}
        if kept:
            self.joined[customer] = kept

    def members(self, customer: str) -> dict[str, Packed]:
        """Of the customer and all who joined them those who were a person of their own, as others have to know them."""
        own = {customer: self.alone[customer]} if customer in self.alone else {}
        return _packed({**own, **self.joined.get(customer, {})})

    def number(self, customer: str) -> int:
        """Of the last decision that made the customer a person of their own; 0 for none."""
        return self.alone[customer].number if customer in self.alone else 0

    def outdated(self, event: Event) -> str | None:
        """Who said something of theirs, or passed it on, before they were taken apart, as has been heard since: their
        own log has it.
        """
        if not event.via and event.what is not What.PROFILE_MERGED:
            return None  # as nearly all are
        key = subject_of(event)
        if event.what is What.PROFILE_MERGED and self._is_said_before(event, key):
            return key
        return next((who for who in event.via if passed_before(event, who, self._last(event.customer, who, key))), None)

    def _last(self, customer: str, who: str, key: str) -> int:
        """The last decision that made somebody, with a key of theirs, a person of their own; 0 for none."""
        taken, joined = self.of.get(customer, {}), self.joined.get(customer, {}).get(who)
        number = joined.number if joined and key in joined.keys else 0
        if who in taken and key in taken and taken[who].who == who and taken[who].number <= taken[key].number:
            number = max(number, taken[who].number)
        return number

    def _is_said_before(self, event: Event, losing: str) -> bool:
        """Whether what was learned of somebody was learned before they were taken apart."""
        taken = self.of.get(event.customer, {}).get(losing)
        if taken and taken.who == losing and not brings_back(event, losing, taken.number):
            # What was before a query is told of whoever is part of the customer by now.
            return not event.data.get("part") or self._is_gone(event.customer, losing, taken)
        joined = self.joined.get(event.customer, {}).get(losing)
        return joined is not None and not event.data.get("part") and not brings_back(event, losing, joined.number)

    def join(self, event: Event) -> None:
        """Somebody is merged into a customer, and others with them: they are part of the customer again, by whatever
        decision they were taken apart before.
        """
        for who, member in members_of(event).items():
            joined = self.joined.setdefault(event.customer, {})
            if who not in joined or knows(member, joined[who]):
                joined[who] = member

    def whose(self, event: Event) -> str | None:
        """Who a fact under a customer's key is about, if that is somebody who was taken apart from them."""
        if event.what is What.PROFILE_RETURNED:
            return None
        key = subject_of(event)
        taken = self.of.get(event.customer, {}).get(key)
        if taken is None or brings_back(event, taken.who, taken.number):
            return None
        return taken.who if self._is_gone(event.customer, key, taken) else None

    def _is_gone(self, customer: str, key: str, taken: "Taken") -> bool:
        """Whether nobody has brought a key back that was taken from a customer."""
        joined = self.joined.get(customer, {}).values()
        return not any(key in member.keys and member.number >= taken.number for member in joined)


def subject_of(event: Event) -> str:
    """The customer key of whoever a fact is about, or of whom something was learned."""
    return str(event.data["losing"]) if event.what is What.PROFILE_MERGED else own_key(event)


def members_of(event: Event) -> dict[str, Parting]:
    """Who is part of somebody who is merged, as `Partings.members` said it."""
    return _unpacked(event.data.get("members", {}))


def knows(member: Parting | None, parting: Parting) -> bool:
    """Whether what is told of somebody is told after they were taken apart by this decision, or by a later one."""
    return member is not None and member.number >= parting.number


def brings_back(event: Event, who: str, number: int) -> bool:
    """Whether a record says itself that somebody is part of its customer again since a decision."""
    member = members_of(event).get(subject_of(event)) if event.what is What.PROFILE_MERGED else None
    return (member is not None and member.number >= number) or event.via.get(who, AWAY) >= number


def passed_before(event: Event, who: str, number: int) -> bool:
    """Whether somebody passed a record on to a survivor before they were taken apart by a decision."""
    return AWAY < event.via.get(who, AWAY) < number


@dataclass
class Rebuilt:
    """A customer folded again from the stored facts.

    `ids` of what counts for them and was passed on while they were part of somebody else, with whether each is an
    order; `given_back` those that are the losing one's; `theirs` the triggers that came with their profile.
    `sent_before`: what is told anew was part of what they sent when they moved to another customer.
    """

    profile: Profile
    ids: dict[str, bool] = field(default_factory=dict)
    given_back: list[Event] = field(default_factory=list)
    theirs: set[bytes] = field(default_factory=set)
    sent_before: bool = True
    records: int = 0


def put(customers: Customers, changes: Changes, event: Event, found: Rebuilt, partings: Partings) -> bool:
    """Puts a customer in place, or sends them on where they are part of somebody else; gives back what is not theirs.
    Returns whether they are in place.

    What was noticed and is so no longer is over; what only folding again notices, nobody was told of: it is left out,
    and noticed anew if it is still so.
    """
    customer = event.customer
    into = customers.moved.get(customer)
    before = customers.look(customer)
    told = {key: e for key, e in (before.episodes if before else {}).items() if not e.silent}
    back = {key: told.pop(key) for key, e in list(told.items()) if e.trigger in found.theirs}
    for episode, why in [*_given(told, event, partings), *_not_so(found.profile, told)]:
        if said := episodes.end(episode, why, event, customer, event.time):
            changes.triggers.append(said)
    if event.what is What.CONTACT_SEPARATED and customer != event.data["losing"]:
        changes.facts += returned(event, str(event.data["losing"]), found.given_back, back)
    if into is None:
        customers.put(customer, found.profile)
    else:
        changes.facts.append(_onward(event, into, found, partings))
    return into is None


def _onward(event: Event, into: str, found: Rebuilt, partings: Partings) -> Envelope:
    """Of somebody who is part of another one, in place of what was sent when they moved."""
    if found.sent_before:
        members = partings.members(event.customer)
        return learned(event, event.customer, into, found.profile, members, again=True)
    # Under an id of its own: that of this record counts as folded here.
    id_ = stable_id("onward", event.id, into)
    return emission(PROFILE_MERGED, into, event.data, event, event.time, id_, via=up(event, partings))


def _given(told: dict[int, Episode], event: Event, partings: Partings) -> list[tuple[Episode, str]]:
    """Adds the open episodes that the other side gave back. Returns those that are open here already."""
    if event.what is not What.PROFILE_RETURNED or partings.outdated(event):
        return []
    given = unpacked_episodes(event.data)
    return [(episode, _SAME) for key, episode in given.items() if told.setdefault(key, episode) is not episode]


def _not_so(profile: Profile, told: dict[int, Episode]) -> list[tuple[Episode, str]]:
    """What people were told of and is still so goes on under its trigger. Returns what is so no longer."""
    for key, episode in list(profile.episodes.items()):
        if key in told:
            profile.episodes[key] = told.pop(key)
        elif not episode.silent:
            del profile.episodes[key]
    return [(episode, _TWO_PEOPLE) for episode in told.values()]


def passed_on(event: Event, to: str, via: Mapping[str, int]) -> Envelope:
    """A fact that came under a key it does not belong to goes on, with its own id, so it counts once."""
    return emission(TYPES[event.what], to, event.data, event, event.time, event.id, via=via)


def up(event: Event, partings: Partings) -> dict[str, int]:
    """The way of a record to whoever its customer is part of."""
    return {**event.via, event.customer: partings.number(event.customer)}


def away(event: Event) -> dict[str, int]:
    """The way of a fact to whoever it is about. Nobody it came by counts it, whatever becomes of them."""
    return dict.fromkeys((*event.via, event.customer), AWAY)


def learned(
    event: Event,
    customer: str,
    into: str,
    profile: Profile,
    members: Mapping[str, Packed],
    *,
    again: bool = False,
) -> Envelope:
    """What was learned of somebody, for whoever they are part of. `again`: in place of what was said before."""
    data: dict[str, Any] = {
        "losing": customer,
        "profile": base64.b64encode(pack(profile)).decode(),
        "pending": base64.b64encode(profile.pending.pack()).decode(),
    }
    if members:
        data["members"] = members
    if again:
        data["again"] = True
    return emission(PROFILE_MERGED, into, data, event, event.time, stable_id("merged", _FORM, customer, into, event.id))


def returned(event: Event, to: str, facts: Iterable[Event], told: Mapping[int, Episode]) -> list[Envelope]:
    """What goes back to somebody who was taken apart: facts under the survivor's key that are theirs, and what was
    noticed of them and is open. Nothing for nothing.
    """
    parts = list(_parts(facts))
    if not parts and not told:
        return []
    said = []
    for number, part in enumerate(parts or [[]]):
        last = number == max(0, len(parts) - 1)
        packed = base64.b64encode(pack(Profile(episodes=dict(told)))).decode() if last and told else ""
        data = {"surviving": event.customer, "facts": part, "episodes": packed, "last": last}
        id_ = stable_id("returned", event.id, event.customer, to, number)
        said.append(emission(PROFILE_RETURNED, to, data, event, event.time, id_))
    return said


def given_on(event: Event, partings: Partings, into: str | None) -> list[Envelope]:
    """Each fact that was given back goes its own way: to somebody who was taken apart from the customer since, or with
    what is left of the record to whoever the customer is part of.
    """
    left: list[dict[str, Any]] = []
    theirs: dict[str, list[Event]] = {}
    for item, fact in zip(event.data["facts"], facts_of(event), strict=True):
        if partings.outdated(fact):
            continue
        if to := partings.whose(fact):
            theirs.setdefault(to, []).append(fact)
        else:
            left.append(item)
    said = [part for to, facts in theirs.items() for part in returned(event, to, facts, {})]
    if into is not None:
        rest = replace(event, data={**event.data, "facts": left})
        said.append(passed_on(rest, into, up(event, partings)))
    return said


def _parts(facts: Iterable[Event]) -> Iterator[list[dict[str, Any]]]:
    part: list[dict[str, Any]] = []
    size = 0
    for event in facts:
        item = {
            "type": TYPES[event.what],
            "id": event.id,
            "via": list(away(event)),
            "time": event.time,
            "received": event.received,
            "backfill": event.backfill,
            "data": event.data,
        }
        item_size = len(orjson.dumps(item))
        if part and size + item_size > _RECORD_BYTES:
            yield part
            part, size = [], 0
        part.append(item)
        size += item_size
    if part:
        yield part


def facts_of(event: Event) -> Iterator[Event]:
    """The facts that a record gives back, in order, as if they had come under the customer's own key."""
    for item in event.data["facts"]:
        fact = Event(
            _WHATS[item["type"]],
            str(item["id"]),
            event.customer,
            float(item["time"]),
            float(item["received"]),
            float(item["backfill"]),
            data=item["data"],
            partition=event.partition,
            offset=event.offset,
            via={**dict.fromkeys(map(str, item["via"]), AWAY), **event.via},
        )
        read_money(fact)
        yield fact


def unpacked_episodes(data: Mapping[str, Any]) -> dict[int, Episode]:
    """The open episodes that people were told of, in a record that carries a packed profile."""
    packed = base64.b64decode(data.get("episodes") or data.get("profile") or "")
    found = unpack(packed).episodes if packed and readable(packed) else {}
    return {key: episode for key, episode in found.items() if not episode.silent}
