"""The columns of a file, a batch of rows at a time: CSV, TSV, separated by blanks, plain or gzip; Parquet.

What a file is, is read from its first bytes and its header, not from its name. A row with too few or too many fields
is left out and remembered; everything else that stands in a cell is for the caller to judge.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

MISSHAPEN = "too few or too many fields"
_BLOCK_BYTES = 8 * 1024 * 1024
_HEADER_BYTES = 256 * 1024
_DELIMITERS = (",", "\t", ";", "|")
_BLANKS = " "
_RUN_OF_BLANKS, _BLANK_ENDS = re.compile(rb"[ \t]+"), re.compile(rb"(?m)^[ \t]+|[ \t]+(?=\r?$)")


class UnreadableError(Exception):
    """The file is not what was said; the message tells what to check."""


class Table:
    """An opened file. Rows count from 1, the header apart; `misshapen` grows while batches are read.

    Raises UnreadableError, here and while reading, when the file cannot be read or a column is missing.
    """

    def __init__(self, path: Path, wanted: Sequence[str]) -> None:
        self._path, self._wanted = path, list(dict.fromkeys(wanted))
        self.misshapen: set[int] = set()
        try:
            with path.open("rb") as raw:
                magic = raw.read(4)
        except OSError as error:
            raise UnreadableError(f"{path} cannot be read: {error.strerror}") from error
        self._is_parquet, self._is_gzip = magic == b"PAR1", magic[:2] == b"\x1f\x8b"

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The wanted columns under the names that were asked for: texts, or as Parquet has them typed."""
        try:
            yield from self._parquet() if self._is_parquet else self._text()
        except (pa.ArrowException, OSError, EOFError) as error:
            raise UnreadableError(f"{self._path} cannot be read: {error}") from error

    def _parquet(self) -> Iterator[pa.RecordBatch]:
        file = pa.parquet.ParquetFile(self._path)
        names = self._found(file.schema_arrow.names)
        for batch in file.iter_batches(columns=names):
            columns = [batch.column(name) for name in names]
            yield pa.RecordBatch.from_arrays(columns, names=self._wanted)

    def _text(self) -> Iterator[pa.RecordBatch]:
        lines, delimiter, header = self._header()
        names = self._found(header)
        blanks = delimiter == _BLANKS
        read = pa.csv.ReadOptions(
            use_threads=False,  # only then is the number of a misshapen row known
            block_size=_BLOCK_BYTES,
            skip_rows=lines,
            column_names=[name if header.count(name) == 1 else f" {i}" for i, name in enumerate(header)],
        )
        parse = pa.csv.ParseOptions(
            delimiter="\t" if blanks else delimiter,
            quote_char=False if blanks else '"',
            newlines_in_values=not blanks,
            ignore_empty_lines=False,
            invalid_row_handler=lambda row: self._skip(row, lines),
        )
        convert = pa.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.binary()), include_columns=names)
        with self._open() as stream:
            rows = pa.csv.open_csv(
                _Tabbed(stream) if blanks else stream, read_options=read, parse_options=parse, convert_options=convert
            )
            for batch in rows:
                yield pa.RecordBatch.from_arrays([_text(column) for column in batch.columns], names=self._wanted)

    def _skip(self, row: pa.csv.InvalidRow, header_lines: int) -> str:
        self.misshapen.add(row.number - header_lines)
        return "skip"

    def _open(self) -> IO[bytes]:
        stream: IO[bytes] = pa.input_stream(self._path, compression="gzip" if self._is_gzip else None)
        return stream

    def _header(self) -> tuple[int, str, list[str]]:
        """How many lines the header ends after, what separates its fields, and the names."""
        with self._open() as stream:
            start = stream.read(_HEADER_BYTES)
        if start[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in start:
            raise UnreadableError(f"{self._path} is neither Parquet nor text in UTF-8: save it as one of them")
        lines = start.removeprefix(b"\xef\xbb\xbf").decode(errors="replace").splitlines()
        at = next((i for i, line in enumerate(lines) if line.strip()), None)
        if at is None:
            raise UnreadableError(f"{self._path} is empty: its first line has to name the columns")
        ways = {d: [name.strip() for name in next(csv.reader([lines[at]], delimiter=d))] for d in _DELIMITERS}
        ways[_BLANKS] = lines[at].split()
        wanted = set(self._wanted)
        fits = next((d for d, names in ways.items() if wanted <= set(names)), None)
        best = fits or max(ways, key=lambda d: (len(wanted & set(ways[d])), len(ways[d])))
        return at + 1, best, ways[best]

    def _found(self, header: Sequence[str]) -> list[str]:
        """The wanted columns as the file writes them. Raises UnreadableError."""
        if missing := [name for name in self._wanted if name not in header]:
            raise UnreadableError(f"{self._path} has no column {', '.join(missing)}; it has {', '.join(header)}")
        if twice := [name for name in self._wanted if list(header).count(name) > 1]:
            raise UnreadableError(f"{self._path} has more than one column {', '.join(twice)}: rename all but one")
        return self._wanted


class _Tabbed(io.RawIOBase):
    """A stream in which each run of blanks is one tab, and no line begins or ends with one."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._ready, self._rest = stream, b"", b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._ready:
            fresh = self._stream.read(_BLOCK_BYTES)
            whole, newline, rest = (self._rest + fresh).rpartition(b"\n") if fresh else (self._rest, b"", b"")
            self._rest = rest
            self._ready = _RUN_OF_BLANKS.sub(b"\t", _BLANK_ENDS.sub(b"", whole + newline))
            if not fresh:
                break
        size = min(len(buffer), len(self._ready))
        buffer[:size], self._ready = self._ready[:size], self._ready[size:]
        return size


def _text(column: pa.Array) -> pa.Array:
    """Bytes as text without blanks at its ends; what is not UTF-8 is taken as Latin-1."""
    try:
        text = column.cast(pa.string())
    except pa.ArrowInvalid:
        text = pa.array([_decoded(value.as_py()) for value in column], pa.string())
    return pc.utf8_trim_whitespace(text)


def _decoded(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
