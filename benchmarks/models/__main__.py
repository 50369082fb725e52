"""The models' figures on real logs, or of those named: prints their tables and keeps them in benchmarks/README.md.

HEED_BENCH_DATA=FOLDER .venv/bin/python -m benchmarks.models [NAME …]
"""

import argparse
import importlib
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import report

NAMES = ("churn", "deviation", "value", "links", "sessions", "queries")  # each a module here with `run(data) -> rows`


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.models", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(NAMES)}; all, when none is named")
    names = parser.parse_args(arguments).names or list(NAMES)
    if unknown := set(names) - set(NAMES):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    folder = Path(os.environ.get("HEED_BENCH_DATA", ""))
    if not os.environ.get("HEED_BENCH_DATA") or not folder.is_dir():
        parser.error("set HEED_BENCH_DATA to the folder that holds the logs; benchmarks/README.md lists their names")
    held = [_run(name, folder) for name in names]
    return 0 if all(held) else 1


def _run(name: str, folder: Path) -> bool:
    """Whether everything that was asked of it holds."""
    began = time.monotonic()
    rows = importlib.import_module(f"benchmarks.models.{name}").run(folder)
    report.show(name, rows)
    report.keep(name, rows, f".venv/bin/python -m benchmarks.models {name}", time.monotonic() - began)
    return all(row.holds is not False for row in rows)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
