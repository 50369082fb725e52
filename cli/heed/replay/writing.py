"""The tables of a replay as Parquet files: the same answers always give the same bytes."""

import csv
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from common.envelope import Envelope
from heed.replay.driver import Noticed
from heed.replay.reading import Log, Refused
from heed.replay.rows import DAY, SECOND

_MOMENT = pa.timestamp("us", "UTC")
_READING = pa.struct([("value", pa.float64()), ("unit", pa.string()), ("text", pa.string())])
_REASON = pa.struct([("code", pa.string()), ("text", pa.string()), ("weight", pa.float64())])

SCORES = pa.schema(
    [
        ("customer", pa.string()),
        ("as_of", _MOMENT),
        ("churn_risk", pa.float64()),
        ("evidence", pa.string()),
        ("expected_next_at", _MOMENT),
        ("expected_value", pa.float64()),
        ("segment", pa.string()),
    ]
)
EVENTS = pa.schema(
    [
        ("id", pa.string()),
        ("customer", pa.string()),
        ("time", _MOMENT),
        ("deviation", pa.float64()),
        ("kind", pa.string()),
        ("flagged", pa.bool_()),
    ]
)
DECISIONS = pa.schema(
    [
        ("trigger", pa.string()),
        ("action", pa.string()),
        ("kind", pa.string()),
        ("customer", pa.string()),
        ("time", _MOMENT),
        ("expected", _READING),
        ("observed", _READING),
        ("score", pa.float64()),
        ("reasons", pa.list_(_REASON)),
        ("event_ids", pa.list_(pa.string())),
        ("model_version", pa.string()),
    ]
)
SCORES_FILE, EVENTS_FILE, DECISIONS_FILE, REFUSED_FILE = (
    "scores.parquet",
    "events.parquet",
    "decisions.parquet",
    "refused.csv",
)
_GROUP_ROWS = 131_072
_NOT_ENOUGH = "not enough"


class Table:
    """One Parquet file, written a row group at a time."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._schema = schema
        # All that could differ from one version of the library to the next is said here.
        self._writer = pa.parquet.ParquetWriter(
            path, schema, compression="zstd", compression_level=3, version="2.6", data_page_version="1.0"
        )
        self._columns: dict[str, list[Any]] = {name: [] for name in schema.names}

    def add(self, columns: Mapping[str, Sequence[Any]]) -> None:
        """Rows as columns by name."""
        for name, values in columns.items():
            self._columns[name].extend(values)
        if len(self._columns[self._schema.names[0]]) >= _GROUP_ROWS:
            self._flush()

    def add_batch(self, batch: pa.RecordBatch) -> None:
        """Rows that are a batch already."""
        self._flush()
        self._writer.write_batch(batch, row_group_size=_GROUP_ROWS)

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._columns[self._schema.names[0]]:
            self._writer.write_table(pa.table(self._columns, self._schema), row_group_size=_GROUP_ROWS)
            self._columns = {name: [] for name in self._schema.names}
