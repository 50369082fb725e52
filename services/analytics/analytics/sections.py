"""The parts a profile is made of: plain numbers, packed without loss, so that a fold can go on from the packed form."""

from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import cache
from operator import attrgetter
from struct import Struct
from typing import Any, ClassVar, Self, TypeVar

from mypy_extensions import mypyc_attr


@mypyc_attr(allow_interpreted_subclasses=True)  # queries have sections too, and stay as they are (docs/adr/0010)
class Section:
    """What one operator remembers of one customer, or of all customers of a partition.

    A subclass is a dataclass with slots and at least two fields that, in order, fit its layout; `stored` says under
    which number. Every field has a default: a section that was never written has learned nothing.
    Where the size varies, `pack` and `unpack` are overridden. The same section always gives the same bytes.
    """

    __slots__ = ()
    NUMBER: ClassVar[int]
    LAYOUT: ClassVar[Struct]

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
S = TypeVar("S", bound=Section)


def stored(cls: type[Section], number: int, layout: Struct | None = None) -> None:
    """Every section is stored under a number, so never reuse one.

    Said after the class, not in it: mypyc takes what stands in a dataclass for a field, and a dataclass with slots is
    made twice.
    """
    if number in SECTIONS:
        raise TypeError(f"section {number} is {SECTIONS[number].__qualname__} already")
    cls.NUMBER = number
    if layout is not None:
        cls.LAYOUT = layout
    SECTIONS[number] = cls


class Sections:
    """Sections by class. Those nobody asked for stay packed."""

    __slots__ = ("_packed", "opened")

    def __init__(self, packed: dict[int, bytes] | None = None) -> None:
        self._packed = {} if packed is None else packed
        self.opened: dict[type[Section], Any] = {}

    def of(self, cls: type[S]) -> S:
        """The section, to be read and changed; a new one where there was none."""
        found: S | None = self.opened.get(cls)
        if found is None:
            packed = self._packed.get(cls.NUMBER)
            found = self.opened[cls] = cls() if packed is None else cls.unpack(packed)
        return found

    def get(self, cls: type[S]) -> S | None:
        """The section where there is one; asking does not make it."""
        return self.of(cls) if cls in self.opened or cls.NUMBER in self._packed else None

    def pack(self) -> bytes:
        """Their number, their numbers, their sizes, and the sections themselves, by number."""
        packed = self._packed
        for cls, section in self.opened.items():
            packed[cls.NUMBER] = section.pack()
        numbers = sorted(packed)
        parts = [packed[number] for number in numbers]
        head = _contents(len(parts)).pack(len(parts), *numbers, *map(len, parts))
        return b"".join((head, *parts))

    @classmethod
    def unpack(cls, packed: bytes, at: int = 0) -> "Sections":
        """The inverse of `pack`."""
        count = packed[at]
        contents = _contents(count)
        head = contents.unpack_from(packed, at)
        at += contents.size
        found = {}
        for number, size in zip(head[1 : count + 1], head[count + 1 :], strict=True):
            found[number] = packed[at : at + size]
            at += size
        return cls(found)

    def merge(self, other: "Sections") -> None:
        """Folds every section of `other` into its counterpart here."""
        for section in other:
            self.of(type(section)).merge(section)

    def __iter__(self) -> Iterator[Section]:
        for number in sorted({cls.NUMBER for cls in self.opened} | self._packed.keys()):
            yield self.of(SECTIONS[number])


@cache
def _contents(sections: int) -> Struct:
    return Struct(f"<B{2 * sections}H")
