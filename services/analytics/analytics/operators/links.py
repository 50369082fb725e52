"""What is bought with what: hands every basket to the learner of pairs, and keeps what each customer bought.

Nothing is alerted here. A task knows its own customers only, pairs are everybody's: baskets go to the learner of links
in batches, and what it publishes answers "bought with" and the next best offers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from struct import Struct
from typing import Any, Final
from zlib import crc32

import orjson

from analytics.events import Event, What
from analytics.operators.base import NOTHING, Example, Kind, Operator, Outcome, World
from analytics.profile import Profile
from analytics.sections import Section, stored

MODEL: Final = "links"
RECENT: Final = 32  # products a customer bought last, from which offers are made
NEAR: Final = 6  # of these, how many are counted as followed by what is bought next
MOST_LINES: Final = 128  # of a basket; larger ones are sampled
BATCH_ORDERS: Final = 32
BATCH_LINES: Final = 512
BATCH_SECONDS: Final = 3600.0
JUDGED_EVERY: Final = 512  # lines from one judged basket to the next
_MOST_SKU: Final = 64
_MOST_NAME: Final = 80
_BITS: Final = 768
# Of a filter's slices, the first bit and how many there are: each is twice the one before.
_SLICES: Final = ((0, _BITS), (_BITS, 2 * _BITS), (3 * _BITS, 4 * _BITS), (7 * _BITS, 8 * _BITS))
_ROOM: Final = 5  # one bit in so many is set in a slice that is full
_CODES = tuple(Struct(f"<B{count}I") for count in range(RECENT + 1))


def code_of(sku: str) -> int:
    """A product as 24 bits (of the CRC-32 of its SKU)."""
    return crc32(sku.encode()) & 0xFFFFFF


@dataclass(slots=True)
class Bought(Section):
    """The products a customer bought: the last 32 by code, the latest last; older ones in a Bloom filter that grows by
    slices (Almeida et al., 2007), two bits for each. It may take for bought what was not, one slice with probability
    1/25 at most: 0.8 % of all products after 33 older ones, 9 % after 260, 14 % after 1,000.
    """

    recent: list[int] = field(default_factory=list)
    older: int = 0

    def has(self, code: int) -> bool:
        """Whether this was bought; sometimes true of what was not, never the other way round."""
        return code in self.recent or _noted(self.older, code)

    def new_among(self, codes: Sequence[int]) -> list[int]:
        """The places of those never bought; none of a first basket, where everything is new."""
        recent, older = self.recent, self.older
        if not recent:
            return []
        if not older:
            return [at for at, code in enumerate(codes) if code not in recent]
        return [at for at, code in enumerate(codes) if not self.has(code)]

    def add(self, codes: Sequence[int]) -> None:
        """Notes a basket."""
        recent = self.recent
        for code in codes:
            if code in recent:
                recent.remove(code)
        recent += codes
        if len(recent) > RECENT:
            for code in recent[:-RECENT]:
                self.older = _with(self.older, code)
            del recent[:-RECENT]

    def pack(self) -> bytes:
        count = len(self.recent)
        return _CODES[count].pack(count, *self.recent) + self.older.to_bytes(_bytes_of(self.older), "little")

    @classmethod
    def unpack(cls, packed: bytes) -> "Bought":
        codes = _CODES[packed[0]]
        _, *recent = codes.unpack_from(packed)
        return cls(recent, int.from_bytes(packed[codes.size :], "little"))

    def merge(self, other: "Bought") -> None:
        """The products of both; which of them were the last is not kept, the survivor's count as later."""
        mine, self.recent = self.recent, other.recent[:]
        self.older |= other.older
        self.add(mine)


stored(Bought, 60)


def _noted(older: int, code: int) -> bool:
    """Whether both bits of a code are set in one of the slices."""
    for start, size in _SLICES:
        rest = older >> start
        if not rest:
            return False
        if rest >> code % size & 1 and rest >> code // _BITS % size & 1:
            return True
    return False


def _with(older: int, code: int) -> int:
    """The filter with a code in the first slice that has room, in the last where none has."""
    for start, size in _SLICES:
        if _ROOM * (older >> start & (1 << size) - 1).bit_count() < size:
            break
    return older | 1 << start + code % size | 1 << start + code // _BITS % size


def _bytes_of(older: int) -> int:
    """Of as many whole slices as are in use."""
    return sum(size for start, size in _SLICES if older >> start) // 8


@dataclass(slots=True)
class LinksPopulation(Section):
    """Baskets of this partition that wait to be handed over: at most 32 orders or 512 lines, or an hour's."""

    since: float = 0.0
    lines: int = 0
    unjudged: int = 0
    baskets: list[list[Any]] = field(default_factory=list)

    def pack(self) -> bytes:
        return orjson.dumps([self.since, self.lines, self.unjudged, self.baskets])

    @classmethod
    def unpack(cls, packed: bytes) -> "LinksPopulation":
        return cls(*orjson.loads(packed))

    def add(self, at: float, basket: list[Any]) -> None:
        """Keeps a basket until the batch is handed over."""
        if not self.baskets:
            self.since = at
        self.baskets.append(basket)
        self.lines += len(basket[2])

    def full(self, now: float) -> bool:
        """Whether the batch has waited long enough."""
        baskets = len(self.baskets)
        return (
            baskets >= BATCH_ORDERS or self.lines >= BATCH_LINES or (baskets > 0 and now - self.since >= BATCH_SECONDS)
        )

    def judges(self, lines: int) -> bool:
        """Whether offers are held against this basket: the first one after 512 lines is, whatever its size."""
        judged = self.unjudged >= JUDGED_EVERY
        self.unjudged = lines if judged else self.unjudged + lines
        return judged

    def take(self, now: float) -> Sequence[Outcome]:
        """The batch as an example."""
        baskets, self.baskets, self.lines = self.baskets, [], 0
        return (Example(MODEL, now, {"baskets": baskets}),)


stored(LinksPopulation, 61)


class Links(Operator):
    kind = Kind.LINKS
    takes = frozenset({What.ORDER})
    model = MODEL

    def learn(self, profile: Profile, event: Event, world: World) -> Sequence[Outcome]:
        lines = names_by_sku(event.data.get("items"))
        if not lines:
            return NOTHING
        bought, population = profile.of(Bought), world.of(LinksPopulation)
        size = len(lines)
        skus = list(lines) if size <= MOST_LINES else sampled(lines, event.id)
        codes = [crc32(sku.encode()) & 0xFFFFFF for sku in skus]
        fresh, seen, older = bought.new_among(codes), bought.recent, None
        if fresh and population.judges(size):
            seen, older = seen[:], f"{bought.older:x}"
        else:
            seen = seen[-NEAR:] if fresh else []
        named = any(lines.values())
        names = [lines[sku] for sku in skus] if named else None
        population.add(event.time, [event.time, size, skus, names, fresh, seen, older])
        bought.add(codes if size <= MOST_LINES else [code_of(sku) for sku in lines])
        return population.take(event.time) if population.full(event.time) else NOTHING

    def weekly(self, profile: Profile, now: float, world: World) -> Sequence[Outcome]:
        """Nobody's basket waits for long, even where few buy."""
        del profile
        population = world.of(LinksPopulation)
        return population.take(now) if population.full(now) else NOTHING


def names_by_sku(items: Any) -> dict[str, str]:
    """The products of an order, each once, with the name they bear ("" for none); what is no product is left out."""
    found: dict[str, str] = {}
    for item in items if type(items) is list else ():
        sku = item.get("sku") if type(item) is dict else None
        if type(sku) is str and 0 < len(sku) <= _MOST_SKU:
            name = item.get("name")
            found[sku] = name[:_MOST_NAME] if type(name) is str else ""
    return found


def sampled(lines: Mapping[str, str], order: str) -> list[str]:
    """128 products of a huge basket, those with the least hash of order and SKU: the same ones in every replay."""
    start = crc32(order.encode())
    return sorted(lines, key=lambda sku: (crc32(sku.encode(), start), sku))[:MOST_LINES]
