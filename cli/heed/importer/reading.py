"""Order lines from CSV (plain or .gz) or Parquet, as texts, a batch of rows at a time."""

import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO, cast

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

_BLOCK_BYTES = 8 * 1024 * 1024


class UnreadableError(Exception):
    """The file is not what was said; the message tells what to check."""


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
    """One row; every field as it stands in the file, empty where the column is missing or null."""

    row: int
    customer: str
    time: str
    order: str
    sku: str
    quantity: str
    price: str
    amount: str
    name: str


def read_lines(path: Path, columns: Columns) -> Iterator[Line]:
    """Raises UnreadableError when the file cannot be read or a column is missing."""
    row = 1
    order = [f.name for f in fields(Line) if f.name != "row"]
    try:
        for batch in _batches(path, columns):
            texts = [_texts(batch, columns.named().get(field)) for field in order]
            for values in zip(*texts, strict=True):
                row += 1
                yield Line(row, *values)
    except (pa.ArrowInvalid, pa.ArrowKeyError, OSError, EOFError) as error:
        raise UnreadableError(f"{path} cannot be read after row {row}: {error}") from error


def _batches(path: Path, columns: Columns) -> Iterator[pa.RecordBatch]:
    wanted = list(dict.fromkeys(columns.named().values()))
    if ".parquet" in path.suffixes:
        file = pa.parquet.ParquetFile(path)
        _check(wanted, file.schema_arrow.names, path)
        yield from file.iter_batches(columns=wanted)
        return
    with path.open("rb") as raw, _plain(path, raw) as stream:
        options = pa.csv.ConvertOptions(column_types=dict.fromkeys(wanted, pa.string()), include_columns=wanted)
        parse = pa.csv.ParseOptions(newlines_in_values=True)
        _check(wanted, _header(path), path)
        read = pa.csv.ReadOptions(block_size=_BLOCK_BYTES)
        yield from pa.csv.open_csv(stream, read_options=read, parse_options=parse, convert_options=options)


def _plain(path: Path, raw: IO[bytes]) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(raw)) if path.suffix == ".gz" else raw


def _header(path: Path) -> list[str]:
    with path.open("rb") as raw, _plain(path, raw) as stream:
        first = stream.readline()
    table = pa.csv.read_csv(io.BytesIO(first + b"\n"))
    return list(table.column_names)


def _check(wanted: list[str], found: list[str], path: Path) -> None:
    missing = [name for name in wanted if name not in found]
    if missing:
        raise UnreadableError(f"{path} has no column {', '.join(missing)}; it has {', '.join(found)}")


def _texts(batch: pa.RecordBatch, column: str | None) -> list[str]:
    if column is None:
        return [""] * batch.num_rows
    return ["" if value is None else str(value).strip() for value in batch.column(column).to_pylist()]
