"""A replay of a file of orders from beginning to end."""

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from analytics import compiled
from heed.importer.tables import UnreadableError
from heed.replay.driver import Driver
from heed.replay.options import Columns, Exclusion, Settings
from heed.replay.page import PAGE_FILE, write_page
from heed.replay.reading import Log, read_log
from heed.replay.report import REPORT_FILE, TIMINGS_FILE, report_of, write_json
from heed.replay.results import Results
from heed.replay.writing import (
    DECISIONS_FILE,
    EVENTS_FILE,
    REFUSED_FILE,
    SCORES_FILE,
    Tables,
    unfinished,
    write_refused,
)

_FILES = (SCORES_FILE, EVENTS_FILE, DECISIONS_FILE, REFUSED_FILE, REPORT_FILE, TIMINGS_FILE, PAGE_FILE)


class Told(Protocol):
    """Hears how far a replay is."""

    def step(self, what: str, total: int | None = None) -> None: ...
    def moved(self, done: int) -> None: ...


@dataclass
class Timings:
    """Seconds each part took, by the clock on the wall and of the processor."""

    wall: dict[str, float] = field(default_factory=dict)
    processor: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def of(self, part: str) -> Iterator[None]:
        """Measures a part."""
        began, worked = time.perf_counter(), time.process_time()
        yield
        self.wall[part] = time.perf_counter() - began
        self.processor[part] = time.process_time() - worked


@dataclass(frozen=True)
class Replayed:
    """What was written, in numbers; whether the operators ran compiled."""

    report: dict[str, Any]
    timings: dict[str, Any]
    compiled: bool


def replay_orders(
    file: Path, columns: Columns, exclusions: tuple[Exclusion, ...], settings: Settings, out: Path, told: Told
) -> Replayed:
    """Writes all results to `out`; those of an earlier replay are removed first.

    Raises UnreadableError when the file cannot be read, or holds no row that can be replayed.
    """
    timings = Timings()
    told.step(f"reading {file.name}")
    with timings.of("read"):
        log = read_log(file, columns, exclusions)
    out.mkdir(parents=True, exist_ok=True)
    _clear(out)
    if not len(log):
        write_refused(out / REFUSED_FILE, log.refused)
        raise UnreadableError(_nothing(file, log, out))
    with timings.of("replay"):
        driver, results = _drive(log, settings, out, told)
    told.step("writing the report")
    with timings.of("report"):
        report = report_of(file, columns, exclusions, settings, log, driver, results)
        write_json(out / REPORT_FILE, report)
        write_page(out / PAGE_FILE, report)
    said = _timings(timings, log, results)
    write_json(out / TIMINGS_FILE, said)
    return Replayed(report, said, compiled.used())


def _drive(log: Log, settings: Settings, out: Path, told: Told) -> tuple[Driver, Results]:
    told.step("replaying", len(log))
    try:
        with Tables(out, log) as tables, _without_collector():
            results = Results(log, settings, tables)
            driver = Driver(log, settings, results)
            driver.run(told.moved)
    except BaseException:
        _clear(out)
        raise
    return driver, results


@contextmanager
def _without_collector() -> Iterator[None]:
    """Nothing of a fold is cyclic; looking for cycles among millions of objects only costs time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _clear(out: Path) -> None:
    for name in _FILES:
        (out / name).unlink(missing_ok=True)
        unfinished(out / name).unlink(missing_ok=True)


def _nothing(file: Path, log: Log, out: Path) -> str:
    if not log.rows:
        return f"{file} holds no rows below its header"
    said = [f"{count:,} rows: {reason}" for reason, count in log.refused.counts().most_common(3)]
    said += [f"{log.excluded:,} rows excluded"] if log.excluded else []
    return f"{file} holds no row that can be replayed ({'; '.join(said)}); each is named in {out / REFUSED_FILE}"


def _timings(timings: Timings, log: Log, results: Results) -> dict[str, Any]:
    seconds = {f"{part}_seconds": round(took, 3) for part, took in timings.wall.items()}
    took, worked = max(timings.wall["replay"], 1e-9), max(timings.processor["replay"], 1e-9)
    return {
        **seconds,
        "replay_processor_seconds": round(worked, 3),
        "events": len(log),
        "events_per_second": round(len(log) / took),
        "events_per_processor_second": round(len(log) / worked),
        "scores": results.scored_rows,
        "scores_per_second": round(results.scored_rows / took),
    }
