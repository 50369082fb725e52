"""How orders flow in from each source, so that a source that fell silent is not taken for silent customers."""

from dataclasses import dataclass, field
from struct import Struct
from typing import Final
from zlib import crc32

from analytics.sections import Section, stored

LEAST_ORDERS: Final = 20  # before these, nothing is claimed of a source
_EXPECTED: Final = 3.0  # orders that should have come meanwhile; a Poisson flow pauses so long by chance 5 times in 100
_ALPHA: Final = 0.02
_QUICK: Final = 50  # orders whose plain mean is the mean
_MAX_SOURCES: Final = 64
_FLOW: Final = Struct("<IIdd")


def source_number(source: str) -> int:
    """A source as a profile remembers it."""
    return crc32(source.encode()) if source else 0


@dataclass(slots=True)
class Flow:
    """`mean_gap` is the exponentially weighted mean of the seconds between receipts, `last` the latest receipt."""

    count: int = 0
    mean_gap: float = 0.0
    last: float = 0.0


@dataclass(slots=True)
class Flows(Section):
    """The flows of a partition, by source; what comes after 64 sources shares one."""

    flows: dict[int, Flow] = field(default_factory=dict)

    def note(self, source: int, received: float) -> None:
        """An order came."""
        flow = self.flows.get(source)
        if flow is None:
            key = source if len(self.flows) < _MAX_SOURCES else 0
            flow = self.flows.setdefault(key, Flow(last=received))
        flow.count += 1
        gap = received - flow.last
        if flow.count > 1:
            rate = 1.0 / (flow.count - 1) if flow.count <= _QUICK else _ALPHA
            flow.mean_gap += rate * ((gap if gap > 0.0 else 0.0) - flow.mean_gap)
        if gap > 0.0:
            flow.last = received

    def quiet_for(self, source: int, now: float) -> float:
        """The seconds that a source has been suspiciously quiet; 0 where so long a pause is nothing unusual."""
        flow = self.flows.get(source) or self.flows.get(0)
        if flow is None or flow.count < LEAST_ORDERS or now - flow.last < _EXPECTED * flow.mean_gap:
            return 0.0
        return now - flow.last

    def any_quiet(self, now: float) -> bool:
        """Whether some source is suspiciously quiet."""
        return any(self.quiet_for(source, now) for source in self.flows)

    def pack(self) -> bytes:
        return b"".join(_FLOW.pack(source, f.count, f.mean_gap, f.last) for source, f in self.flows.items())

    @classmethod
    def unpack(cls, packed: bytes) -> "Flows":
        return cls({source: Flow(*numbers) for source, *numbers in _FLOW.iter_unpack(packed)})


stored(Flows, 3)
