"""The answers of a replay as Parquet files: the same answers always give the same bytes."""

import csv
from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from analytics.operators.base import Kind, Noted
from common.envelope import Envelope
from heed.importer.values import Ints
from heed.replay.reading import Log, Refused
from heed.replay.rows import SECOND

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
        ("expected_next_low", _MOMENT),
        ("expected_next_high", _MOMENT),
        ("expected_value_low", pa.float64()),
        ("expected_value_high", pa.float64()),
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
NOT_ENOUGH = "not enough"
_MOMENTS = ("expected_next_at", "expected_next_low", "expected_next_high")
_AMOUNTS = ("expected_value", "expected_value_low", "expected_value_high")


class Table:
    """One Parquet file, written a row group at a time. It has another name until it is whole."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path, self._schema = path, schema
        self._writer = pa.parquet.ParquetWriter(unfinished(path), schema, compression="zstd", compression_level=3)
        self._columns: dict[str, list[Any]] = {name: [] for name in schema.names}

    def add(self, columns: Mapping[str, Sequence[Any]]) -> None:
        """Rows, as columns by name."""
        for name, values in columns.items():
            self._columns[name].extend(values)
        if len(self._columns[self._schema.names[0]]) >= _GROUP_ROWS:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()
        unfinished(self._path).replace(self._path)

    def _flush(self) -> None:
        if self._columns[self._schema.names[0]]:
            self._writer.write_table(pa.table(self._columns, self._schema), row_group_size=_GROUP_ROWS)
            self._columns = {name: [] for name in self._schema.names}


class Tables:
    """All tables of a replay, in `directory`; what was there before is replaced. Use it as a context manager."""

    def __init__(self, directory: Path, log: Log) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory, self._log = directory, log
        self._scores = Table(directory / SCORES_FILE, SCORES)
        self._decisions = Table(directory / DECISIONS_FILE, DECISIONS)
        self._deviation = array("d", bytes(8 * len(log)))
        self._kind = bytearray(len(log))  # 0 where nobody said anything
        self._flagged = bytearray(len(log))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._scores.close()
        self._decisions.close()
        if kind is None:
            self._write_events()
            write_refused(self._directory / REFUSED_FILE, self._log.refused)

    def noticed(self, event: int, noted: Noted) -> None:
        """The score of an event is the furthest that any operator said; flagged when any flagged it."""
        if not self._kind[event] or noted.score > self._deviation[event]:
            self._deviation[event] = noted.score
            self._kind[event] = noted.kind
        if noted.flagged:
            self._flagged[event] = True

    @property
    def flagged(self) -> int:
        """Events that do not teach."""
        return sum(self._flagged)

    def scored(self, as_of: float, seen: Ints, scores: Mapping[int, Mapping[str, Any]]) -> None:
        """One row for each customer of `seen`, with what is known."""
        rows = [scores.get(place, {}) for place in seen.tolist()]
        moment = round(as_of * SECOND)
        self._scores.add(
            {
                "customer": [self._log.customers[place] for place in seen.tolist()],
                "as_of": [moment] * len(rows),
                "churn_risk": [row.get("churn_risk") for row in rows],
                "evidence": [row.get("evidence", NOT_ENOUGH) for row in rows],
                **{name: [row.get(name) for row in rows] for name in _AMOUNTS},
                **{name: [_microseconds(row.get(name)) for row in rows] for name in _MOMENTS},
                "segment": [row.get("segment") for row in rows],
            }
        )

    def decided(self, action: str, step: Envelope, events: Sequence[int]) -> None:
        """One step of a trigger."""
        data = step.data
        why = [{"code": action, "text": data["sentence"], "weight": None}]
        self._decisions.add(
            {
                "trigger": [data["trigger"]],
                "action": [action],
                "kind": [data["kind"]],
                "customer": [data["customer"]],
                "time": [step.time],
                "expected": [data.get("expected")],
                "observed": [data.get("observed")],
                "score": [data["score"]],
                "reasons": [data.get("reasons", why)],
                "event_ids": [[self._log.ids[event].as_py() for event in events]],
                "model_version": [data.get("model_version")],
            }
        )

    def _write_events(self) -> None:
        log = self._log
        kinds = pa.array([Kind(n).slug if n in list(Kind) else None for n in range(256)], pa.string())
        table = pa.table(
            {
                "id": log.ids,
                "customer": pa.array(log.customers, pa.string()).take(pa.array(log.customer)),
                "time": pa.array(log.time).cast(_MOMENT),
                "deviation": np.frombuffer(self._deviation),
                "kind": kinds.take(pa.array(np.frombuffer(self._kind, dtype=np.uint8))),
                "flagged": np.frombuffer(self._flagged, dtype=np.bool_),
            },
            EVENTS,
        )
        pa.parquet.write_table(
            table,
            self._directory / EVENTS_FILE,
            compression="zstd",
            compression_level=3,
            row_group_size=_GROUP_ROWS,
        )


def unfinished(path: Path) -> Path:
    """What a file is called while it is being written."""
    return path.with_name(f"{path.name}.part")


def write_refused(path: Path, refused: Refused) -> None:
    """The rows that were not taken, with why; only the heading where all were."""
    with path.open("w", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["row", "reason"])
        writer.writerows(zip(refused.rows.tolist(), refused.reasons, strict=True))


def _microseconds(seconds: float | None) -> int | None:
    return None if seconds is None or not np.isfinite(seconds) else round(seconds * SECOND)
