"""Features that wait for the label that time will tell. Kept apart from the profile: they are many and seldom read."""

from struct import Struct
from typing import Final

_ENTRY: Final = Struct("<BI")
_MOST_BYTES: Final = 8_192  # of one kind and customer: months of what a person does, minutes of what a fault does


class Pending:
    """Rows of fixed size by example number, each row beginning with the moment it was taken (a double).

    What the rest of a row means is known to the operator that keeps it.
    """

    __slots__ = ("_rows", "changed")

    def __init__(self, rows: dict[int, bytes] | None = None) -> None:
        self._rows = {} if rows is None else rows
        self.changed = False

    def rows(self, number: int) -> bytes:
        """All rows of one kind, oldest first."""
        return self._rows.get(number, b"")

    def add(self, number: int, row: bytes) -> None:
        """Appends a row. Where too many wait already it is left out: one customer is not to teach for thousands."""
        rows = self._rows.get(number, b"")
        if len(rows) < _MOST_BYTES:
            self._rows[number] = rows + row
            self.changed = True

    def take(self, number: int, layout: Struct, until: float) -> list[tuple[float, ...]]:
        """Removes and returns the rows taken at or before `until`."""
        rows = self._rows.get(number)
        if not rows:
            return []
        taken, at = [], 0
        while at < len(rows):
            row = layout.unpack_from(rows, at)
            if row[0] > until:
                break
            taken.append(row)
            at += layout.size
        if at:
            self.put(number, rows[at:])
        return taken

    def put(self, number: int, rows: bytes) -> None:
        """Replaces all rows of one kind."""
        if rows:
            self._rows[number] = rows
        else:
            self._rows.pop(number, None)
        self.changed = True

    def merge(self, other: "Pending") -> None:
        """Rows of both; of two customers' examples only the survivor's go on waiting, since labels are per customer."""
        for number, rows in other._rows.items():
            if number not in self._rows:
                self.put(number, rows)

    def __bool__(self) -> bool:
        return bool(self._rows)

    def pack(self) -> bytes:
        """All rows; nothing for none."""
        parts = (part for n in sorted(self._rows) for part in (_ENTRY.pack(n, len(self._rows[n])), self._rows[n]))
        return b"".join(parts)

    @classmethod
    def unpack(cls, packed: bytes) -> "Pending":
        """The inverse of `pack`."""
        rows, at = {}, 0
        while at < len(packed):
            number, size = _ENTRY.unpack_from(packed, at)
            at += _ENTRY.size
            rows[number] = packed[at : at + size]
            at += size
        return cls(rows)
