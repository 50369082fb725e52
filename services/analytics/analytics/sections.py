"""The parts a profile is made of: plain numbers, packed without loss, so that a fold can go on from the packed form."""

from collections.abc import Callable, Iterator
from dataclasses import fields
from operator import attrgetter
from struct import Struct
from typing import Any, ClassVar, Self, TypeVar, cast


class Section:
    """What one operator remembers of one customer, or of all customers of a partition.

    A subclass is a dataclass with slots and at least two fields that, in order, fit `LAYOUT`; `NUMBER` is stored, so
    never reuse one. Every field has a default: a section that was never written has learned nothing.
    Where the size varies, `pack` and `unpack` are overridden. The same section always gives the same bytes.
    """

    __slots__ = ()
    NUMBER: ClassVar[int]
    LAYOUT: ClassVar[Struct]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        known = SECTIONS.get(cls.NUMBER)
        # A dataclass with slots is made twice, under one name.
        if known is not None and known.__qualname__ != cls.__qualname__:
            raise TypeError(f"section {cls.NUMBER} is {known.__qualname__} already")
        SECTIONS[cls.NUMBER] = cls

    def pack(self) -> bytes:
        """The numbers as bytes."""
        cls = type(self)
        numbers = _NUMBERS.get(cls)
        if numbers is None:
            numbers = _NUMBERS[cls] = attrgetter(*(field.name for field in fields(cls)))  # type: ignore[arg-type]
        return cls.LAYOUT.pack(*numbers(self))

    @classmethod
    def unpack(cls, packed: bytes) -> Self:
        """The inverse of `pack`."""
        return cls(*cls.LAYOUT.unpack(packed))

    def merge(self, other: Self) -> None:
        """Takes in what was learned of somebody who turns out to be the same customer."""
        raise NotImplementedError(type(self).__name__)


SECTIONS: dict[int, type[Section]] = {}
_NUMBERS: dict[type[Section], Callable[[Any], tuple[Any, ...]]] = {}
_ENTRY = Struct("<HH")

S = TypeVar("S", bound=Section)


class Sections:
    """Sections by class. Those nobody asked for stay packed."""

    __slots__ = ("_open", "_packed")

    def __init__(self, packed: dict[int, bytes] | None = None) -> None:
        self._packed = {} if packed is None else packed
        self._open: dict[int, Section] = {}

    def of(self, cls: type[S]) -> S:
        """The section, to be read and changed; a new one where there was none."""
        found = self._open.get(cls.NUMBER)
        if found is None:
            packed = self._packed.get(cls.NUMBER)
            found = self._open[cls.NUMBER] = cls() if packed is None else cls.unpack(packed)
        return cast("S", found)

    def get(self, cls: type[S]) -> S | None:
        """The section where there is one; asking does not make it."""
        return self.of(cls) if cls.NUMBER in self._open or cls.NUMBER in self._packed else None

    def pack(self) -> bytes:
        """All sections by number."""
        for number, section in self._open.items():
            self._packed[number] = section.pack()
        parts = [bytes([len(self._packed)])]
        for number in sorted(self._packed):
            packed = self._packed[number]
            parts += (_ENTRY.pack(number, len(packed)), packed)
        return b"".join(parts)

    @classmethod
    def unpack(cls, packed: bytes, at: int = 0) -> "Sections":
        """The inverse of `pack`."""
        found, count = {}, packed[at]
        at += 1
        for _ in range(count):
            number, size = _ENTRY.unpack_from(packed, at)
            at += _ENTRY.size
            found[number] = packed[at : at + size]
            at += size
        return cls(found)

    def merge(self, other: "Sections") -> None:
        """Folds every section of `other` into its counterpart here."""
        for section in other:
            self.of(type(section)).merge(section)

    def __iter__(self) -> Iterator[Section]:
        for number in sorted(self._open.keys() | self._packed.keys()):
            yield self.of(SECTIONS[number])
