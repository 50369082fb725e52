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
    return event.said_of or event.customer


@dataclass(frozen=True, slots=True)
class Parting:
    """Somebody who is no longer part of a customer: by which decision, and all keys that are theirs."""

    decision: str
    keys: frozenset[str]


class Partings:
    """Who was taken apart from whom, as far as one partition has heard.

    `of` are those who are no longer part of a surviving customer, by both keys; `alone` are the decisions that made
    somebody a person of their own.
    """

    def __init__(self, packed: Mapping[str, Any] | None = None) -> None:
        given = packed or {"of": {}, "alone": {}}
        self.alone: dict[str, list[str]] = {customer: list(ids) for customer, ids in given["alone"].items()}
        self.of: dict[str, dict[str, Parting]] = {
            customer: {losing: Parting(id_, frozenset(keys)) for losing, (id_, keys) in parted.items()}
            for customer, parted in given["of"].items()
        }

    def packed(self) -> dict[str, Any]:
        """Everything, as JSON can hold it; the same for the same."""
        of = {
            customer: {losing: (parting.decision, sorted(parting.keys)) for losing, parting in parted.items()}
            for customer, parted in self.of.items()
        }
        return {"of": of, "alone": self.alone}

    def part(self, event: Event) -> None:
        """Hears of a separation, under the key of the losing one or of somebody they were part of."""
        data, losing = event.data, str(event.data["losing"])
        if event.customer == losing:
            self.alone.setdefault(losing, []).append(str(data["separation"]))
        else:
            parting = Parting(str(data["separation"]), frozenset(data["keys"]))
            self.of.setdefault(event.customer, {})[losing] = parting

    def rejoins(self, customer: str, losing: str, after: Iterable[str]) -> bool:
        """Whether what was learned of somebody merged into a customer counts; no, if it is of before they were parted.

        `after` are the decisions that the losing side knew of when it said so.
        """
        parted = self.of.get(customer, {})
        if losing not in parted:
            return True
        if parted[losing].decision not in after:
            return False
        del parted[losing]
        if not parted:
            del self.of[customer]
        return True

    def whose(self, event: Event) -> str | None:
        """Who a fact under a customer's key is about, if that is somebody who was taken apart from them."""
        parted = self.of.get(event.customer)
        if not parted or event.what is What.PROFILE_RETURNED:
            return None
        losing = str(event.data["losing"]) if event.what is What.PROFILE_MERGED else None
        key = losing or own_key(event)
        return next((id_ for id_, parting in parted.items() if key in parting.keys and id_ != losing), None)


@dataclass
class Rebuilt:
    """A customer folded again from the stored facts.

    `ids` of the facts that count for them and were passed on while they were part of somebody else, with whether each
    is an order; `given_back` those that are the losing one's; `theirs` the triggers that came with their profile.
    """

    profile: Profile
    ids: dict[str, bool] = field(default_factory=dict)
    given_back: list[Event] = field(default_factory=list)
    theirs: set[bytes] = field(default_factory=set)
    records: int = 0


def put(customers: Customers, changes: Changes, event: Event, found: Rebuilt, after: Sequence[str]) -> bool:
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
    else:
        changes.facts.append(learned(event, customer, into, found.profile, after, again=True))
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


def learned(
    event: Event, customer: str, into: str, profile: Profile, after: Sequence[str], *, again: bool = False
) -> Envelope:
    """What was learned of somebody, for whoever they are part of. `again`: in place of what was said before."""
    data: dict[str, Any] = {
        "losing": customer,
        "profile": base64.b64encode(pack(profile)).decode(),
        "pending": base64.b64encode(profile.pending.pack()).decode(),
        "after": list(after),
    }
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


def _parts(facts: Iterable[Event]) -> Iterator[list[dict[str, Any]]]:
    part: list[dict[str, Any]] = []
    size = 0
    for event in facts:
        item = {
            "type": TYPES[event.what],
            "id": event.id,
            "said_of": event.said_of or event.customer,
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
            said_of=str(item["said_of"]),
        )
        read_money(fact)
        yield fact


def unpacked_episodes(data: Mapping[str, Any]) -> dict[int, Episode]:
    """The open episodes that people were told of, in a record that carries a packed profile."""
    packed = base64.b64decode(data.get("episodes") or data.get("profile") or "")
    found = unpack(packed).episodes if packed and readable(packed) else {}
    return {key: episode for key, episode in found.items() if not episode.silent}
