"""What came before a rule was activated: the memories of its new tracks, of one partition's customers, as bytes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from struct import Struct

from analytics.queries.remembered import Remembered

_HEAD = Struct("<d")
_ENTRY = Struct("<HI")


@dataclass
class Histories:
    """`covered_from`: facts from then on (seconds since 1970) are all in it; minus infinity: everything there was."""

    covered_from: float
    of_customers: Mapping[str, Remembered] = field(default_factory=dict)

    def pack(self) -> bytes:
        """Sorted by customer, so that the same gives the same bytes."""
        parts = [_HEAD.pack(self.covered_from)]
        for customer, remembered in sorted(self.of_customers.items()):
            key, packed = customer.encode(), remembered.pack()
            parts += (_ENTRY.pack(len(key), len(packed)), key, packed)
        return b"".join(parts)

    @classmethod
    def unpack(cls, packed: bytes) -> "Histories":
        """The inverse of `pack`."""
        return cls(_HEAD.unpack_from(packed)[0], dict(_entries(packed)))


def _entries(packed: bytes) -> Iterator[tuple[str, Remembered]]:
    at = _HEAD.size
    while at < len(packed):
        n_key, size = _ENTRY.unpack_from(packed, at)
        at += _ENTRY.size
        customer = packed[at : at + n_key].decode()
        at += n_key
        yield customer, Remembered.unpack(packed[at : at + size])
        at += size
