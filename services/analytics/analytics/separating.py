"""A merge that is undone: whose facts are whose from then on, and what becomes of what was noticed of both. Pure.

The strongest identifier of a fact says whose it is; one without identifiers is about the key it was first said under.
"""

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from analytics import episodes
from analytics.customers import Changes, Customers
from analytics.events import PROFILE_MERGED, PROFILE_RETURNED, TYPES, Event, What, emission, read_money, stable_id
from analytics.profile import Episode, Profile, pack, readable, unpack
from common.envelope import Envelope
from common.keys import entity_key

_STRENGTH = ("user_id", "loyalty_number", "email", "phone", "anonymous_id")  # the strongest first, as capture has it
_FORM = 2  # of profiles on the log
_LONGEST = 255
_RECORD_BYTES = 256 * 1024  # of facts in one record; a single larger one goes alone
_TWO_PEOPLE = "They turned out to be two people: of this one alone it is not so."
_SAME = "The same was noticed about this customer meanwhile."
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
    return event.via[0] if event.via else event.customer


Packed = tuple[int, Sequence[str]]  # as JSON has a Parting


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


class Partings:
    """Who was taken apart from whom, as far as one partition has heard.

    `of` are those who are no longer part of a customer, by both keys; `alone` those of this partition who were made a
    person of their own once; `joined` such people who are part of a customer again, by both keys.
    """

    def __init__(self, packed: Mapping[str, Any] | None = None) -> None:
        given = packed or {"of": {}, "alone": {}, "joined": {}}
        self.of = {customer: _unpacked(parted) for customer, parted in given["of"].items()}
        self.alone = _unpacked(given["alone"])
        self.joined = {customer: _unpacked(joined) for customer, joined in given["joined"].items()}

    def packed(self) -> dict[str, Any]:
        """Everything, as JSON can hold it; the same for the same."""
        of, joined = ({who: _packed(them) for who, them in all_.items()} for all_ in (self.of, self.joined))
        return {"of": of, "alone": _packed(self.alone), "joined": joined}

    def part(self, event: Event) -> None:
        """Hears of a separation, under the key of the losing one or of somebody they were part of."""
        customer, losing = event.customer, str(event.data["losing"])
        parting = Parting(int(event.data["separation"]), frozenset(event.data["keys"]))
        if customer == losing:
            self.alone[losing] = parting
            return
        self.of.setdefault(customer, {})[losing] = parting
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

    def is_stale(self, event: Event) -> bool:
        """Whether what was learned of somebody who is merged was learned before they were taken apart."""
        losing, member = str(event.data["losing"]), members_of(event).get(str(event.data["losing"]))
        # What was before a query is told of whoever is part of the customer by now.
        told = (self.of,) if event.data.get("part") else (self.of, self.joined)
        heard = (partings.get(event.customer, {}).get(losing) for partings in told)
        return any(parting is not None and not knows(member, parting) for parting in heard)

    def join(self, event: Event) -> None:
        """Somebody is merged into a customer, and others with them: they are part of the customer again, by whatever
        decision they were taken apart before.
        """
        customer, parted = event.customer, self.of.get(event.customer, {})
        for who, member in members_of(event).items():
            for other, parting in list(parted.items()):
                if knows(member, parting):
                    parted[other] = parting.without(member.keys)
                    if not parted[other].keys:
                        del parted[other]
            self.joined.setdefault(customer, {})[who] = member
        if not parted:
            self.of.pop(customer, None)

    def whose(self, event: Event) -> str | None:
        """Who a fact under a customer's key is about, if that is somebody who was taken apart from them."""
        parted = self.of.get(event.customer)
        if not parted or event.what is What.PROFILE_RETURNED:
            return None
        if event.what is not What.PROFILE_MERGED:
            found = [(p.number, who) for who, p in parted.items() if own_key(event) in p.keys]
        else:
            losing = str(event.data["losing"])
            member = members_of(event).get(losing)
            others = ((p, who) for who, p in parted.items() if who != losing and losing in p.keys)
            found = [(p.number, who) for p, who in others if not knows(member, p)]
        return max(found)[1] if found else None


def members_of(event: Event) -> dict[str, Parting]:
    """Who is part of somebody who is merged, as `Partings.members` said it."""
    return _unpacked(event.data.get("members", {}))


def knows(member: Parting | None, parting: Parting) -> bool:
    """Whether what is told of somebody is told after they were taken apart by this decision, or by a later one."""
    return member is not None and member.number >= parting.number


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


def put(customers: Customers, changes: Changes, event: Event, found: Rebuilt, members: Mapping[str, Packed]) -> bool:
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
    ended = _given(told, event)
    _take_over(found.profile, told)
    ended += [(episode, _TWO_PEOPLE) for episode in told.values()]
    for episode, why in ended:
        if said := episodes.end(episode, why, event, customer, event.time):
            changes.triggers.append(said)
    if event.what is What.CONTACT_SEPARATED and customer != event.data["losing"]:
        changes.facts += returned(event, str(event.data["losing"]), found.given_back, back)
    if into is None:
        customers.put(customer, found.profile)
    elif found.sent_before:
        changes.facts.append(learned(event, customer, into, found.profile, members, again=True))
    else:
        # Under an id of its own: that of this record counts as folded here.
        id_ = stable_id("onward", event.id, into)
        changes.facts.append(emission(PROFILE_MERGED, into, event.data, event, event.time, id_, via=way(event)))
    return into is None


def _given(told: dict[int, Episode], event: Event) -> list[tuple[Episode, str]]:
    """Adds the open episodes that the other side gave back. Returns those that are open here already."""
    given = unpacked_episodes(event.data) if event.what is What.PROFILE_RETURNED else {}
    return [(episode, _SAME) for key, episode in given.items() if told.setdefault(key, episode) is not episode]


def _take_over(profile: Profile, told: dict[int, Episode]) -> None:
    """What people were told of and is still so goes on under its trigger, and is taken out of `told`."""
    for key, episode in list(profile.episodes.items()):
        if key in told:
            profile.episodes[key] = told.pop(key)
        elif not episode.silent:
            del profile.episodes[key]


def passed_on(event: Event, to: str) -> Envelope:
    """A fact that came under a key it does not belong to goes on, with its own id, so it counts once."""
    return emission(TYPES[event.what], to, event.data, event, event.time, event.id, via=way(event))


def way(event: Event) -> tuple[str, ...]:
    """The keys it was under until now."""
    return event.via if event.customer in event.via else (*event.via, event.customer)


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


def given_on(event: Event, partings: Partings) -> list[Envelope]:
    """Of facts that were given back those about somebody who was taken apart from the customer since."""
    theirs: dict[str, list[Event]] = {}
    for fact in facts_of(event):
        to = partings.whose(fact)
        if to is not None and to not in (*fact.via, *event.via):  # else their own log has it
            theirs.setdefault(to, []).append(fact)
    return [said for to, facts in theirs.items() for said in returned(event, to, facts, {})]


def _parts(facts: Iterable[Event]) -> Iterator[list[dict[str, Any]]]:
    part: list[dict[str, Any]] = []
    size = 0
    for event in facts:
        item = {
            "type": TYPES[event.what],
            "id": event.id,
            "via": way(event),
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
            via=tuple(map(str, item["via"])),
        )
        read_money(fact)
        yield fact


def unpacked_episodes(data: Mapping[str, Any]) -> dict[int, Episode]:
    """The open episodes that people were told of, in a record that carries a packed profile."""
    packed = base64.b64decode(data.get("episodes") or data.get("profile") or "")
    found = unpack(packed).episodes if packed and readable(packed) else {}
    return {key: episode for key, episode in found.items() if not episode.silent}
