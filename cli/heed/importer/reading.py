"""Order lines from a file, as texts, a batch of rows at a time."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import count
from pathlib import Path

import pyarrow as pa

from heed.importer.tables import MISSHAPEN, Table


@dataclass(frozen=True)
class Columns:
    """Which column of the file holds what. `amount` is a line's total where there is no price."""

    customer: str
    time: str
    order: str
    sku: str | None = None
    quantity: str | None = None
    price: str | None = None
    amount: str | None = None
    name: str | None = None

    def named(self) -> dict[str, str]:
        """Field → column, only those given."""
        return {f.name: value for f in fields(self) if (value := getattr(self, f.name))}


@dataclass(frozen=True, slots=True)
class Line:
    """One row; every field as it stands in the file, empty where the column is missing or null. `fault` says why a row
    could not be read."""

    row: int
    customer: str
    time: str
    order: str
    sku: str
    quantity: str
    price: str
    amount: str
    name: str
    fault: str = ""


def read_lines(path: Path, columns: Columns) -> Iterator[Line]:
    """Rows count as a spreadsheet shows them: the header is row 1. Blank rows are left out.

    Raises UnreadableError when the file cannot be read or a column is missing.
    """
    named = columns.named()
    table = Table(path, list(named.values()))
    order = [f.name for f in fields(Line) if f.name not in ("row", "fault")]
    rows = (row for row in count(2) if row - 1 not in table.misshapen)
    for batch in table.batches():
        texts = [_texts(batch, named.get(field)) for field in order]
        for values in zip(*texts, strict=True):
            row = next(rows)
            if any(values):
                yield Line(row, *values)
    for row in sorted(table.misshapen):
        yield Line(row + 1, **dict.fromkeys(order, ""), fault=MISSHAPEN)


def read_column(path: Path, column: str) -> Iterator[str]:
    """The texts of one column, as `read_lines` has them. Raises UnreadableError."""
    for batch in Table(path, [column]).batches():
        yield from _texts(batch, column)


def _texts(batch: pa.RecordBatch, column: str | None) -> list[str]:
    if column is None:
        return [""] * batch.num_rows
    return ["" if value is None else str(value).strip() for value in batch.column(column).to_pylist()]
