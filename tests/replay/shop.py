"""A made-up shop's orders as a file, and what a replay of it has written."""

import hashlib
import io
import os
import random
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import orjson
import pyarrow.parquet

from heed.main import main

START = datetime(2024, 3, 4, 8, 30, tzinfo=UTC)  # a Monday morning: the grid begins at its midnight
MIDNIGHT = datetime(2024, 3, 4, tzinfo=UTC)
DAYS = 210
Row = tuple[str, datetime, float, str]


def rows(customers: int = 50, seed: int = 1) -> list[Row]:
    """Customers with a rhythm and a usual sum of their own; some stop for good, one spends far more for a spell."""
    r, found = random.Random(seed), []
    for number in range(customers):
        gap, usual, at = r.uniform(3, 20), r.uniform(10, 90), START + timedelta(days=r.uniform(0, 30))
        ends = MIDNIGHT + timedelta(days=r.uniform(60, DAYS) if r.random() < 0.4 else DAYS)
        while at < ends:
            spell = number == 0 and 120 < (at - START).days < 135
            total = usual * r.lognormvariate(0, 0.2) * (20 if spell else 1)
            found.append((f"customer {number}", at, round(total, 2)))
            at += timedelta(days=gap * r.lognormvariate(0, 0.25))
    found.sort(key=lambda row: row[1])
    return [(*row, f"n{i}") for i, row in enumerate(found)]


def write(path: Path, orders: list[Row]) -> Path:
    lines = ["who,when,total,no", *(f"{who},{at.isoformat()},{total},{no}" for who, at, total, no in orders)]
    path.write_text("\n".join(lines) + "\n")
    return path


COLUMNS = ("--customer", "who", "--time", "when", "--amount", "total", "--id", "no")


@dataclass(frozen=True)
class Done:
    """A command line that has ended."""

    code: int
    out: str
    error: str


def heed(*arguments: str) -> Done:
    """`heed replay …` in this process."""
    out, error = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(error), patch.object(sys, "argv", ["heed", "replay", *arguments]):
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
    return Done(code, out.getvalue(), error.getvalue())


def heed_apart(*arguments: str, **environ: str) -> Done:
    """The same in a process of its own."""
    command = [sys.executable, "-m", "heed", "replay", *arguments]
    done = subprocess.run(command, env={**os.environ, **environ}, capture_output=True, text=True, check=False)
    return Done(done.returncode, done.stdout, done.stderr)


@dataclass(frozen=True)
class Written:
    """The results of a replay."""

    directory: Path

    def table(self, name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = pyarrow.parquet.read_table(self.directory / f"{name}.parquet").to_pylist()
        return found

    def json(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = orjson.loads((self.directory / f"{name}.json").read_bytes())
        return found

    def hashes(self) -> dict[str, str]:
        """Of all that has to be the same each time."""
        files = (path for path in self.directory.iterdir() if path.name != "timings.json")
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def replayed(file: Path, out: Path, *options: str, columns: tuple[str, ...] = COLUMNS) -> Written:
    done = heed("orders", str(file), *columns, *options, "--out", str(out))
    assert done.code == 0, done.error
    return Written(out)
