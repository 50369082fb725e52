"""A record of the bus, as consumers see it."""

from collections.abc import Sequence
from typing import Protocol


class Record(Protocol):
    """What a Kafka record offers; the names are aiokafka's. A header may have no value."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...
